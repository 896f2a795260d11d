//! The physical layer of RocksDB's log: blocks of 32 KiB, cut into fragments of records.

use std::fs::File;
use std::io::{self, BufReader, Read};

/// Size of a block; no fragment crosses its end.
pub(super) const BLOCK_BYTES: usize = 32 * 1024;

/// Checksum, length, type.
const HEADER_BYTES: usize = 7;

/// A header of the reused-file kind also carries the file's number.
const RECYCLABLE_HEADER_BYTES: usize = 11;

/// Added to the rotated checksum, so that data that holds checksums does not check itself.
const MASK_DELTA: u32 = 0xa282_ead8;

/// What a fragment is to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Full,
    First,
    Middle,
    Last,
    /// A kind that carries no record.
    Other,
    /// Bytes that are no fragment; the next one is the next place in the block that is sound.
    Bad(&'static str),
}

/// One fragment.
#[derive(Debug)]
pub(super) struct Fragment<'a> {
    /// Where it begins in the file.
    pub(super) position: u64,
    pub(super) part: Part,
    pub(super) payload: &'a [u8],
}

/// Reads a log file fragment by fragment, holding one block.
#[derive(Debug)]
pub(super) struct Fragments {
    file: BufReader<File>,
    block: Vec<u8>,
    /// Where the block begins in the file.
    block_position: u64,
    /// The next fragment's place in the block.
    at: usize,
}

impl Fragments {
    pub(super) fn new(file: File) -> Self {
        Self {
            file: BufReader::with_capacity(32 * BLOCK_BYTES, file),
            block: Vec::with_capacity(BLOCK_BYTES),
            block_position: 0,
            at: 0,
        }
    }

    /// How much of the file was read, in bytes.
    pub(super) fn position(&self) -> u64 {
        self.block_position + self.block.len() as u64
    }

    /// The next fragment; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Fragment<'_>>> {
        loop {
            let rest = self.block.len().saturating_sub(self.at);
            let full_block = self.block.len() == BLOCK_BYTES;
            // The last bytes of a block that cannot hold a header are padding; in the last, shorter
            // block of a file they are a header that was cut.
            if rest >= HEADER_BYTES || (rest > 0 && !full_block) {
                break;
            }
            if !self.read_block()? {
                return Ok(None);
            }
        }
        let position = self.block_position + self.at as u64;
        let (part, payload_at, end) = parse(&self.block, self.at);
        self.at = if matches!(part, Part::Bad(_)) {
            next_sound(&self.block, self.at)
        } else {
            end
        };
        let payload = self.block.get(payload_at..end).unwrap_or_default();
        Ok(Some(Fragment {
            position,
            part,
            payload,
        }))
    }

    fn read_block(&mut self) -> io::Result<bool> {
        self.block_position += self.block.len() as u64;
        self.block.clear();
        self.at = 0;
        let mut limited = self.file.by_ref().take(BLOCK_BYTES as u64);
        Ok(limited.read_to_end(&mut self.block)? > 0)
    }
}

/// The next place behind `at` where the block holds a sound fragment, or the block's end. A bad
/// fragment's length cannot be believed, and skipping the whole block would hide that synced groups
/// follow: then damage would look like a torn tail. Only a bad log pays for this search.
fn next_sound(block: &[u8], at: usize) -> usize {
    (at + 1..block.len())
        .find(|at| !matches!(parse(block, *at).0, Part::Bad(_)))
        .unwrap_or(block.len())
}

/// Reads the fragment at a place of a block: what it is, where its payload begins and ends. A bad
/// one has no payload.
fn parse(block: &[u8], at: usize) -> (Part, usize, usize) {
    let bad = |reason| (Part::Bad(reason), block.len(), block.len());
    let Some(header) = block
        .get(at..)
        .and_then(<[u8]>::first_chunk::<HEADER_BYTES>)
    else {
        return bad("header is cut");
    };
    let [c0, c1, c2, c3, l0, l1, kind] = *header;
    let length = usize::from(u16::from_le_bytes([l0, l1]));
    if kind == 0 && length == 0 {
        return bad("hole of zeros");
    }
    let recyclable = matches!(kind, 5..=8 | 11 | 131);
    let header_bytes = if recyclable {
        RECYCLABLE_HEADER_BYTES
    } else {
        HEADER_BYTES
    };
    let payload_at = at + header_bytes;
    let end = payload_at + length;
    let Some(checked) = block.get(at + HEADER_BYTES - 1..end) else {
        return bad("record is cut");
    };
    let crc = crc32c::crc32c(checked);
    let masked = crc.rotate_right(15).wrapping_add(MASK_DELTA);
    if masked != u32::from_le_bytes([c0, c1, c2, c3]) {
        return bad("checksum");
    }
    let part = match kind {
        1 | 5 => Part::Full,
        2 | 6 => Part::First,
        3 | 7 => Part::Middle,
        4 | 8 => Part::Last,
        _ => Part::Other,
    };
    (part, payload_at, end)
}
