//! A look at the structure of an LZ4 frame before it is decoded.
//!
//! Kafka's Java client reads exactly one frame of independent blocks and fails when the end mark is
//! missing. Frames that it could not read must not be stored; the decoder accepts more than that.

use super::{Codec, Error, invalid};
use crate::cursor::Cursor;

const MAGIC: u32 = 0x184d_2204;

/// The bit of a block's length that says it is stored uncompressed.
const UNCOMPRESSED: u32 = 0x8000_0000;

/// Checks that the data is one complete frame of independent blocks, and nothing after it.
pub(super) fn check_frame(data: &[u8]) -> Result<(), Error> {
    walk(data).map_err(|reason| invalid(Codec::Lz4, reason))
}

fn walk(data: &[u8]) -> Result<(), &'static str> {
    const CUT: &str = "the frame is cut short";
    let mut cursor = Cursor::new(data);
    if cursor.u32().map(u32::swap_bytes) != Some(MAGIC) {
        return Err("not an LZ4 frame");
    }
    let flags = cursor.u8().ok_or(CUT)?;
    let sizes = cursor.u8().ok_or(CUT)?;
    if flags >> 6 != 1 {
        return Err("the frame's version is unknown");
    }
    if flags & 0x20 == 0 {
        return Err("the blocks depend on each other");
    }
    if flags & 0x03 != 0 || sizes & 0x8f != 0 {
        return Err("reserved bits or a dictionary are set");
    }
    let largest = match sizes >> 4 {
        4 => 64 * 1024,
        5 => 256 * 1024,
        6 => 1024 * 1024,
        7 => 4 * 1024 * 1024,
        _ => return Err("the block size is unknown"),
    };
    let content_size = if flags & 0x08 == 0 { 0 } else { 8 };
    let block_checksum = if flags & 0x10 == 0 { 0 } else { 4 };
    let content_checksum = if flags & 0x04 == 0 { 0 } else { 4 };
    // The header's checksum follows the content size.
    cursor.take(content_size + 1).ok_or(CUT)?;
    loop {
        let length = cursor.u32().ok_or(CUT)?.swap_bytes();
        if length == 0 {
            break;
        }
        let length = (length & !UNCOMPRESSED) as usize;
        if length > largest {
            return Err("a block is larger than the frame allows");
        }
        cursor.take(length + block_checksum).ok_or(CUT)?;
    }
    cursor.take(content_checksum).ok_or(CUT)?;
    if cursor.remaining() != 0 {
        return Err("bytes follow the frame");
    }
    Ok(())
}
