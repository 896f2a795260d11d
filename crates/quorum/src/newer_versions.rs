//! What a version above this one may write: overlooked where that is safe, refused by name where not,
//! never taken for damage or for something else.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use holdfast_kernel::image::{Change, ChangeBatch, ClusterImage, FEATURE_LEVEL};
use openraft::storage::RaftStateMachine;
use openraft::{CommittedLeaderId, EntryPayload};
use serde::Serialize;

use crate::command::Command;
use crate::keyspace::Keyspace;
use crate::node::{Entry, LogId, NodeId, SnapshotMeta};
use crate::publication::Publication;
use crate::sim_disk::SimDisk;
use crate::snapshot_store::{self, SnapshotStore};
use crate::state_machine::StateMachine;
use crate::storage::Error;
use crate::{payload, record, recovery};

#[derive(Serialize)]
struct NewerBatch<'a> {
    format: u16,
    a_new_field: &'a str,
    decided_on: u64,
    changes: Vec<NewerChange>,
}

#[derive(Serialize)]
enum NewerChange {
    SetFeatureLevel(u32),
    SetNextProducerId(i64),
    ANewChange(u32),
}

fn command(format: u16, changes: Vec<NewerChange>) -> Command {
    let batch = NewerBatch {
        format,
        a_new_field: "overlooked",
        decided_on: 0,
        changes,
    };
    let bytes = rmp_serde::to_vec_named(&batch).expect("encoded");
    let framed = rmp_serde::to_vec(&Raw(bytes)).expect("encoded");
    rmp_serde::from_slice(&framed).expect("bytes")
}

/// Bytes as a command holds them.
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

#[test]
fn a_new_field_is_overlooked_and_a_new_change_is_not() {
    let known = command(1, vec![NewerChange::SetNextProducerId(7)]);
    let expected = ChangeBatch {
        format: 1,
        decided_on: 0,
        changes: vec![Change::SetNextProducerId(7)],
    };
    assert_eq!(known.decode().expect("readable"), expected);
    let unknown = command(1, vec![NewerChange::ANewChange(7)]);
    let error = unknown.decode().expect_err("not to be skipped").to_string();
    assert!(error.contains("ANewChange"), "{error}");
}

#[test]
fn a_newer_format_is_refused_by_name_before_its_changes_are_read() {
    let newer = command(3, vec![NewerChange::ANewChange(7)]);
    let refused = newer.decode().expect_err("newer");
    assert!(matches!(
        refused.in_the_log("log entry 5".to_owned()),
        Error::Newer { found: 3, .. }
    ));
    let snapshot = record::seal_as(3, snapshot_store::FRAME, b"who knows");
    assert!(matches!(
        snapshot_store::decode(&snapshot),
        Err(Error::Newer { found: 3, .. })
    ));
    let refused = payload::decode::<LogId>(&[2, 0]).expect_err("newer");
    assert!(matches!(refused, payload::Error::Newer(2)));
}

fn machine(disk: &Arc<SimDisk>) -> Result<StateMachine, Error> {
    let snapshots = SnapshotStore::open(Arc::clone(disk) as Arc<dyn Keyspace>)?;
    let (publication, bytes) = (
        Publication::new(ClusterImage::default()),
        Arc::new(AtomicU64::new(0)),
    );
    StateMachine::open(Arc::new(snapshots), Arc::new(publication), bytes)
}

fn at(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(1, NodeId::from(0)), index)
}

fn beyond() -> ClusterImage {
    ClusterImage {
        feature_level: FEATURE_LEVEL + 1,
        ..ClusterImage::default()
    }
}

/// It would else vote on, and could become the controller of a cluster that it does not understand.
#[tokio::test]
async fn a_level_raised_beyond_this_version_ends_it_and_it_does_not_vote_on() {
    let disk = SimDisk::new();
    let mut machine = machine(&disk).expect("an empty disk");
    let raise = command(2, vec![NewerChange::SetFeatureLevel(FEATURE_LEVEL + 1)]);
    let entry = Entry {
        log_id: at(1),
        payload: EntryPayload::Normal(raise),
    };
    let error = machine.apply([entry]).await.expect_err("beyond");
    let said = format!("the cluster is at feature level {}", FEATURE_LEVEL + 1);
    assert!(error.to_string().contains(&said), "{error}");
}

#[tokio::test]
async fn a_snapshot_of_a_level_beyond_this_version_is_not_installed_nor_started_from() {
    let disk = SimDisk::new();
    let data: Bytes = snapshot_store::encode(&beyond()).expect("encoded");
    let meta = SnapshotMeta {
        last_log_id: Some(at(9)),
        ..SnapshotMeta::default()
    };
    let mut running = machine(&disk).expect("an empty disk");
    let installed = running.install_snapshot(&meta, Box::new(data.clone()));
    let error = installed.await.expect_err("beyond");
    assert!(error.to_string().contains("feature level"), "{error}");
    machine(&disk).expect("nothing was stored");

    let snapshots = SnapshotStore::open(Arc::clone(&disk) as Arc<dyn Keyspace>).expect("open");
    snapshots.save(meta, &data).expect("saved");
    let error = machine(&disk).expect_err("beyond");
    assert!(matches!(error, Error::Level { level } if level == FEATURE_LEVEL + 1));
    // Nor does a recovery make a plan of it, which would lack what this version does not see.
    let keyspace = disk as Arc<dyn Keyspace>;
    let error = recovery::read(&keyspace).expect_err("beyond");
    assert!(matches!(error, Error::Level { level } if level == FEATURE_LEVEL + 1));
}
