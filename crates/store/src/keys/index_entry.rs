//! What the index says of one batch.

use holdfast_model::{BatchInfo, LeaderEpoch, Offset};

use super::DecodeError;
use super::fields::Fields;

const VERSION: u8 = 1;
const BYTES: usize = 57;

/// The description of one batch and the high watermark known when it was appended. The base offset
/// is the key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) info: BatchInfo,
    pub(crate) high_watermark: Offset,
}

impl IndexEntry {
    /// The value's bytes, fixed width.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let info = &self.info;
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&info.last_offset.0.to_be_bytes());
        bytes.extend_from_slice(&info.leader_epoch.0.to_be_bytes());
        bytes.extend_from_slice(&info.max_timestamp.to_be_bytes());
        bytes.extend_from_slice(&info.producer_id.to_be_bytes());
        bytes.extend_from_slice(&info.producer_epoch.to_be_bytes());
        bytes.extend_from_slice(&info.base_sequence.to_be_bytes());
        bytes.extend_from_slice(&info.record_count.to_be_bytes());
        bytes.extend_from_slice(&info.attributes.to_be_bytes());
        bytes.extend_from_slice(&info.crc.to_be_bytes());
        bytes.extend_from_slice(&info.size.to_be_bytes());
        bytes.extend_from_slice(&self.high_watermark.0.to_be_bytes());
        bytes
    }

    /// How much of its high watermark a start may believe: at most up to the batch's own end, so
    /// that an entry never vouches for offsets that a later truncation removed.
    pub(crate) fn known_high_watermark(&self) -> Offset {
        self.high_watermark.min(self.info.end_offset())
    }

    /// Reads the entry of the batch that begins at `base`.
    pub(crate) fn decode(base: Offset, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::versioned("index entry", bytes, VERSION)?;
        let info = BatchInfo {
            base_offset: base,
            last_offset: Offset(fields.i64()?),
            leader_epoch: LeaderEpoch(fields.i32()?),
            max_timestamp: fields.i64()?,
            producer_id: fields.i64()?,
            producer_epoch: fields.i16()?,
            base_sequence: fields.i32()?,
            record_count: fields.i32()?,
            attributes: fields.i16()?,
            crc: fields.u32()?,
            size: fields.u32()?,
        };
        let high_watermark = Offset(fields.i64()?);
        // An end offset must exist, so the last offset stays below the end of the number range.
        if info.last_offset < base || info.last_offset.checked_add(1).is_none() {
            return Err(fields.garbage("batch ends before it starts"));
        }
        fields.end()?;
        Ok(Self {
            info,
            high_watermark,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_survive_encoding(
            base in 0..i64::MAX / 2, span in 0..i64::from(i32::MAX), epoch in any::<i32>(),
            numbers in (any::<i64>(), any::<i64>(), any::<i16>(), any::<i32>(), any::<i32>()),
            rest in (any::<i16>(), any::<u32>(), any::<u32>(), any::<i64>()),
        ) {
            let info = BatchInfo {
                base_offset: Offset(base),
                last_offset: Offset(base + span),
                leader_epoch: LeaderEpoch(epoch),
                max_timestamp: numbers.0,
                producer_id: numbers.1,
                producer_epoch: numbers.2,
                base_sequence: numbers.3,
                record_count: numbers.4,
                attributes: rest.0,
                crc: rest.1,
                size: rest.2,
            };
            let entry = IndexEntry { info, high_watermark: Offset(rest.3) };
            let bytes = entry.encode();
            prop_assert_eq!(bytes.len(), BYTES);
            prop_assert_eq!(IndexEntry::decode(Offset(base), &bytes), Ok(entry));
        }

        #[test]
        fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assume!(bytes.len() != BYTES || bytes[0] != VERSION);
            prop_assert!(IndexEntry::decode(Offset(0), &bytes).is_err());
        }
    }

    #[test]
    fn an_entry_that_ends_before_it_starts_is_refused() {
        let mut bytes = vec![0u8; BYTES];
        bytes[0] = VERSION;
        assert!(IndexEntry::decode(Offset(5), &bytes).is_err());
        assert!(IndexEntry::decode(Offset(0), &bytes).is_ok());
    }
}
