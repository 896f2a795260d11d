//! Reading numbers and lengths out of untrusted bytes: every step is checked, none allocates.

/// A position in a slice; each read returns `None` when the bytes end too early.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// A position at the beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count)?;
        self.rest = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        self.rest = tail;
        Some(*head)
    }

    /// A byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A signed byte.
    pub fn i8(&mut self) -> Option<i8> {
        self.array().map(i8::from_be_bytes)
    }

    /// Two bytes, the highest first.
    pub fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    /// Four bytes, the highest first.
    pub fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// Four bytes without a sign.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, the highest first.
    pub fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// The unsigned varint of control messages, read exactly as the message crate reads it (it
    /// stops after five bytes and drops bits beyond 32), so that both agree on every length.
    pub fn unsigned_varint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for shift in [0u32, 7, 14, 21, 28] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Some(value)
    }

    /// The zigzag varint of records: at most five bytes, at most 32 bits.
    pub fn varint(&mut self) -> Option<i32> {
        let value = self.varlong()?;
        i32::try_from(value).ok()
    }

    /// The zigzag varlong of records: at most ten bytes, at most 64 bits.
    pub fn varlong(&mut self) -> Option<i64> {
        let mut value = 0u64;
        for index in 0..10u32 {
            let byte = self.u8()?;
            if index == 9 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (index * 7);
            if byte < 0x80 {
                return Some(zigzag(value));
            }
        }
        None
    }
}

/// Undoes the zigzag encoding: 0, -1, 1, -2, ... from 0, 1, 2, 3, ...
pub(crate) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
