//! Zstandard: one frame, a bounded window, nothing after it.

use std::cell::Cell;
use std::io::{self, Read};

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

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

/// A context is kept for the next batch only after a window up to this size, in bytes: the default
/// level of every client uses no more.
const KEPT_WINDOW: u64 = 2 * 1024 * 1024;

thread_local! {
    /// Making a context takes longer than decompressing a small batch.
    static KEPT: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

/// Decompresses one frame; fails at the end if anything follows it.
pub(super) struct Reader<'a> {
    context: Option<DCtx<'static>>,
    keep: bool,
    input: &'a [u8],
    finished: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Result<Self, Error> {
        let code = |code| invalid(Codec::Zstd, get_error_name(code));
        let context = if let Some(mut context) = KEPT.take() {
            context.reset(ResetDirective::SessionOnly).map_err(code)?;
            context
        } else {
            let mut context = DCtx::create();
            context
                .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
                .map_err(code)?;
            context
        };
        let keep = window(data).is_some_and(|window| window <= KEPT_WINDOW);
        Ok(Self {
            context: Some(context),
            keep,
            input: data,
            finished: false,
        })
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if self.keep {
            KEPT.set(self.context.take());
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let Some(context) = &mut self.context else {
            return Ok(0);
        };
        while !self.finished {
            let mut input = InBuffer::around(self.input);
            let mut output = OutBuffer::around(&mut *out);
            let left = context
                .decompress_stream(&mut output, &mut input)
                .map_err(|code| io::Error::new(io::ErrorKind::InvalidData, get_error_name(code)))?;
            let (read, written) = (input.pos(), output.pos());
            self.input = self.input.get(read..).unwrap_or_default();
            self.finished = left == 0;
            if written > 0 {
                return Ok(written);
            }
            if read == 0 && !self.finished {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the frame is cut short",
                ));
            }
        }
        if self.input.is_empty() {
            return Ok(0);
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "bytes follow the frame",
        ))
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
