//! Compressing as Kafka's Java client does, so that every client reads it.

use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::{Codec, Error, invalid, snappy};

/// Compresses a buffer.
pub fn compress(codec: Codec, mut data: &[u8]) -> Result<Vec<u8>, Error> {
    compress_stream(codec, &mut data)
}

/// Compresses everything that a reader yields; the reader bounds how much that is.
pub fn compress_stream(codec: Codec, input: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let result = match codec {
        Codec::None => input.read_to_end(&mut out).map(|_| ()),
        Codec::Gzip => gzip(input, &mut out),
        Codec::Snappy => snappy::write(input, &mut out),
        Codec::Lz4 => lz4(input, &mut out),
        Codec::Zstd => zstd::stream::copy_encode(input, &mut out, zstd::DEFAULT_COMPRESSION_LEVEL),
    };
    result.map_err(|error| invalid(codec, error))?;
    Ok(out)
}

fn gzip(input: &mut dyn Read, out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
    io::copy(input, &mut encoder)?;
    encoder.finish().map(|_| ())
}

/// Independent blocks of 64 KiB without checksums: the only frames that the Java client reads
/// besides those with optional extras.
fn lz4(input: &mut dyn Read, out: &mut Vec<u8>) -> io::Result<()> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    io::copy(input, &mut encoder)?;
    encoder.flush()?;
    encoder.finish().map(|_| ()).map_err(io::Error::other)
}
