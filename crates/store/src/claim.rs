//! The claim that opens every commit group.
//!
//! A claim says which group this is and through which group everything was synced before this one
//! was begun. It stands first in the group's write-ahead-log record, as log data, so that a scan
//! finds it without knowing any key; and in the database under a fixed key, so that the number is
//! still known once the write-ahead log was dropped.

/// Size of an encoded claim in bytes.
pub(crate) const CLAIM_BYTES: usize = 20;

const MAGIC: [u8; 4] = *b"HFc1";

/// One group's number and what was durable before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Number of the group; the first is 1.
    pub(crate) group: u64,
    /// Every group up to this one was synced when this one was begun; 0 for none.
    pub(crate) synced_through: u64,
}

impl Claim {
    /// The claim's bytes: magic, group, synced-through, both big-endian.
    pub(crate) fn encode(self) -> [u8; CLAIM_BYTES] {
        let mut bytes = [0; CLAIM_BYTES];
        let (magic, rest) = bytes.split_at_mut(4);
        let (group, synced) = rest.split_at_mut(8);
        magic.copy_from_slice(&MAGIC);
        group.copy_from_slice(&self.group.to_be_bytes());
        synced.copy_from_slice(&self.synced_through.to_be_bytes());
        bytes
    }

    /// Reads a claim; `None` unless the bytes are exactly one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; CLAIM_BYTES] = bytes.try_into().ok()?;
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (group, synced) = rest.split_first_chunk::<8>()?;
        let claim = Self {
            group: u64::from_be_bytes(*group),
            synced_through: u64::from_be_bytes(synced.try_into().ok()?),
        };
        (*magic == MAGIC && claim.group > claim.synced_through).then_some(claim)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn claims_survive_encoding(synced in 0..u64::MAX - 1, ahead in 1..1_000u64) {
            let claim = Claim { group: synced.saturating_add(ahead), synced_through: synced };
            prop_assert_eq!(Claim::decode(&claim.encode()), Some(claim));
        }

        #[test]
        fn garbage_is_no_claim(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assume!(!bytes.starts_with(&MAGIC));
            prop_assert_eq!(Claim::decode(&bytes), None);
        }
    }

    #[test]
    fn a_claim_may_not_vouch_for_itself() {
        let claim = Claim {
            group: 7,
            synced_through: 7,
        };
        assert_eq!(Claim::decode(&claim.encode()), None);
    }
}
