//! Compressing as Kafka's Java client does, so that every client reads it.

use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::{Codec, Error, invalid, snappy};

/// Compresses a buffer.
pub fn compress(codec: Codec, mut data: &[u8]) -> Result<Vec<u8>, Error> {
    compress_stream(codec, &mut data, usize::MAX)
}

/// Compresses everything that a reader yields, into at most so many bytes. The reader bounds how
/// much it yields; what another codec had packed well may come out a thousand times as large.
pub fn compress_stream(codec: Codec, input: &mut dyn Read, most: usize) -> Result<Vec<u8>, Error> {
    let mut out = Capped {
        bytes: Vec::new(),
        most,
        full: false,
    };
    let result = match codec {
        Codec::None => io::copy(input, &mut out).map(|_| ()),
        Codec::Gzip => gzip(input, &mut out),
        Codec::Snappy => snappy::write(input, &mut out),
        Codec::Lz4 => lz4(input, &mut out),
        Codec::Zstd => zstd::stream::copy_encode(input, &mut out, zstd::DEFAULT_COMPRESSION_LEVEL),
    };
    if out.full {
        return Err(Error::Outgrown { cap: most as u64 });
    }
    result.map_err(|error| invalid(codec, error))?;
    Ok(out.bytes)
}

/// Takes so many bytes and no more.
struct Capped {
    bytes: Vec<u8>,
    most: usize,
    full: bool,
}

impl Write for Capped {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if more.len() > self.most.saturating_sub(self.bytes.len()) {
            self.full = true;
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gzip(input: &mut dyn Read, out: &mut Capped) -> io::Result<()> {
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
    io::copy(input, &mut encoder)?;
    encoder.finish().map(|_| ())
}

/// Independent blocks of 64 KiB without checksums: the only frames that the Java client reads
/// besides those with optional extras.
fn lz4(input: &mut dyn Read, out: &mut Capped) -> io::Result<()> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    io::copy(input, &mut encoder)?;
    encoder.flush()?;
    encoder.finish().map(|_| ()).map_err(io::Error::other)
}
