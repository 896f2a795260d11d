//! Records for a consumer.

use bytes::Bytes;
use holdfast_model::{ErrorCode, Offset};

use super::{Partition, Role};

/// Up to where a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadLimit {
    /// Acknowledged records: the high watermark.
    HighWatermark,
}

/// What there is to read.
#[derive(Clone, Debug)]
pub enum Reading {
    /// Whole batches, from memory; empty if the reader is at the end.
    Tail(Vec<Bytes>),
    /// The disk must be read, from the offset asked for up to this one.
    Disk {
        /// The first offset not to be read.
        up_to: Offset,
    },
}

impl Partition {
    /// Reads from an offset. Followers serve too, up to the high watermark they know, if
    /// `follower_serves`.
    ///
    /// # Errors
    /// Kafka's codes.
    pub fn read(
        &self,
        from: Offset,
        limit: ReadLimit,
        max_bytes: usize,
        follower_serves: bool,
    ) -> Result<Reading, ErrorCode> {
        let state = self.state.lock();
        let leads = match &state.role {
            Role::Leader(_) => true,
            Role::Follower(follower) if follower_serves && !follower.is_cutting() => false,
            Role::Follower(_) | Role::Idle(_) => return Err(ErrorCode::NotLeaderOrFollower),
            Role::Offline { .. } => return Err(ErrorCode::KafkaStorageError),
        };
        let log = state.role.log();
        let high_watermark = state.role.high_watermark();
        let up_to = match limit {
            ReadLimit::HighWatermark => high_watermark,
        };
        if from < log.log_start() {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        if from > high_watermark {
            // A leader's log may reach there soon; a follower's too. Beyond any end it cannot.
            return if from <= log.log_end() {
                if leads {
                    Ok(Reading::Tail(Vec::new()))
                } else {
                    Err(ErrorCode::OffsetNotAvailable)
                }
            } else if leads {
                Err(ErrorCode::OffsetOutOfRange)
            } else {
                Err(ErrorCode::OffsetNotAvailable)
            };
        }
        match state.tail.read(from, up_to, max_bytes) {
            Some(batches) => Ok(Reading::Tail(
                batches.into_iter().map(|batch| batch.bytes).collect(),
            )),
            None => Ok(Reading::Disk { up_to }),
        }
    }
}
