//! The log and the state machine under openraft's own checks, power cuts and damage.

mod vote;
mod wiped_voter;

use std::sync::Arc;

use holdfast_kernel::image::{CHANGE_FORMAT, Change, ChangeBatch, ClusterImage};
use holdfast_model::SystemClock;
use holdfast_store::{MetaDb, MetaOptions};
use openraft::entry::FromAppData;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft::testing::{StoreBuilder, Suite};
use openraft::{CommittedLeaderId, RaftLogReader};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::LogStore;
use crate::command::Command;
use crate::keyspace::Keyspace;
use crate::node::{Entry, LogId, NodeId, RaftTypes, StorageError, Vote};
use crate::publication::Publication;
use crate::sim_disk::SimDisk;
use crate::snapshot_store::SnapshotStore;
use crate::state_machine::StateMachine;
use crate::storage::Error;

const APPEND_BYTES: usize = 64 * 1024;

fn open(keyspace: Arc<dyn Keyspace>) -> Result<LogStore, Error> {
    LogStore::open(keyspace, APPEND_BYTES)
}

fn machine(keyspace: Arc<dyn Keyspace>) -> StateMachine {
    let snapshots = Arc::new(SnapshotStore::open(keyspace).expect("snapshots"));
    let publication = Arc::new(Publication::new(ClusterImage::default()));
    StateMachine::open(snapshots, publication, Arc::default()).expect("machine")
}

struct OnRocks;

impl StoreBuilder<RaftTypes, LogStore, StateMachine, tempfile::TempDir> for OnRocks {
    async fn build(&self) -> Result<(tempfile::TempDir, LogStore, StateMachine), StorageError> {
        let dir = tempfile::tempdir().expect("directory");
        let options = MetaOptions::new(dir.path(), Arc::new(SystemClock::new()));
        let db: Arc<dyn Keyspace> = Arc::new(MetaDb::open(options).expect("database"));
        let mut log = open(Arc::clone(&db)).expect("log");
        Arc::get_mut(&mut log.inner)
            .expect("no clones yet")
            .demands_runs = false;
        Ok((dir, log, machine(db)))
    }
}

#[test]
fn openraft_accepts_the_stores() {
    Suite::test_all(OnRocks).expect("openraft's suite");
}

fn id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, NodeId::from(1)), index)
}

fn entry(term: u64, index: u64) -> Entry {
    let changes = vec![Change::SetFeatureLevel(index as u32)];
    let batch = ChangeBatch {
        format: CHANGE_FORMAT,
        decided_on: index,
        changes,
    };
    let mut entry = Entry::from_app_data(Command::encode(&batch).expect("encode"));
    entry.log_id = id(term, index);
    entry
}

async fn indexes(log: &mut LogStore) -> Vec<u64> {
    let entries = log.try_get_log_entries(..).await.expect("read");
    entries.iter().map(|entry| entry.log_id.index).collect()
}

/// Drives a log with random calls, cuts the power after each, and checks that what was answered is
/// still there.
async fn survives_power_cuts(seed: u64) -> Result<(), String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut disk = SimDisk::new();
    let mut vote = None;
    let (mut first, mut end, mut term) = (0, 0, 1);
    // Raft never truncates what it knows as committed.
    let mut safe = 0;
    for step in 0..40 {
        let mut log = open(disk.clone()).map_err(|error| error.to_string())?;
        match random.random_range(0..6) {
            0 | 1 => {
                term += 1;
                let new = Vote::new(term, NodeId::from(random.random_range(1..4)));
                log.save_vote(&new).await.expect("vote");
                vote = Some(new);
            }
            2 if end > first.max(safe) => {
                let from = random.random_range(first.max(safe)..end);
                log.truncate(id(1, from)).await.expect("truncate");
                end = from;
            }
            3 if end > first => {
                let through = random.random_range(first..end);
                log.purge(id(1, through)).await.expect("purge");
                first = through + 1;
            }
            _ => {
                let count = random.random_range(1..5);
                log.save_committed(end.checked_sub(1).map(|last| id(1, last)))
                    .await
                    .expect("ok");
                log.blocking_append((end..end + count).map(|index| entry(1, index)))
                    .await
                    .expect("append");
                safe = end;
                end += count;
            }
        }
        disk = disk.after_power_cut();
        let mut log = open(disk.clone()).map_err(|error| format!("step {step}: {error}"))?;
        let found = log.read_vote().await.expect("read");
        if found != vote {
            return Err(format!("step {step}: answered {vote:?}, found {found:?}"));
        }
        let found = indexes(&mut log).await;
        if found != (first..end).collect::<Vec<_>>() {
            return Err(format!(
                "step {step}: answered {first}..{end}, found {found:?}"
            ));
        }
        let committed = log.read_committed().await.expect("read");
        if committed.is_some_and(|committed| committed.index >= end.max(1)) && end > first {
            return Err(format!("step {step}: committed {committed:?} of {end}"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answered_vote_and_entry_survive_every_power_cut() {
    for seed in 0..40 {
        if let Err(text) = survives_power_cuts(seed).await {
            panic!("seed {seed}: {text}");
        }
    }
}

async fn filled() -> Arc<SimDisk> {
    let disk = SimDisk::new();
    let mut log = open(disk.clone()).expect("open");
    log.save_vote(&Vote::new(3, NodeId::from(1)))
        .await
        .expect("vote");
    log.save_committed(Some(id(1, 4))).await.expect("committed");
    log.blocking_append((0..10).map(|index| entry(1, index)))
        .await
        .expect("append");
    log.purge(id(1, 2)).await.expect("purge");
    disk
}

#[tokio::test]
async fn every_flipped_bit_is_damage() {
    let keys = filled().await.keys();
    assert_eq!(
        keys.len(),
        3 + 7,
        "vote, committed, purged and seven entries"
    );
    for key in keys {
        for place in [0, 1, 4, 5, 11] {
            let disk = filled().await;
            disk.damage(&key, |value| value[place] ^= 0x10);
            let error = open(disk).expect_err("damage not noticed");
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn a_missing_entry_is_damage_and_not_the_end_of_the_log() {
    let disk = filled().await;
    let entries: Vec<_> = disk
        .keys()
        .into_iter()
        .filter(|key| key.starts_with(b"raft/entry/"))
        .collect();
    // The last one cannot be missed by looking at the log alone: its sync is the disk's promise.
    for key in &entries[..entries.len() - 1] {
        let disk = filled().await;
        disk.remove(key);
        let error = open(disk).expect_err("hole not noticed");
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_reader_gets_runs_within_the_limit_from_memory_and_disk() {
    let disk = SimDisk::new();
    let mut log = open(disk.clone()).expect("open");
    log.blocking_append((0..6000).map(|index| entry(1, index)))
        .await
        .expect("append");
    for start in [0, 1000, 5000, 5999] {
        let entries = log
            .limited_get_log_entries(start, 6000)
            .await
            .expect("read");
        assert_eq!(entries[0].log_id.index, start);
        assert!(
            entries.len() > 100 || start > 5800,
            "{} entries",
            entries.len()
        );
        assert!(
            entries
                .windows(2)
                .all(|w| w[0].log_id.index + 1 == w[1].log_id.index)
        );
    }
    let none = log.try_get_log_entries(6000..7000).await.expect("read");
    assert!(none.is_empty());
}
