//! What a start reads: the state of every partition, and the index behind its checkpoint.

use std::collections::BTreeMap;

use holdfast_model::{BatchInfo, LeaderEpoch, LogCheckpoint, Offset, TopicPartition};
use rocksdb::ReadOptions;

use super::families;
use super::ledger::{CheckpointMark, Ledger, LogState};
use crate::Error;
use crate::keys::{
    DecodeError, IndexEntry, NEXT_KEY_KEY, PartitionKey, PartitionMeta, RecordKey, StateKey,
    StateKind, decode_checkpoint, decode_counter, decode_dirty, decode_position,
};
use crate::synced_db::SyncedDb;

/// One partition as the disk holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The topic's name when the partition was created.
    pub topic_name: String,
    /// The owner's bytes.
    pub meta: Vec<u8>,
    /// The newest checkpoint; the default one if there is none.
    pub checkpoint: LogCheckpoint,
    /// Every batch behind the checkpoint, ascending. May begin below `log_start`: such batches are
    /// gone, but their producers and epochs still count.
    pub entries: Vec<BatchInfo>,
    /// The first offset that is served.
    pub log_start: Offset,
    /// Where the next batch goes.
    pub log_end: Offset,
    /// The highest high watermark that this replica ever learned.
    pub high_watermark: Offset,
    /// The newest leader epoch that this replica ever accepted.
    pub leader_epoch: LeaderEpoch,
}

pub(super) struct Recovered {
    pub(super) ledger: Ledger,
    /// Ascending by partition.
    pub(super) partitions: Vec<RecoveredPartition>,
}

/// What the state family says of one partition.
#[derive(Default)]
struct Pieces {
    meta: Option<PartitionMeta>,
    checkpoint: Option<LogCheckpoint>,
    dirty: bool,
    high_watermark: Offset,
    leader_epoch: LeaderEpoch,
    log_start: Offset,
}

/// Reads every partition. Anything unreadable here concerns the whole process.
pub(super) fn recover(db: &SyncedDb) -> Result<Recovered, Error> {
    let next_key = next_key(db)?;
    let mut ledger = Ledger {
        next_key,
        ..Ledger::default()
    };
    let mut partitions = Vec::new();
    for (key, pieces) in pieces(db)? {
        if key.0 >= next_key {
            return Err(damaged(
                db,
                format!("partition key {} was never allotted", key.0),
            ));
        }
        let (recovered, log) = partition(db, key, pieces)?;
        if ledger.logs.insert(recovered.partition, log).is_some() {
            return Err(damaged(db, format!("{} has two logs", recovered.partition)));
        }
        partitions.push(recovered);
    }
    partitions.sort_unstable_by_key(|recovered| recovered.partition);
    Ok(Recovered { ledger, partitions })
}

/// Reads one partition again, as of the newest synced group.
pub(super) fn recover_one(db: &SyncedDb, key: PartitionKey) -> Result<RecoveredPartition, Error> {
    let mut pieces = Pieces::default();
    for kind in StateKind::ALL {
        let stored = db.db().get_cf(
            db.family(families::STATE),
            StateKey {
                kind,
                partition: key,
            }
            .encode(),
        );
        if let Some(value) = stored.map_err(Error::rocks("read the state of a partition"))? {
            pieces
                .take(kind, &value)
                .map_err(|error| undecodable(db, &error))?;
        }
    }
    partition(db, key, pieces).map(|(recovered, _)| recovered)
}

fn next_key(db: &SyncedDb) -> Result<u64, Error> {
    let stored = db.db().get_cf(db.family(families::STATE), NEXT_KEY_KEY);
    let stored = stored.map_err(Error::rocks("read the next partition key"))?;
    let number = stored.map(|bytes| decode_counter(&bytes)).transpose();
    Ok(number
        .map_err(|error| undecodable(db, &error))?
        .unwrap_or(1))
}

fn pieces(db: &SyncedDb) -> Result<BTreeMap<PartitionKey, Pieces>, Error> {
    let mut all = BTreeMap::<PartitionKey, Pieces>::new();
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound([StateKind::Meta as u8]);
    let mut state = db
        .db()
        .raw_iterator_cf_opt(db.family(families::STATE), options);
    state.seek_to_first();
    while let Some((key, value)) = state.item() {
        let key = StateKey::decode(key).map_err(|error| undecodable(db, &error))?;
        let pieces = all.entry(key.partition).or_default();
        pieces
            .take(key.kind, value)
            .map_err(|error| undecodable(db, &error))?;
        state.next();
    }
    state
        .status()
        .map_err(Error::rocks("read the state of partitions"))?;
    Ok(all)
}

