//! The 61 bytes in front of every batch.

use holdfast_model::{BatchInfo, LeaderEpoch, Offset, TimestampType};

use super::{Error, HEADER_BYTES, LARGEST_BYTES, LENGTH_OFFSET_BYTES, MAGIC_BYTES};
use crate::codec::{self, Codec};
use crate::cursor::Cursor;

/// The header of a batch, with lengths, counts and offsets in range. The checksum is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; a producer sends 0.
    pub base_offset: Offset,
    /// Size of the whole batch in bytes, header included.
    pub size: usize,
    /// The epoch of the leader that wrote it; a producer sends -1.
    pub leader_epoch: LeaderEpoch,
    /// CRC32C of everything from the attributes on.
    pub crc: u32,
    /// Codec, timestamp type and flags.
    pub attributes: Attributes,
    /// Offset of the last record, relative to the first; never negative.
    pub last_offset_delta: i32,
    /// Timestamp that the records count from, milliseconds since 1970. With a delete horizon, that
    /// horizon.
    pub base_timestamp: i64,
    /// Largest timestamp of its records, milliseconds since 1970; -1 for none.
    pub max_timestamp: i64,
    /// The producer, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// How many records it holds; never negative.
    pub record_count: i32,
}

/// The attribute bits of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const LOG_APPEND_TIME: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;
    const CODEC: i16 = 0x07;

    /// The codec of the records.
    pub fn codec(self) -> Result<Codec, codec::Error> {
        Codec::from_attributes(self.0)
    }

    /// Who stamped the records.
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether it holds control records.
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is a delete horizon, set by compaction.
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same bits with another codec.
    #[must_use]
    pub const fn with_codec(self, codec: Codec) -> Self {
        Self(self.0 & !Self::CODEC | codec.id())
    }

    /// The same bits with another timestamp type.
    #[must_use]
    pub const fn with_timestamp_type(self, kind: TimestampType) -> Self {
        match kind {
            TimestampType::CreateTime => Self(self.0 & !Self::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Self(self.0 | Self::LOG_APPEND_TIME),
        }
    }

    /// The same bits, marked as part of a transaction or not.
    #[must_use]
    pub const fn with_transactional(self, yes: bool) -> Self {
        if yes {
            Self(self.0 | Self::TRANSACTIONAL)
        } else {
            Self(self.0 & !Self::TRANSACTIONAL)
        }
    }

    /// The same bits, marked as holding control records or not.
    #[must_use]
    pub const fn with_control(self, yes: bool) -> Self {
        if yes {
            Self(self.0 | Self::CONTROL)
        } else {
            Self(self.0 & !Self::CONTROL)
        }
    }
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which may end before or after the batch does.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let size = batch_size(bytes)?;
        let truncated = Error::Truncated {
            have: bytes.len(),
            need: HEADER_BYTES,
        };
        let header = read(bytes, size).ok_or(truncated)?;
        header.check()?;
        Ok(header)
    }

    /// Reads the header of exactly one whole batch.
    pub fn parse_whole(batch: &[u8]) -> Result<Self, Error> {
        let header = Self::parse(batch)?;
        if batch.len() < header.size {
            return Err(Error::Truncated {
                have: batch.len(),
                need: header.size,
            });
        }
        if batch.len() > header.size {
            return Err(Error::NotSingle {
                bytes: batch.len().saturating_sub(header.size),
            });
        }
        Ok(header)
    }

    fn check(&self) -> Result<(), Error> {
        let range = |field, value| Err(Error::Field { field, value });
        if self.base_offset.0 < 0 {
            return range("base offset", self.base_offset.0);
        }
        if self.last_offset_delta < 0 {
            return range("last offset delta", i64::from(self.last_offset_delta));
        }
        // One more must fit as well: the end offset is the last offset plus one.
        if self
            .base_offset
            .checked_add(i64::from(self.last_offset_delta) + 1)
            .is_none()
        {
            return range("base offset", self.base_offset.0);
        }
        if self.record_count < 0 || self.record_count > self.last_offset_delta.saturating_add(1) {
            return range("record count", i64::from(self.record_count));
        }
        if self.producer_id < -1 {
            return range("producer id", self.producer_id);
        }
        if self.base_sequence < -1 {
            return range("base sequence", i64::from(self.base_sequence));
        }
        Ok(())
    }

    /// Offset of the last record, inclusive.
    pub fn last_offset(&self) -> Offset {
        Offset(
            self.base_offset
                .0
                .saturating_add(i64::from(self.last_offset_delta)),
        )
    }

    /// The index entry of the batch.
    pub fn to_info(&self) -> BatchInfo {
        BatchInfo {
            base_offset: self.base_offset,
            last_offset: self.last_offset(),
            leader_epoch: self.leader_epoch,
            max_timestamp: self.max_timestamp,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            record_count: self.record_count,
            attributes: self.attributes.0,
            crc: self.crc,
            // At most 64 MiB, checked by `batch_size`.
            size: self.size as u32,
        }
    }
}

/// The size of the batch at the start of `bytes`, header and length included, after a look at its
/// magic byte.
pub(super) fn batch_size(bytes: &[u8]) -> Result<usize, Error> {
    let truncated = Error::Truncated {
        have: bytes.len(),
        need: HEADER_BYTES,
    };
    let mut cursor = Cursor::new(bytes.get(..MAGIC_BYTES).ok_or(truncated)?);
    let (_base_offset, length) = cursor.i64().zip(cursor.i32()).ok_or(truncated)?;
    let (_leader_epoch, magic) = cursor.i32().zip(cursor.i8()).ok_or(truncated)?;
    match magic {
        2 => {}
        0 | 1 => return Err(Error::OldMagic { magic }),
        _ => return Err(Error::UnknownMagic { magic }),
    }
    let size = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_add(LENGTH_OFFSET_BYTES))
        .ok_or(Error::Length { length })?;
    if (HEADER_BYTES..=LARGEST_BYTES).contains(&size) {
        Ok(size)
    } else {
        Err(Error::Length { length })
    }
}

fn read(bytes: &[u8], size: usize) -> Option<BatchHeader> {
    let mut cursor = Cursor::new(bytes);
    let base_offset = Offset(cursor.i64()?);
    let _length = cursor.i32()?;
    let leader_epoch = LeaderEpoch(cursor.i32()?);
    let _magic = cursor.i8()?;
    Some(BatchHeader {
        base_offset,
        size,
        leader_epoch,
        crc: cursor.u32()?,
        attributes: Attributes(cursor.i16()?),
        last_offset_delta: cursor.i32()?,
        base_timestamp: cursor.i64()?,
        max_timestamp: cursor.i64()?,
        producer_id: cursor.i64()?,
        producer_epoch: cursor.i16()?,
        base_sequence: cursor.i32()?,
        record_count: cursor.i32()?,
    })
}
