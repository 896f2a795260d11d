//! The fixed header of a stored batch: just enough to see that the bytes are the batch that the
//! index promised. What the records mean is no business of the store.

use holdfast_model::{BatchInfo, LeaderEpoch, Offset};

/// Size of the header of a record batch of format 2.
pub(crate) const HEADER_BYTES: usize = 61;

/// Where the checksummed part begins: everything after the checksum itself.
const CHECKSUMMED_FROM: usize = 21;

/// Bytes of base offset and length, which the length does not count.
const LENGTH_OVERHEAD: i64 = 12;

/// The fields that the store compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: Offset,
    pub(crate) last_offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) crc: u32,
    pub(crate) size: i64,
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

impl BatchHeader {
    /// Reads the header; `None` if the bytes are too short or of another format.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER_BYTES || *bytes.get(16)? != 2 {
            return None;
        }
        let base = i64::from_be_bytes(field(bytes, 0)?);
        let delta = i32::from_be_bytes(field(bytes, 23)?);
        Some(Self {
            base_offset: Offset(base),
            last_offset: Offset(base.checked_add(i64::from(delta))?),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(bytes, 12)?)),
            crc: u32::from_be_bytes(field(bytes, 17)?),
            size: i64::from(i32::from_be_bytes(field(bytes, 8)?)) + LENGTH_OVERHEAD,
        })
    }

    /// Names the first field in which the header differs from its description; `None` if all agree.
    pub(crate) fn differs_from(&self, info: &BatchInfo) -> Option<&'static str> {
        if self.base_offset != info.base_offset {
            Some("base offset")
        } else if self.last_offset != info.last_offset {
            Some("last offset")
        } else if self.leader_epoch != info.leader_epoch {
            Some("leader epoch")
        } else if self.crc != info.crc {
            Some("checksum field")
        } else if self.size != i64::from(info.size) {
            Some("length")
        } else {
            None
        }
    }
}

/// Checks that `bytes` are the batch that `info` describes, checksum included; the error names what
/// differs.
pub(crate) fn verify(bytes: &[u8], info: &BatchInfo) -> Result<(), &'static str> {
    let header = BatchHeader::read(bytes).ok_or("not a batch of format 2")?;
    if let Some(field) = header.differs_from(info) {
        return Err(field);
    }
    if bytes.len() as u64 != u64::from(info.size) {
        return Err("stored length");
    }
    let body = bytes.get(CHECKSUMMED_FROM..).ok_or("stored length")?;
    if crc32c::crc32c(body) == header.crc {
        Ok(())
    } else {
        Err("checksum")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(base: i64, records: i32, payload: &[u8]) -> (Vec<u8>, BatchInfo) {
        let mut bytes = vec![0u8; HEADER_BYTES];
        bytes.extend_from_slice(payload);
        let length = (bytes.len() as i32) - 12;
        bytes[0..8].copy_from_slice(&base.to_be_bytes());
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[12..16].copy_from_slice(&3i32.to_be_bytes());
        bytes[16] = 2;
        bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
        let crc = crc32c::crc32c(&bytes[CHECKSUMMED_FROM..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        let info = BatchInfo {
            base_offset: Offset(base),
            last_offset: Offset(base + i64::from(records) - 1),
            leader_epoch: LeaderEpoch(3),
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: records,
            attributes: 0,
            crc,
            size: bytes.len() as u32,
        };
        (bytes, info)
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(at in 0usize..161, bit in 0u8..8) {
            let (mut bytes, info) = batch(42, 7, &[0xab; 100]);
            prop_assert_eq!(verify(&bytes, &info), Ok(()));
            bytes[at] ^= 1 << bit;
            prop_assert!(verify(&bytes, &info).is_err());
        }

        #[test]
        fn any_shorter_or_longer_value_is_noticed(cut in 0usize..161) {
            let (mut bytes, info) = batch(42, 7, &[0xab; 100]);
            bytes.truncate(cut);
            prop_assert!(verify(&bytes, &info).is_err());
        }
    }
}
