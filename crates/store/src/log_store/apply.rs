//! Turns operations into writes, in order.

use holdfast_model::{BatchInfo, LeaderEpoch, LogCheckpoint, Offset, TopicPartition};
use rocksdb::WriteBatch;

use super::ledger::{CheckpointMark, Ledger, LogState};
use super::{Op, Outcome, families};
use crate::Error;
use crate::keys::{
    IndexEntry, NEXT_KEY_KEY, PartitionKey, PartitionMeta, RecordKey, StateKey, StateKind,
    decode_checkpoint, encode_checkpoint, encode_counter, encode_dirty, encode_position,
};
use crate::synced_db::SyncedDb;

/// What one operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) outcome: Outcome,
    pub(super) end: Offset,
    /// The partition's key changed: readers learn it once the group is synced.
    pub(super) directory: Directory,
    /// Whether something on disk became garbage.
    pub(super) garbage: bool,
}

/// What readers must learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directory {
    Same,
    Created(PartitionKey),
    Deleted,
}

/// Applies operations to the ledger and to one write batch.
pub(super) struct Applier<'a> {
    pub(super) db: &'a SyncedDb,
    pub(super) ledger: &'a mut Ledger,
    pub(super) batch: &'a mut WriteBatch,
}

impl Op {
    /// Whether applying it looks at the database: then nothing of its partition may be pending in
    /// the same group.
    pub(super) fn reads(&self) -> bool {
        matches!(
            self,
            Self::Mend { .. } | Self::TruncateTo { .. } | Self::AdvanceLogStart { .. }
        )
    }
}

