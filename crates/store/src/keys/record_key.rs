//! The key of one batch, in the log and in the index: partition, then base offset.

use holdfast_model::Offset;

use super::DecodeError;
use super::fields::Fields;

/// The short number of a partition on this disk. Allotted once, never given to another partition,
/// so that a deletion still on its way through the database cannot meet newer data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartitionKey(pub(crate) u64);

/// Names one batch: 16 bytes, both numbers big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordKey {
    pub(crate) partition: PartitionKey,
    /// Offset of the batch's first record; never negative.
    pub(crate) base: Offset,
}

impl RecordKey {
    /// The key's bytes.
    pub(crate) fn encode(self) -> [u8; 16] {
        // A negative offset would sort behind every other; callers check, this keeps the order.
        let base = u64::try_from(self.base.0).unwrap_or(0);
        ((u128::from(self.partition.0) << 64) | u128::from(base)).to_be_bytes()
    }

    /// Reads a key.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("record key", bytes);
        let partition = PartitionKey(fields.u64()?);
        let base = Offset(fields.i64()?);
        if base < Offset::ZERO {
            return Err(fields.garbage("negative offset"));
        }
        fields.end()?;
        Ok(Self { partition, base })
    }
}

impl PartitionKey {
    /// The key of the batch at an offset.
    pub(crate) fn at(self, base: Offset) -> [u8; 16] {
        RecordKey {
            partition: self,
            base,
        }
        .encode()
    }

    /// The first key of the partition.
    pub(crate) fn first(self) -> [u8; 16] {
        self.at(Offset::ZERO)
    }

    /// The first key behind the partition. The highest number is never allotted.
    pub(crate) fn behind(self) -> [u8; 16] {
        Self(self.0.saturating_add(1)).first()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_survive_encoding_and_keep_their_order(
            a in (any::<u64>(), 0..=i64::MAX), b in (any::<u64>(), 0..=i64::MAX),
        ) {
            let key = |(p, o)| RecordKey { partition: PartitionKey(p), base: Offset(o) };
            prop_assert_eq!(RecordKey::decode(&key(a).encode()), Ok(key(a)));
            prop_assert_eq!(key(a).cmp(&key(b)), key(a).encode().cmp(&key(b).encode()));
        }

        #[test]
        fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assume!(bytes.len() != 16);
            prop_assert!(RecordKey::decode(&bytes).is_err());
        }
    }

    #[test]
    fn a_negative_offset_is_refused() {
        assert!(RecordKey::decode(&[0xff; 16]).is_err());
    }

    #[test]
    fn a_partition_ends_where_the_next_begins() {
        let (one, two) = (PartitionKey(1), PartitionKey(2));
        assert!(one.at(Offset(i64::MAX)) < one.behind());
        assert_eq!(one.behind(), two.first());
    }
}
