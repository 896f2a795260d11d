//! Reading fixed-width fields one after the other.

use super::DecodeError;

/// A place in stored bytes; each read moves it on.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Starts at the first byte of a value of kind `what`.
    pub(super) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    /// Starts behind the version byte, which must be from 1 to `supported`.
    pub(super) fn versioned(
        what: &'static str,
        bytes: &'a [u8],
        supported: u8,
    ) -> Result<Self, DecodeError> {
        let mut fields = Self::new(what, bytes);
        let [version] = fields.array::<1>()?;
        if version == 0 {
            return Err(fields.garbage("version 0"));
        }
        if version > supported {
            let (found, supported) = (u32::from(version), u32::from(supported));
            return Err(DecodeError::Version {
                what,
                found,
                supported,
            });
        }
        Ok(fields)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.garbage("too short"))?;
        self.rest = rest;
        Ok(*head)
    }

    /// The next `count` bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.garbage("too short"))?;
        self.rest = rest;
        Ok(head)
    }

    /// Everything that is left.
    pub(super) fn remaining(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Checks that nothing is left.
    pub(super) fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.garbage("too long"))
        }
    }

    /// An error about this value.
    pub(super) fn garbage(&self, reason: &'static str) -> DecodeError {
        DecodeError::Garbage {
            what: self.what,
            reason,
        }
    }
}