impl Applier<'_> {
    /// Applies one operation. An error means that caller and store disagree about the log, or that
    /// the disk failed; both are fatal.
    pub(super) fn apply(&mut self, op: Op) -> Result<Applied, Error> {
        let partition = op.partition();
        if let Op::CreatePartition {
            topic_name, meta, ..
        } = op
        {
            return Ok(self.create(partition, topic_name, &meta));
        }
        let Some(mut log) = self.ledger.logs.remove(&partition) else {
            let outcome = match op {
                Op::Barrier { .. } => Outcome::Done,
                _ => Outcome::NoPartition,
            };
            return Ok(Applied::nothing(outcome, Offset::ZERO));
        };
        let mut applied = Applied::nothing(Outcome::Done, Offset::ZERO);
        match op {
            Op::PutMeta { meta, .. } => self.put_meta(partition, &log, &meta),
            Op::Append {
                batch,
                info,
                high_watermark,
                ..
            } => {
                self.append(partition, &mut log, &batch, info, high_watermark)?;
            }
            Op::Mend { batch, info, .. } => {
                applied.outcome = self.mend(&log, &batch, info)?;
            }
            Op::TruncateTo { offset, .. } => {
                applied.garbage = self.truncate(partition, &mut log, offset)?;
            }
            Op::ResetTo { checkpoint, .. } => {
                self.reset(&mut log, &checkpoint);
                applied.garbage = true;
            }
            Op::AdvanceLogStart { offset, .. } => {
                applied.garbage = self.advance_start(partition, &mut log, offset)?;
            }
            Op::PutCheckpoint { checkpoint, .. } => {
                self.put_checkpoint(partition, &mut log, &checkpoint)?;
            }
            Op::PutHighWatermark { offset, .. } => {
                if offset > log.high_watermark {
                    log.high_watermark = offset;
                    self.put_position(&log, StateKind::HighWatermark, offset.0);
                }
            }
            Op::PutLeaderEpoch { epoch, .. } => self.raise_epoch(&mut log, epoch),
            Op::DeletePartition { .. } => {
                self.delete(&log);
                let deleted = Applied::nothing(Outcome::Done, Offset::ZERO);
                return Ok(Applied {
                    directory: Directory::Deleted,
                    garbage: true,
                    ..deleted
                });
            }
            Op::CreatePartition { .. } | Op::Barrier { .. } => {}
        }
        applied.end = log.log_end;
        self.ledger.logs.insert(partition, log);
        Ok(applied)
    }

    fn create(&mut self, partition: TopicPartition, topic_name: String, meta: &[u8]) -> Applied {
        if let Some(log) = self.ledger.logs.remove(&partition) {
            self.put_meta(partition, &log, meta);
            let end = log.log_end;
            self.ledger.logs.insert(partition, log);
            return Applied::nothing(Outcome::Done, end);
        }
        let key = PartitionKey(self.ledger.next_key);
        self.ledger.next_key += 1;
        let log = LogState::empty(key, topic_name);
        let state = self.db.family(families::STATE);
        self.batch
            .put_cf(state, NEXT_KEY_KEY, encode_counter(self.ledger.next_key));
        self.put_meta(partition, &log, meta);
        self.ledger.logs.insert(partition, log);
        let created = Applied::nothing(Outcome::Done, Offset::ZERO);
        Applied {
            directory: Directory::Created(key),
            ..created
        }
    }

    fn put_meta(&mut self, partition: TopicPartition, log: &LogState, meta: &[u8]) {
        let topic_name = log.topic_name.clone();
        let value = PartitionMeta {
            partition,
            topic_name,
            owner: meta.to_vec(),
        };
        self.put_state(log, StateKind::Meta, &value.encode());
    }

    fn append(
        &mut self,
        partition: TopicPartition,
        log: &mut LogState,
        batch: &[u8],
        info: BatchInfo,
        high_watermark: Offset,
    ) -> Result<(), Error> {
        // A log that began anew inside a batch takes that batch first.
        let covers_start = log.log_start == log.log_end && info.last_offset >= log.log_end;
        if info.base_offset < log.log_end && !covers_start {
            let (at, end) = (info.base_offset, log.log_end);
            let detail = format!("{partition}: batch at {at} below the log end {end}");
            return Err(Error::Invariant {
                name: "INV-LOG-CONTIGUOUS",
                detail,
            });
        }
        if !log.dirty {
            log.dirty = true;
            self.put_state(log, StateKind::Dirty, &encode_dirty(log.log_end));
        }
        let key = log.key.at(info.base_offset);
        self.batch.put_cf(self.db.family(families::LOG), key, batch);
        let entry = IndexEntry {
            info,
            high_watermark,
        };
        self.batch
            .put_cf(self.db.family(families::INDEX), key, entry.encode());
        log.log_end = info.end_offset();
        log.high_watermark = log.high_watermark.max(entry.known_high_watermark());
        log.leader_epoch = log.leader_epoch.max(info.leader_epoch);
        Ok(())
    }

    /// Puts a batch's bytes back where the index still names them.
    fn mend(&mut self, log: &LogState, batch: &[u8], info: BatchInfo) -> Result<Outcome, Error> {
        let held = info.end_offset() > log.log_start && info.end_offset() <= log.log_end;
        let entry = self.entry_before(log.key, info.end_offset())?;
        if !held || entry.is_none_or(|entry| entry.info != info) {
            return Ok(Outcome::NoBatch);
        }
        let key = log.key.at(info.base_offset);
        self.batch.put_cf(self.db.family(families::LOG), key, batch);
        Ok(Outcome::Done)
    }

    fn truncate(
        &mut self,
        partition: TopicPartition,
        log: &mut LogState,
        offset: Offset,
    ) -> Result<bool, Error> {
        if offset == log.log_end {
            return Ok(false);
        }
        let cuts_a_batch = match self.entry_before(log.key, offset)? {
            Some(entry) => entry.info.last_offset >= offset,
            None => false,
        };
        if offset > log.log_end || offset < log.log_start || cuts_a_batch {
            let (start, end) = (log.log_start, log.log_end);
            let detail = format!("{partition}: cannot truncate {start}..{end} to {offset}");
            return Err(Error::Invariant {
                name: "INV-TRUNCATE-AT-BATCH",
                detail,
            });
        }
        self.delete_records(log.key.at(offset), log.key.behind());
        log.log_end = offset;
        if log.checkpoint_end() > offset {
            // Only a committed unclean election reaches behind a checkpoint. What is left must be
            // rebuilt from the index.
            self.delete_state(log, StateKind::Checkpoint);
            self.put_state(log, StateKind::Dirty, &encode_dirty(offset));
            log.checkpoint = None;
            log.dirty = true;
        }
        if log.high_watermark > offset {
            self.lower_high_watermark(log, offset)?;
        }
        Ok(true)
    }

    /// After an unclean election the highest high watermark that still means anything is the end.
    fn lower_high_watermark(&mut self, log: &mut LogState, offset: Offset) -> Result<(), Error> {
        log.high_watermark = offset;
        self.put_position(log, StateKind::HighWatermark, offset.0);
        let Some(mark) = log
            .checkpoint
            .as_mut()
            .filter(|mark| mark.high_watermark > offset)
        else {
            return Ok(());
        };
        mark.high_watermark = offset;
        let key = StateKey {
            kind: StateKind::Checkpoint,
            partition: log.key,
        }
        .encode();
        let stored = self.db.db().get_cf(self.db.family(families::STATE), key);
        let stored = stored
            .map_err(Error::rocks("read a checkpoint"))?
            .unwrap_or_default();
        let mut checkpoint = decode_checkpoint(&stored)
            .map_err(|error| Error::damaged(self.db.db().path(), 0, error.to_string()))?;
        checkpoint.high_watermark = offset;
        self.put_state(log, StateKind::Checkpoint, &encode_checkpoint(&checkpoint));
        Ok(())
    }

    fn reset(&mut self, log: &mut LogState, checkpoint: &LogCheckpoint) {
        let start = checkpoint.log_start;
        self.delete_records(log.key.first(), log.key.behind());
        self.delete_state(log, StateKind::Dirty);
        self.put_state(log, StateKind::Checkpoint, &encode_checkpoint(checkpoint));
        self.put_position(log, StateKind::LogStart, start.0);
        self.put_position(log, StateKind::HighWatermark, checkpoint.high_watermark.0);
        self.raise_epoch(log, checkpoint.leader_epoch);
        log.log_start = start;
        log.log_end = start;
        log.data_floor = start;
        log.index_floor = start;
        log.high_watermark = checkpoint.high_watermark;
        log.checkpoint = Some(CheckpointMark {
            log_end: checkpoint.log_end,
            high_watermark: checkpoint.high_watermark,
        });
        log.dirty = false;
    }

    fn advance_start(
        &mut self,
        partition: TopicPartition,
        log: &mut LogState,
        offset: Offset,
    ) -> Result<bool, Error> {
        if offset <= log.log_start {
            return Ok(false);
        }
        if offset > log.log_end {
            let detail = format!(
                "{partition}: log start {offset} above the end {}",
                log.log_end
            );
            return Err(Error::Invariant {
                name: "INV-LOG-START-BELOW-HW",
                detail,
            });
        }
        log.log_start = offset;
        self.put_position(log, StateKind::LogStart, offset.0);
        let straddling = self.entry_before(log.key, offset)?;
        let straddling = straddling.filter(|entry| entry.info.last_offset >= offset);
        let floor = straddling.map_or(offset, |entry| entry.info.base_offset);
        if floor <= log.data_floor {
            return Ok(false);
        }
        let (from, to) = (log.key.at(log.data_floor), log.key.at(floor));
        self.batch
            .delete_range_cf(self.db.family(families::LOG), from, to);
        log.data_floor = floor;
        self.trim_index(log);
        Ok(true)
    }

    /// Drops index entries whose data is gone, but none behind the checkpoint: a start still needs
    /// them for producers and epochs.
    fn trim_index(&mut self, log: &mut LogState) {
        let floor = log.data_floor.min(log.checkpoint_end());
        if floor > log.index_floor {
            let (from, to) = (log.key.at(log.index_floor), log.key.at(floor));
            self.batch
                .delete_range_cf(self.db.family(families::INDEX), from, to);
            log.index_floor = floor;
        }
    }

    fn put_checkpoint(
        &mut self,
        partition: TopicPartition,
        log: &mut LogState,
        checkpoint: &LogCheckpoint,
    ) -> Result<(), Error> {
        if checkpoint.log_end > log.log_end {
            let (at, end) = (checkpoint.log_end, log.log_end);
            let detail = format!("{partition}: checkpoint at {at} above the log end {end}");
            return Err(Error::Invariant {
                name: "INV-CHECKPOINT-IN-LOG",
                detail,
            });
        }
        // An older one would need index entries that may be gone.
        if checkpoint.log_end < log.checkpoint_end() {
            return Ok(());
        }
        self.put_state(log, StateKind::Checkpoint, &encode_checkpoint(checkpoint));
        log.checkpoint = Some(CheckpointMark {
            log_end: checkpoint.log_end,
            high_watermark: checkpoint.high_watermark,
        });
        log.high_watermark = log.high_watermark.max(checkpoint.high_watermark);
        if log.dirty && checkpoint.log_end == log.log_end {
            log.dirty = false;
            self.delete_state(log, StateKind::Dirty);
        }
        self.trim_index(log);
        Ok(())
    }

    fn raise_epoch(&mut self, log: &mut LogState, epoch: LeaderEpoch) {
        if epoch > log.leader_epoch {
            log.leader_epoch = epoch;
            self.put_position(log, StateKind::LeaderEpoch, i64::from(epoch.0));
        }
    }

    fn delete(&mut self, log: &LogState) {
        self.delete_records(log.key.first(), log.key.behind());
        for kind in StateKind::ALL {
            self.delete_state(log, kind);
        }
    }

    fn delete_records(&mut self, from: [u8; 16], to: [u8; 16]) {
        self.batch
            .delete_range_cf(self.db.family(families::LOG), from, to);
        self.batch
            .delete_range_cf(self.db.family(families::INDEX), from, to);
    }

    fn put_position(&mut self, log: &LogState, kind: StateKind, value: i64) {
        self.put_state(log, kind, &encode_position(value));
    }

    fn put_state(&mut self, log: &LogState, kind: StateKind, value: &[u8]) {
        let key = StateKey {
            kind,
            partition: log.key,
        }
        .encode();
        self.batch
            .put_cf(self.db.family(families::STATE), key, value);
    }

    fn delete_state(&mut self, log: &LogState, kind: StateKind) {
        let key = StateKey {
            kind,
            partition: log.key,
        }
        .encode();
        self.batch.delete_cf(self.db.family(families::STATE), key);
    }

    /// The last index entry that begins before `offset`.
    fn entry_before(&self, key: PartitionKey, offset: Offset) -> Result<Option<IndexEntry>, Error> {
        if offset <= Offset::ZERO {
            return Ok(None);
        }
        let mut entries = self
            .db
            .db()
            .raw_iterator_cf(self.db.family(families::INDEX));
        entries.seek_for_prev(key.at(offset.prev()));
        entries.status().map_err(Error::rocks("read the index"))?;
        let Some((found, value)) = entries.item() else {
            return Ok(None);
        };
        let damaged = |reason: String| Error::damaged(self.db.db().path(), 0, reason);
        let found = RecordKey::decode(found).map_err(|error| damaged(error.to_string()))?;
        if found.partition != key {
            return Ok(None);
        }
        let entry = IndexEntry::decode(found.base, value);
        entry.map(Some).map_err(|error| damaged(error.to_string()))
    }
}

impl Applied {
    fn nothing(outcome: Outcome, end: Offset) -> Self {
        Self {
            outcome,
            end,
            directory: Directory::Same,
            garbage: false,
        }
    }
}
