//! Reading records from a stream without keeping them: keys, values and headers are skipped.

use std::io::{self, BufRead};

use super::Error;
use crate::cursor::zigzag;

/// What a scan keeps of one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanned {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) has_key: bool,
}

/// Why a step failed: the stream itself, or what it says.
pub(super) enum Fault {
    Io(io::Error),
    Truncated,
    Field(&'static str),
}

impl Fault {
    pub(super) fn at(self, index: i32, from_io: impl FnOnce(&io::Error) -> Error) -> Error {
        match self {
            Self::Io(error) => from_io(&error),
            Self::Truncated => Error::Truncated { index },
            Self::Field(field) => Error::Field { index, field },
        }
    }
}

/// Records as they come out of a reader. Counts the bytes of the current record, so that no length
/// inside it can reach beyond it.
pub(super) struct Scan<R> {
    input: R,
    left: u64,
}

impl<R: BufRead> Scan<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, left: 0 }
    }

    pub(super) fn input(&self) -> &R {
        &self.input
    }

    /// Whether nothing is left. Also makes a decoder check what stands at its end.
    pub(super) fn at_end(&mut self) -> Result<bool, Fault> {
        self.input
            .fill_buf()
            .map(<[u8]>::is_empty)
            .map_err(Fault::Io)
    }

    /// Reads one record to its end.
    pub(super) fn record(&mut self) -> Result<Scanned, Fault> {
        // The length itself does not count against the record.
        self.left = 10;
        let length = self.varint("length")?;
        self.left = u64::try_from(length).map_err(|_| Fault::Field("length"))?;
        self.byte()?;
        let timestamp_delta = self.varlong("timestamp delta")?;
        let offset_delta = self.varint("offset delta")?;
        let has_key = self.nullable("key length")?;
        self.nullable("value length")?;
        self.headers()?;
        if self.left != 0 {
            return Err(Fault::Field("length"));
        }
        Ok(Scanned {
            timestamp_delta,
            offset_delta,
            has_key,
        })
    }

    fn headers(&mut self) -> Result<(), Fault> {
        let count = self.varint("header count")?;
        let count = u64::try_from(count).map_err(|_| Fault::Field("header count"))?;
        // Each header takes two bytes or more, so that this loop ends with the record's bytes.
        if count > self.left / 2 {
            return Err(Fault::Field("header count"));
        }
        for _ in 0..count {
            if !self.nullable("header key length")? {
                return Err(Fault::Field("header key length"));
            }
            self.nullable("header value length")?;
        }
        Ok(())
    }

    /// Skips a field whose length may be -1 for null; says whether it is there.
    fn nullable(&mut self, field: &'static str) -> Result<bool, Fault> {
        match self.varint(field)? {
            -1 => Ok(false),
            length => {
                let length = u64::try_from(length).map_err(|_| Fault::Field(field))?;
                self.skip(length, field)?;
                Ok(true)
            }
        }
    }

    fn skip(&mut self, length: u64, field: &'static str) -> Result<(), Fault> {
        self.left = self.left.checked_sub(length).ok_or(Fault::Field(field))?;
        let mut todo = length;
        while todo > 0 {
            let here = self.input.fill_buf().map_err(Fault::Io)?.len();
            if here == 0 {
                return Err(Fault::Truncated);
            }
            let step = usize::try_from(todo).map_or(here, |todo| todo.min(here));
            self.input.consume(step);
            todo = todo.saturating_sub(step as u64);
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.left = self.left.checked_sub(1).ok_or(Fault::Field("length"))?;
        let byte = *self
            .input
            .fill_buf()
            .map_err(Fault::Io)?
            .first()
            .ok_or(Fault::Truncated)?;
        self.input.consume(1);
        Ok(byte)
    }

    fn varint(&mut self, field: &'static str) -> Result<i32, Fault> {
        i32::try_from(self.varlong(field)?).map_err(|_| Fault::Field(field))
    }

    fn varlong(&mut self, field: &'static str) -> Result<i64, Fault> {
        let mut value = 0u64;
        for index in 0..10u32 {
            let byte = self.byte()?;
            if index == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (index * 7);
            if byte < 0x80 {
                return Ok(zigzag(value));
            }
        }
        Err(Fault::Field(field))
    }
}
