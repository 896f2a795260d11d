//! The key of one partition's state: kind, then partition.

use super::fields::Fields;
use super::{DecodeError, PartitionKey};

/// What a state key holds. The numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum StateKind {
    /// Topic id, name, partition index, opaque bytes.
    Meta = 0x10,
    /// The newest checkpoint of the log.
    Checkpoint = 0x11,
    /// There are batches behind the checkpoint.
    Dirty = 0x12,
    /// The highest high watermark that this replica learned.
    HighWatermark = 0x13,
    /// The newest leader epoch that this replica accepted.
    LeaderEpoch = 0x14,
    /// The first offset that is still served.
    LogStart = 0x15,
}

impl StateKind {
    /// Every kind, ascending: recovery reads them in this order.
    pub(crate) const ALL: [Self; 6] = [
        Self::Meta,
        Self::Checkpoint,
        Self::Dirty,
        Self::HighWatermark,
        Self::LeaderEpoch,
        Self::LogStart,
    ];
}

/// Names one piece of one partition's state: 9 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StateKey {
    pub(crate) kind: StateKind,
    pub(crate) partition: PartitionKey,
}

impl StateKey {
    /// The key's bytes.
    pub(crate) fn encode(self) -> [u8; 9] {
        let mut bytes = [self.kind as u8; 9];
        let (_, number) = bytes.split_at_mut(1);
        number.copy_from_slice(&self.partition.0.to_be_bytes());
        bytes
    }

    /// Reads a key.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("state key", bytes);
        let [byte] = fields.array::<1>()?;
        let kind = StateKind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == byte)
            .ok_or_else(|| fields.garbage("unknown kind"))?;
        let partition = PartitionKey(fields.u64()?);
        fields.end()?;
        Ok(Self { kind, partition })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_survive_encoding(kind in 0usize..6, partition in any::<u64>()) {
            let key = StateKey { kind: StateKind::ALL[kind], partition: PartitionKey(partition) };
            prop_assert_eq!(StateKey::decode(&key.encode()), Ok(key));
        }

        #[test]
        fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assume!(bytes.len() != 9 || !(0x10..=0x15).contains(&bytes[0]));
            prop_assert!(StateKey::decode(&bytes).is_err());
        }
    }
}
