//! What the log needs to know of a batch without reading its records.

use serde::{Deserialize, Serialize};

use crate::{LeaderEpoch, Offset};

/// The index entry of one batch: enough to rebuild the time index, the epoch history, the producer
/// state and the aborted index without reading data, and to compare two replicas' copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchInfo {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record, inclusive.
    pub last_offset: Offset,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: LeaderEpoch,
    /// The largest timestamp of its records, milliseconds since 1970; -1 for none.
    pub max_timestamp: i64,
    /// The producer, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// How many records it holds (0 for a batch emptied by compaction).
    pub record_count: i32,
    /// The attribute bits of the batch header: codec, timestamp type, transactional, control.
    pub attributes: i16,
    /// CRC32C as stored in the batch header.
    pub crc: u32,
    /// Size in bytes, header included.
    pub size: u32,
}

impl BatchInfo {
    /// The offset right after the batch.
    pub fn end_offset(&self) -> Offset {
        self.last_offset.next()
    }

    /// Whether the batch carries a producer id, so that its sequence numbers count.
    pub fn is_idempotent(&self) -> bool {
        self.producer_id >= 0
    }

    /// Whether it belongs to a transaction (attribute bit 4).
    pub fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// Whether it holds control records (attribute bit 5).
    pub fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// Sequence number of the last record; sequences wrap from 2^31 - 1 to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        let span = self.last_offset.0 - self.base_offset.0;
        ((i64::from(self.base_sequence) + span) & 0x7fff_ffff) as i32
    }
}
