//! What can be written.

use bytes::Bytes;
use holdfast_model::{BatchInfo, LeaderEpoch, LogCheckpoint, Offset, TopicPartition, limits};

use super::{Permit, Room};
use crate::Error;
use crate::batch_header::{self, BatchHeader};
use crate::keys;

/// Bytes that an operation without data takes in the write-ahead log, rounded up.
const SMALL_OP_BYTES: usize = 128;

/// One durable step of one partition.
#[derive(Clone, Debug)]
pub enum Op {
    /// Creates the partition's log, empty; on an existing one it replaces the owner's bytes.
    CreatePartition {
        /// The partition.
        partition: TopicPartition,
        /// The topic's name.
        topic_name: String,
        /// Opaque, versioned bytes of the owner.
        meta: Bytes,
    },
    /// Replaces the owner's bytes.
    PutMeta {
        /// The partition.
        partition: TopicPartition,
        /// Opaque, versioned bytes of the owner.
        meta: Bytes,
    },
    /// Appends one batch at the log's end or behind a gap.
    Append {
        /// The partition.
        partition: TopicPartition,
        /// The batch with its final base offset and leader epoch.
        batch: Bytes,
        /// What describes it.
        info: BatchInfo,
        /// The high watermark known now.
        high_watermark: Offset,
    },
    /// Writes a batch again where its stored bytes are damaged. Nothing else of the log changes: the
    /// index still names just this batch, or nothing is written.
    Mend {
        /// The partition.
        partition: TopicPartition,
        /// The batch, byte for byte as it was appended.
        batch: Bytes,
        /// What the index says of it.
        info: BatchInfo,
    },
    /// Removes every batch from `offset` on, which is the end of a batch.
    TruncateTo {
        /// The partition.
        partition: TopicPartition,
        /// The new log end.
        offset: Offset,
    },
    /// Removes every batch and begins anew at the checkpoint's `log_start`, which is its `log_end`,
    /// with its epochs and producers.
    ResetTo {
        /// The partition.
        partition: TopicPartition,
        /// The whole state of the log that begins.
        checkpoint: Box<LogCheckpoint>,
    },
    /// Moves the log start up; whole batches below it go. A batch that reaches over it stays.
    AdvanceLogStart {
        /// The partition.
        partition: TopicPartition,
        /// The first offset still served, at most the log end.
        offset: Offset,
    },
    /// Remembers the state of the log, so that a start reads only what came after it.
    PutCheckpoint {
        /// The partition.
        partition: TopicPartition,
        /// The state; its `log_end` is at most the log end.
        checkpoint: Box<LogCheckpoint>,
    },
    /// Remembers the highest high watermark learned.
    PutHighWatermark {
        /// The partition.
        partition: TopicPartition,
        /// The high watermark.
        offset: Offset,
    },
    /// Remembers the newest leader epoch accepted.
    PutLeaderEpoch {
        /// The partition.
        partition: TopicPartition,
        /// The epoch.
        epoch: LeaderEpoch,
    },
    /// Removes the partition and all that belongs to it.
    DeletePartition {
        /// The partition.
        partition: TopicPartition,
    },
    /// Changes nothing; its completion says that everything submitted before is synced.
    Barrier {
        /// The partition that the completion will name.
        partition: TopicPartition,
    },
}

/// Which kind of [`Op`] completed.
#[expect(missing_docs, reason = "each variant is the Op of the same name")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpKind {
    CreatePartition,
    PutMeta,
    Append,
    Mend,
    TruncateTo,
    ResetTo,
    AdvanceLogStart,
    PutCheckpoint,
    PutHighWatermark,
    PutLeaderEpoch,
    DeletePartition,
    Barrier,
}

