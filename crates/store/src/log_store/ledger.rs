//! What the writer knows of each partition: just enough to order and check what comes next.

use std::collections::HashMap;

use holdfast_model::{LeaderEpoch, Offset, TopicPartition};

use crate::keys::PartitionKey;

/// One partition's log as of the last operation applied, which may not be synced yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogState {
    pub(super) key: PartitionKey,
    pub(super) topic_name: String,
    /// The first offset that is served.
    pub(super) log_start: Offset,
    /// Where the next batch goes.
    pub(super) log_end: Offset,
    /// The highest high watermark stored.
    pub(super) high_watermark: Offset,
    /// The newest leader epoch stored.
    pub(super) leader_epoch: LeaderEpoch,
    /// End and high watermark of the stored checkpoint.
    pub(super) checkpoint: Option<CheckpointMark>,
    /// Whether the dirty marker is set.
    pub(super) dirty: bool,
    /// Batches below were removed by this process.
    pub(super) data_floor: Offset,
    /// Index entries below were removed by this process.
    pub(super) index_floor: Offset,
}

/// What the writer must know of a stored checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckpointMark {
    pub(super) log_end: Offset,
    pub(super) high_watermark: Offset,
}

/// Every partition of the shard.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) logs: HashMap<TopicPartition, LogState>,
    /// The next partition key to allot.
    pub(super) next_key: u64,
}

impl LogState {
    /// A log without batches.
    pub(super) fn empty(key: PartitionKey, topic_name: String) -> Self {
        Self {
            key,
            topic_name,
            log_start: Offset::ZERO,
            log_end: Offset::ZERO,
            high_watermark: Offset::ZERO,
            leader_epoch: LeaderEpoch(0),
            checkpoint: None,
            dirty: false,
            data_floor: Offset::ZERO,
            index_floor: Offset::ZERO,
        }
    }

    /// How far a start needs no index entries, because the checkpoint says it all.
    pub(super) fn checkpoint_end(&self) -> Offset {
        self.checkpoint.map_or(Offset::ZERO, |mark| mark.log_end)
    }
}

impl Ledger {
    /// Which key each partition has.
    pub(super) fn keys(&self) -> HashMap<TopicPartition, PartitionKey> {
        self.logs
            .iter()
            .map(|(partition, log)| (*partition, log.key))
            .collect()
    }
}
