//! Snappy in both forms that clients send: raw, and in the framing of snappy-java (a header of 16
//! bytes, then blocks with their compressed length in front).

use std::io::{self, Read, Write};

use super::{Codec, Error, invalid, too_large};
use crate::cursor::Cursor;

/// The magic bytes of the framing.
const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];

/// Version and oldest compatible version, both 1.
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];

/// Uncompressed bytes of a block that we write: what snappy-java writes for Kafka.
const BLOCK_BYTES: usize = 32 * 1024;

/// A copy element of three bytes yields at most 64: no valid data expands more.
const LARGEST_RATIO: usize = 22;

/// Decompresses block by block.
pub(super) struct Reader<'a> {
    source: Source<'a>,
    block: Vec<u8>,
    position: usize,
    cap: u64,
}

enum Source<'a> {
    /// All of the data is one block; `None` once it was read.
    Raw(Option<&'a [u8]>),
    /// Blocks follow.
    Framed(Cursor<'a>),
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8], cap: u64) -> Result<Self, Error> {
        let source = match data.strip_prefix(&MAGIC) {
            Some(rest) => {
                let mut cursor = Cursor::new(rest);
                if cursor.take(VERSIONS.len()).is_none() {
                    return Err(invalid(Codec::Snappy, "the framing's header is cut short"));
                }
                Source::Framed(cursor)
            }
            None => Source::Raw(Some(data)),
        };
        Ok(Self {
            source,
            block: Vec::new(),
            position: 0,
            cap,
        })
    }

    fn next_block(&mut self) -> io::Result<Option<&'a [u8]>> {
        match &mut self.source {
            Source::Raw(data) => Ok(data.take()),
            Source::Framed(cursor) => framed_block(cursor),
        }
    }
}

fn framed_block<'a>(cursor: &mut Cursor<'a>) -> io::Result<Option<&'a [u8]>> {
    let cut = || bad("a block is cut short");
    loop {
        if cursor.remaining() == 0 {
            return Ok(None);
        }
        let length = cursor.u32().ok_or_else(cut)?;
        // Concatenated streams repeat the header where a length would stand.
        let [m0, m1, m2, m3, tail @ ..] = MAGIC;
        if length == u32::from_be_bytes([m0, m1, m2, m3]) {
            let header = cursor.take(tail.len() + VERSIONS.len()).ok_or_else(cut)?;
            if !header.starts_with(&tail) {
                return Err(bad("a block's length is negative"));
            }
            continue;
        }
        let length = usize::try_from(length).map_err(|_| cut())?;
        return cursor.take(length).ok_or_else(cut).map(Some);
    }
}

fn bad(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Decompresses one block into `out`, which never grows beyond what the block's bytes can yield.
fn decode_block(block: &[u8], cap: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let declared = snap::raw::decompress_len(block).map_err(io::Error::other)?;
    if declared > block.len().saturating_mul(LARGEST_RATIO) {
        return Err(bad("the declared length is more than the bytes can yield"));
    }
    if declared as u64 > cap {
        return Err(too_large());
    }
    out.clear();
    out.resize(declared, 0);
    let written = snap::raw::Decoder::new()
        .decompress(block, out)
        .map_err(io::Error::other)?;
    out.truncate(written);
    Ok(())
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let mut rest = self.block.get(self.position..).unwrap_or_default();
            if !rest.is_empty() {
                let count = rest.read(out)?;
                self.position = self.position.saturating_add(count);
                return Ok(count);
            }
            let Some(block) = self.next_block()? else {
                return Ok(0);
            };
            self.position = 0;
            decode_block(block, self.cap, &mut self.block)?;
        }
    }
}

/// Writes the framing that Java clients write.
pub(super) fn write(input: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&MAGIC)?;
    out.write_all(&VERSIONS)?;
    let mut encoder = snap::raw::Encoder::new();
    let mut plain = Vec::with_capacity(BLOCK_BYTES);
    loop {
        plain.clear();
        (&mut *input)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut plain)?;
        if plain.is_empty() {
            return Ok(());
        }
        let block = encoder.compress_vec(&plain).map_err(io::Error::other)?;
        out.write_all(&(block.len() as u32).to_be_bytes())?;
        out.write_all(&block)?;
    }
}
