//! The records inside a batch: structural validation as Kafka's own validator does it, a visitor,
//! search by timestamp, and recompression.

mod recompress;
mod scan;
mod search;
mod validate;
mod visit;

pub use recompress::recompress;
pub use search::{TimestampedOffset, first_at_or_after, max_timestamp};
pub use validate::{Summary, validate, validate_produced};
pub use visit::{Headers, RecordView, Visit, for_each_record};

use holdfast_model::ErrorCode;

use crate::{batch, codec};

/// Fewest bytes of a record: its length, attributes, timestamp and offset delta, key and value
/// length, header count.
const SHORTEST_RECORD: usize = 7;

/// Why the records of a batch are not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The header or the checksum is wrong.
    #[error(transparent)]
    Batch(#[from] batch::Error),
    /// The records cannot be decompressed.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// The bytes end inside a record.
    #[error("record {index} is cut short")]
    Truncated {
        /// The record's place in the batch, from 0.
        index: i32,
    },
    /// A length, count or number of a record is impossible.
    #[error("record {index} has an invalid {field}")]
    Field {
        /// The record's place in the batch, from 0.
        index: i32,
        /// What is wrong.
        field: &'static str,
    },
    /// Bytes follow the records that the header counts.
    #[error("bytes follow the {count} records of the batch")]
    Leftover {
        /// The count in the header.
        count: i32,
    },
    /// A client may not send such a batch.
    #[error("producers may not send a batch {what}")]
    Refused {
        /// What is not allowed.
        what: &'static str,
    },
    /// Producers may not set the append time.
    #[error("producers may not set the timestamp type to log append time")]
    TimestampType,
}

impl Error {
    /// What the producer is told.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Batch(error) => error.code(),
            Self::Codec(codec::Error::Unknown { .. }) => ErrorCode::UnsupportedCompressionType,
            Self::Codec(codec::Error::Outgrown { .. }) => ErrorCode::MessageTooLarge,
            Self::TimestampType => ErrorCode::InvalidTimestamp,
            Self::Codec(_)
            | Self::Truncated { .. }
            | Self::Field { .. }
            | Self::Leftover { .. }
            | Self::Refused { .. } => ErrorCode::InvalidRecord,
        }
    }
}

#[cfg(test)]
mod tests;