impl Pieces {
    fn take(&mut self, kind: StateKind, value: &[u8]) -> Result<(), DecodeError> {
        match kind {
            StateKind::Meta => self.meta = Some(PartitionMeta::decode(value)?),
            StateKind::Checkpoint => self.checkpoint = Some(decode_checkpoint(value)?),
            StateKind::Dirty => self.dirty = decode_dirty(value).map(|_| true)?,
            StateKind::HighWatermark => self.high_watermark = Offset(decode_position(value)?),
            StateKind::LeaderEpoch => {
                let epoch = i32::try_from(decode_position(value)?).unwrap_or(i32::MAX);
                self.leader_epoch = LeaderEpoch(epoch);
            }
            StateKind::LogStart => self.log_start = Offset(decode_position(value)?),
        }
        Ok(())
    }
}

fn partition(
    db: &SyncedDb,
    key: PartitionKey,
    pieces: Pieces,
) -> Result<(RecoveredPartition, LogState), Error> {
    let Some(meta) = pieces.meta else {
        return Err(damaged(
            db,
            format!("partition key {} has state but no name", key.0),
        ));
    };
    let mark = pieces.checkpoint.as_ref().map(|checkpoint| CheckpointMark {
        log_end: checkpoint.log_end,
        high_watermark: checkpoint.high_watermark,
    });
    let checkpoint = pieces.checkpoint.unwrap_or_default();
    let stored = if pieces.dirty {
        entries_from(db, key, checkpoint.log_end)?
    } else {
        Vec::new()
    };
    let log_start = pieces.log_start.max(checkpoint.log_start);
    let mut log_end = checkpoint.log_end.max(log_start);
    let mut high_watermark = pieces.high_watermark.max(checkpoint.high_watermark);
    let mut leader_epoch = pieces.leader_epoch.max(checkpoint.leader_epoch);
    for entry in &stored {
        log_end = log_end.max(entry.info.end_offset());
        high_watermark = high_watermark.max(entry.known_high_watermark());
        leader_epoch = leader_epoch.max(entry.info.leader_epoch);
    }
    let log = LogState {
        log_start,
        log_end,
        high_watermark,
        leader_epoch,
        checkpoint: mark,
        dirty: pieces.dirty,
        ..LogState::empty(key, meta.topic_name.clone())
    };
    let recovered = RecoveredPartition {
        partition: meta.partition,
        topic_name: meta.topic_name,
        meta: meta.owner,
        checkpoint,
        entries: stored.into_iter().map(|entry| entry.info).collect(),
        log_start,
        log_end,
        high_watermark,
        leader_epoch,
    };
    Ok((recovered, log))
}

/// The entries of the batches that end behind `from`: the first may begin before it, where a log
/// began anew inside a batch.
fn entries_from(db: &SyncedDb, key: PartitionKey, from: Offset) -> Result<Vec<IndexEntry>, Error> {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(key.first());
    options.set_iterate_upper_bound(key.behind());
    let mut index = db
        .db()
        .raw_iterator_cf_opt(db.family(families::INDEX), options);
    let mut entries = Vec::new();
    index.seek_for_prev(key.at(from));
    if !index.valid() {
        index.status().map_err(Error::rocks("read the index"))?;
        index.seek(key.at(from));
    }
    while let Some((found, value)) = index.item() {
        let entry = RecordKey::decode(found)
            .and_then(|found| IndexEntry::decode(found.base, value))
            .map_err(|error| undecodable(db, &error))?;
        if entry.info.last_offset >= from {
            entries.push(entry);
        }
        index.next();
    }
    index.status().map_err(Error::rocks("read the index"))?;
    Ok(entries)
}

/// A value that a newer version wrote is not damage, and the message must say so.
fn undecodable(db: &SyncedDb, error: &DecodeError) -> Error {
    match error {
        DecodeError::Garbage { .. } => damaged(db, error.to_string()),
        DecodeError::Version {
            what,
            found,
            supported,
        } => Error::UnsupportedFormat {
            what,
            found: *found,
            supported: *supported,
        },
    }
}

fn damaged(db: &SyncedDb, reason: String) -> Error {
    Error::damaged(db.db().path(), 0, reason)
}
