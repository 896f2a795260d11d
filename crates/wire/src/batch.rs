//! Record batches of format v2 as a view on their bytes: the header is read and patched in place,
//! the records stay as the producer wrote them.
//!
//! The checksum covers everything from the attributes on. A leader may therefore set the base
//! offset and the leader epoch without touching it; only a new timestamp needs a new checksum.

mod header;
mod patch;
mod split;

pub use header::{Attributes, BatchHeader};
pub(crate) use patch::put_crc;
pub use patch::{
    patch_base_offset, patch_leader_epoch, patch_max_timestamp_log_append, set_max_timestamp,
};
pub use split::{Batches, batches, single_batch};

use holdfast_model::{BatchInfo, ErrorCode, limits};

/// Bytes of the header: the records start here.
pub const HEADER_BYTES: usize = 61;

/// Bytes in front of those that the length field counts: base offset and the length itself.
pub const LENGTH_OFFSET_BYTES: usize = 12;

/// Where the bytes that the checksum covers begin.
pub const CRC_START: usize = 21;

/// The bytes up to and with the magic byte: enough to tell the format.
pub(crate) const MAGIC_BYTES: usize = 17;

/// Largest batch, in bytes.
pub const LARGEST_BYTES: usize = limits::BATCH_BYTES;

/// Why bytes are not a batch that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end before the batch does.
    #[error("batch cut short: {have} bytes of {need}")]
    Truncated {
        /// The bytes that are there.
        have: usize,
        /// The bytes that are needed.
        need: usize,
    },
    /// The length field is impossible.
    #[error("batch length {length} is out of bounds")]
    Length {
        /// The length field.
        length: i32,
    },
    /// A message set of the formats 0 or 1, which Kafka itself dropped in 4.0.
    #[error("record format {magic} is no longer supported")]
    OldMagic {
        /// The magic byte.
        magic: i8,
    },
    /// A format that nobody knows.
    #[error("record format {magic} is unknown")]
    UnknownMagic {
        /// The magic byte.
        magic: i8,
    },
    /// A header field is out of its range.
    #[error("batch header field {field} is {value}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// The checksum does not fit the bytes.
    #[error("batch checksum is {computed:08x}, header says {stored:08x}")]
    Crc {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// A produce request holds exactly one batch for each partition.
    #[error("found {bytes} bytes after the one batch that a partition may have")]
    NotSingle {
        /// The bytes after the first batch; 0 if there is no batch at all.
        bytes: usize,
    },
}

impl Error {
    /// What the producer is told.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Truncated { .. } | Self::Length { .. } | Self::Crc { .. } => {
                ErrorCode::CorruptMessage
            }
            Self::OldMagic { .. }
            | Self::UnknownMagic { .. }
            | Self::Field { .. }
            | Self::NotSingle { .. } => ErrorCode::InvalidRecord,
        }
    }
}

/// Compares the checksum in the header with that of the bytes of one whole batch.
pub fn verify_crc(batch: &[u8]) -> Result<(), Error> {
    let stored = BatchHeader::parse(batch)?.crc;
    let computed = checksum(batch);
    if stored == computed {
        Ok(())
    } else {
        Err(Error::Crc { stored, computed })
    }
}

/// The checksum of one whole batch.
pub fn checksum(batch: &[u8]) -> u32 {
    crc32c::crc32c(batch.get(CRC_START..).unwrap_or_default())
}

/// The index entry of one whole batch.
pub fn to_info(batch: &[u8]) -> Result<BatchInfo, Error> {
    Ok(BatchHeader::parse_whole(batch)?.to_info())
}

#[cfg(test)]
mod tests;
