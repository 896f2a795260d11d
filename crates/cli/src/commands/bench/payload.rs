//! Values that say of which run they are, and when they were due.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

/// The run, and when the record was due, in nanoseconds since the start.
const HEAD: usize = 16 + 8;

/// The smallest value.
pub(super) const SMALLEST: i64 = HEAD as i64;

/// Random bytes that values are cut from; larger ones repeat it.
const POOL: usize = 1 << 20;

/// Makes values, and knows its own.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    run: Uuid,
    size: usize,
    pool: Bytes,
}

impl Payload {
    pub(super) fn new(size: u32) -> Self {
        let mut pool = vec![0; POOL];
        rand::fill(&mut pool[..]);
        Self {
            run: Uuid::new_v4(),
            size: size as usize,
            pool: pool.into(),
        }
    }

    /// The value of a record.
    pub(super) fn value(&self, number: u64, due: Duration) -> Bytes {
        let mut value = BytesMut::with_capacity(self.size);
        value.put_slice(self.run.as_bytes());
        value.put_u64(u64::try_from(due.as_nanos()).unwrap_or(u64::MAX));
        // Neighbours have nothing in common that a compressor would find.
        let mut at = (number.wrapping_mul(self.size as u64) % POOL as u64) as usize;
        while value.len() < self.size {
            let length = (self.size - value.len()).min(POOL - at);
            value.put_slice(&self.pool[at..at + length]);
            at = 0;
        }
        value.freeze()
    }

    /// When a record of this run was due; none for somebody else's.
    pub(super) fn due(&self, value: &[u8]) -> Option<Duration> {
        let rest = value.strip_prefix(self.run.as_bytes())?;
        let due = rest.first_chunk()?;
        Some(Duration::from_nanos(u64::from_be_bytes(*due)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_run_and_when_it_was_due() {
        let due = Duration::from_nanos(123_456_789);
        for size in [24, 25, 1_024, 3 << 20] {
            let payload = Payload::new(size);
            let value = payload.value(7, due);
            assert_eq!(value.len(), size as usize);
            assert_eq!(payload.due(&value), Some(due));
            assert_eq!(Payload::new(size).due(&value), None);
            assert_eq!(payload.due(&value[..20]), None);
        }
    }
}
