//! The state of a partition's log at one offset, so that a start reads only what came after it.

use serde::{Deserialize, Serialize};

use crate::{EpochStart, LeaderEpoch, Offset};

/// A partition's log as of `log_end`. Written only once `log_end` is below the high watermark, so
/// that no truncation ever reaches behind the newest checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCheckpoint {
    /// First offset that the log still holds.
    pub log_start: Offset,
    /// The offset that this checkpoint describes: everything before it is included.
    pub log_end: Offset,
    /// The highest high watermark that this replica ever learned.
    pub high_watermark: Offset,
    /// The newest leader epoch that this replica ever accepted.
    pub leader_epoch: LeaderEpoch,
    /// Where each leader epoch begins, ascending.
    pub epochs: Vec<EpochStart>,
    /// Each producer's last batches.
    pub producers: Vec<ProducerEntry>,
    /// Virtual segments, ascending; the last one is active.
    pub segments: Vec<Segment>,
}

/// A virtual segment: a step of retention, not a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Offset of its first batch.
    pub base: Offset,
    /// The offset right after its last batch.
    pub end: Offset,
    /// Bytes of its batches.
    pub bytes: u64,
    /// Largest record timestamp in it, milliseconds; -1 for none.
    pub max_timestamp: i64,
    /// Timestamp of its first batch, milliseconds: `segment.ms` counts from here.
    pub first_timestamp: i64,
}

/// What is remembered of one idempotent producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerEntry {
    /// The producer's id.
    pub producer_id: i64,
    /// Its newest epoch.
    pub epoch: i16,
    /// Its newest record's timestamp, milliseconds: expiry counts from here.
    pub last_timestamp: i64,
    /// Its last batches, oldest first, at most `limits::PRODUCER_BATCHES`.
    pub batches: Vec<ProducerBatch>,
}

/// One remembered batch, so that a retry gets the first answer again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerBatch {
    /// Sequence number of its first record.
    pub base_sequence: i32,
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Largest record timestamp, milliseconds.
    pub timestamp: i64,
}
