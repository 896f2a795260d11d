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
        let run = Uuid::new_v4();
        let mut state = run.as_u64_pair().0;
        let words = std::iter::repeat_with(|| next(&mut state).to_le_bytes());
        Self {
            run,
            size: size as usize,
            pool: words.take(POOL / 8).flatten().collect(),
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

/// The next of a row of numbers that look random (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
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
