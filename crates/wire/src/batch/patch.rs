//! The header fields that a leader sets in a batch before it is stored.

use holdfast_model::{LeaderEpoch, Offset, TimestampType};

use super::{Attributes, BatchHeader, Error, checksum};

const BASE_OFFSET: usize = 0;
const LEADER_EPOCH: usize = 12;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const MAX_TIMESTAMP: usize = 35;

/// Writes the offset of the first record; the checksum does not cover it.
pub fn patch_base_offset(batch: &mut [u8], offset: Offset) -> Result<(), Error> {
    BatchHeader::parse(batch)?;
    put(batch, BASE_OFFSET, offset.0.to_be_bytes());
    Ok(())
}

/// Writes the epoch of the leader; the checksum does not cover it.
pub fn patch_leader_epoch(batch: &mut [u8], epoch: LeaderEpoch) -> Result<(), Error> {
    BatchHeader::parse(batch)?;
    put(batch, LEADER_EPOCH, epoch.0.to_be_bytes());
    Ok(())
}

/// Stamps a whole batch with the leader's time, for topics with `LogAppendTime`.
pub fn patch_max_timestamp_log_append(batch: &mut [u8], now_ms: i64) -> Result<(), Error> {
    set_max_timestamp(batch, TimestampType::LogAppendTime, now_ms)
}

/// Writes timestamp type and largest timestamp of a whole batch and computes the checksum anew, if
/// anything changes. A leader does so too when a producer's header does not say what its records
/// say.
pub fn set_max_timestamp(
    batch: &mut [u8],
    kind: TimestampType,
    timestamp_ms: i64,
) -> Result<(), Error> {
    let header = BatchHeader::parse_whole(batch)?;
    let attributes: Attributes = header.attributes.with_timestamp_type(kind);
    if attributes == header.attributes && header.max_timestamp == timestamp_ms {
        return Ok(());
    }
    put(batch, ATTRIBUTES, attributes.0.to_be_bytes());
    put(batch, MAX_TIMESTAMP, timestamp_ms.to_be_bytes());
    let crc = checksum(batch);
    put_crc(batch, crc);
    Ok(())
}

/// Writes the checksum into a batch that has a whole header.
pub(crate) fn put_crc(batch: &mut [u8], crc: u32) {
    put(batch, CRC, crc.to_be_bytes());
}

/// Overwrites bytes of a header that was parsed before, so that they are there.
fn put<const N: usize>(batch: &mut [u8], at: usize, value: [u8; N]) {
    let target = batch
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<N>());
    *target.expect("a parsed header has 61 bytes") = value;
}
