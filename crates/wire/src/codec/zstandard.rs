//! Zstandard: one frame, a bounded window, nothing after it.

use std::io::{self, Read};

use super::{Codec, Error, invalid};
use crate::cursor::Cursor;

const MAGIC: u32 = 0xfd2f_b528;

/// Largest window, as a power of two: 128 MiB, what level 22 uses and every client reads.
const WINDOW_LOG: u32 = 27;

/// A window up to this size is what levels below 20 use, in bytes.
const USUAL_WINDOW: u64 = 32 * 1024 * 1024;

/// Output allowed with a larger window, in bytes: the window is filled no further, so that one bomb
/// never holds more memory than this.
const CAP_WITH_LARGE_WINDOW: u64 = 48 * 1024 * 1024;

/// Decompresses one frame; fails at the end if anything follows it.
pub(super) struct Reader<'a> {
    decoder: zstd::stream::read::Decoder<'static, &'a [u8]>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Result<Self, Error> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(data)
            .map_err(|error| invalid(Codec::Zstd, error))?
            .single_frame();
        decoder
            .window_log_max(WINDOW_LOG)
            .map_err(|error| invalid(Codec::Zstd, error))?;
        Ok(Self { decoder })
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(out)?;
        if count == 0 && !out.is_empty() && !self.decoder.get_ref().is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "bytes follow the frame",
            ));
        }
        Ok(count)
    }
}

/// The cap for this frame: lowered where the frame asks for a large window.
pub(super) fn cap_for_window(data: &[u8], cap: u64) -> Result<u64, Error> {
    let Some(window) = window(data) else {
        return Err(invalid(Codec::Zstd, "not a zstd frame"));
    };
    if window > USUAL_WINDOW {
        Ok(cap.min(CAP_WITH_LARGE_WINDOW))
    } else {
        Ok(cap)
    }
}

/// The window that the frame's header asks for, in bytes.
fn window(data: &[u8]) -> Option<u64> {
    let mut cursor = Cursor::new(data);
    if cursor.u32()?.swap_bytes() != MAGIC {
        return None;
    }
    let descriptor = cursor.u8()?;
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let byte = cursor.u8()?;
        let base = 1u64 << (10 + u32::from(byte >> 3));
        return Some(base + base / 8 * u64::from(byte & 7));
    }
    // Without a window field the content size is the window; a dictionary id stands before it.
    let dictionary = [0usize, 1, 2, 4]
        .get(usize::from(descriptor & 3))
        .copied()?;
    cursor.take(dictionary)?;
    match descriptor >> 6 {
        0 => cursor.u8().map(u64::from),
        1 => cursor
            .i16()
            .map(|size| u64::from((size as u16).swap_bytes()) + 256),
        2 => cursor.u32().map(|size| u64::from(size.swap_bytes())),
        _ => cursor.i64().map(|size| (size as u64).swap_bytes()),
    }
}