impl Op {
    /// The partition that the operation is about.
    pub fn partition(&self) -> TopicPartition {
        match self {
            Self::CreatePartition { partition, .. }
            | Self::PutMeta { partition, .. }
            | Self::Append { partition, .. }
            | Self::Mend { partition, .. }
            | Self::TruncateTo { partition, .. }
            | Self::ResetTo { partition, .. }
            | Self::AdvanceLogStart { partition, .. }
            | Self::PutCheckpoint { partition, .. }
            | Self::PutHighWatermark { partition, .. }
            | Self::PutLeaderEpoch { partition, .. }
            | Self::DeletePartition { partition }
            | Self::Barrier { partition } => *partition,
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> OpKind {
        match self {
            Self::CreatePartition { .. } => OpKind::CreatePartition,
            Self::PutMeta { .. } => OpKind::PutMeta,
            Self::Append { .. } => OpKind::Append,
            Self::Mend { .. } => OpKind::Mend,
            Self::TruncateTo { .. } => OpKind::TruncateTo,
            Self::ResetTo { .. } => OpKind::ResetTo,
            Self::AdvanceLogStart { .. } => OpKind::AdvanceLogStart,
            Self::PutCheckpoint { .. } => OpKind::PutCheckpoint,
            Self::PutHighWatermark { .. } => OpKind::PutHighWatermark,
            Self::PutLeaderEpoch { .. } => OpKind::PutLeaderEpoch,
            Self::DeletePartition { .. } => OpKind::DeletePartition,
            Self::Barrier { .. } => OpKind::Barrier,
        }
    }

    /// About how many bytes it adds to the write-ahead log; what a permit must cover.
    pub fn bytes(&self) -> usize {
        match self {
            Self::CreatePartition {
                topic_name, meta, ..
            } => SMALL_OP_BYTES + topic_name.len() + meta.len(),
            Self::PutMeta { meta, .. } => SMALL_OP_BYTES + limits::TOPIC_NAME_LENGTH + meta.len(),
            Self::Append { batch, .. } | Self::Mend { batch, .. } => SMALL_OP_BYTES + batch.len(),
            Self::ResetTo { checkpoint, .. } | Self::PutCheckpoint { checkpoint, .. } => {
                checkpoint_bytes(checkpoint)
            }
            Self::TruncateTo { .. }
            | Self::AdvanceLogStart { .. }
            | Self::PutHighWatermark { .. }
            | Self::PutLeaderEpoch { .. }
            | Self::DeletePartition { .. }
            | Self::Barrier { .. } => SMALL_OP_BYTES,
        }
    }

    /// Which room it takes in the write queue.
    pub fn room(&self) -> Room {
        match self {
            Self::Append { .. } | Self::Mend { .. } => Room::Append,
            Self::CreatePartition { .. }
            | Self::PutMeta { .. }
            | Self::TruncateTo { .. }
            | Self::ResetTo { .. }
            | Self::AdvanceLogStart { .. }
            | Self::PutCheckpoint { .. }
            | Self::PutHighWatermark { .. }
            | Self::PutLeaderEpoch { .. }
            | Self::DeletePartition { .. }
            | Self::Barrier { .. } => Room::Control,
        }
    }

    /// How many bytes a permit for one append of `batch_bytes` must cover.
    pub fn append_bytes(batch_bytes: usize) -> usize {
        SMALL_OP_BYTES + batch_bytes
    }

    /// Refuses what could never be read back.
    pub(super) fn check(&self, permit: &Permit) -> Result<(), Error> {
        let partition = self.partition();
        let bad = |reason: &str| Error::BadOperation {
            partition,
            reason: reason.to_owned(),
        };
        if permit.room() != self.room() {
            return Err(bad("the permit is for another room"));
        }
        let (bytes, limit) = (self.bytes(), permit.bytes());
        if bytes > limit && self.room() == Room::Append {
            return Err(Error::TooLarge { bytes, limit });
        }
        match self {
            Self::CreatePartition { topic_name, .. } => {
                if topic_name.len() > limits::TOPIC_NAME_LENGTH || partition.partition < 0 {
                    return Err(bad("impossible topic name or partition"));
                }
            }
            Self::Append {
                batch,
                info,
                high_watermark,
                ..
            } => {
                let header = BatchHeader::read(batch).ok_or_else(|| bad("not a batch"))?;
                if let Some(field) = header.differs_from(info) {
                    return Err(bad(field));
                }
                let whole = batch.len() as u64 == u64::from(info.size);
                let ordered = info.base_offset >= Offset::ZERO
                    && info.last_offset >= info.base_offset
                    && info.last_offset.checked_add(1).is_some();
                if !whole || !ordered || *high_watermark < Offset::ZERO {
                    return Err(bad("the batch's length or offsets are impossible"));
                }
            }
            Self::Mend { batch, info, .. } => batch_header::verify(batch, info).map_err(bad)?,
            Self::ResetTo { checkpoint, .. } => {
                keys::check(checkpoint).map_err(bad)?;
                if checkpoint.log_start != checkpoint.log_end {
                    return Err(bad("a log begins anew without batches"));
                }
            }
            Self::PutCheckpoint { checkpoint, .. } => keys::check(checkpoint).map_err(bad)?,
            Self::TruncateTo { offset, .. }
            | Self::AdvanceLogStart { offset, .. }
            | Self::PutHighWatermark { offset, .. } => {
                if *offset < Offset::ZERO {
                    return Err(bad("negative offset"));
                }
            }
            Self::PutLeaderEpoch { epoch, .. } => {
                if *epoch < LeaderEpoch(0) {
                    return Err(bad("negative leader epoch"));
                }
            }
            Self::PutMeta { .. } | Self::DeletePartition { .. } | Self::Barrier { .. } => {}
        }
        Ok(())
    }
}

/// Each number of a checkpoint takes at most nine bytes in MessagePack.
fn checkpoint_bytes(checkpoint: &LogCheckpoint) -> usize {
    let batches: usize = checkpoint.producers.iter().map(|p| p.batches.len()).sum();
    let numbers = checkpoint.epochs.len() * 3
        + checkpoint.producers.len() * 5
        + batches * 6
        + checkpoint.segments.len() * 6;
    SMALL_OP_BYTES + numbers * 9
}
