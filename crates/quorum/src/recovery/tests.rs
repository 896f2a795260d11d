use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_kernel::image::{CHANGE_FORMAT, Change, ChangeBatch};
use holdfast_kernel::recovery::PlannedDisk;
use holdfast_model::{BrokerId, ClusterId, Incarnation, StartNumber};
use uuid::Uuid;

use super::*;
use crate::command::Command;
use crate::keyspace::{KeyOp, KeyValue, KeyspaceError};
use crate::log_store::LogStore;
use crate::sim_disk::SimDisk;

/// A disk whose power fails after so many writes.
#[derive(Debug)]
struct Failing {
    disk: Arc<SimDisk>,
    writes_left: AtomicUsize,
}

impl Keyspace for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KeyspaceError> {
        self.disk.get(key)
    }

    fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<KeyValue>, KeyspaceError> {
        self.disk.scan(from, until, limit)
    }

    fn last_in(&self, from: &[u8], until: &[u8]) -> Result<Option<KeyValue>, KeyspaceError> {
        self.disk.last_in(from, until)
    }

    fn write(&self, ops: Vec<KeyOp>) -> Result<(), KeyspaceError> {
        let left = self.writes_left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(KeyspaceError("the power failed".to_owned()));
        }
        self.writes_left.store(left - 1, Ordering::Relaxed);
        self.disk.write(ops)
    }
}

fn disk(broker: i32) -> ReplicaId {
    ReplicaId {
        broker: BrokerId(broker),
        incarnation: Incarnation(7),
    }
}

fn id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, NodeId(disk(0))), index)
}

fn setting(text: &str) -> Change {
    Change::SetClusterConfig {
        key: "k".to_owned(),
        value: Some(text.to_owned()),
    }
}

fn batch(decided_on: u64, text: &str) -> ChangeBatch {
    ChangeBatch {
        format: CHANGE_FORMAT,
        decided_on,
        changes: vec![setting(text)],
    }
}

fn peer(broker: i32) -> Peer {
    Peer {
        host: format!("h{broker}"),
        port: 9192,
        zone: None,
    }
}

/// A voter's disk: a snapshot at 4, entries from 3 on up to 6, of which nobody knows whether the last
/// two were committed.
fn voter() -> Arc<SimDisk> {
    let sim = SimDisk::new();
    let keyspace: Arc<dyn Keyspace> = Arc::clone(&sim) as Arc<dyn Keyspace>;
    let voters: BTreeSet<NodeId> = (0..3).map(|broker| NodeId(disk(broker))).collect();
    let nodes: BTreeMap<NodeId, Peer> = (0..3)
        .map(|broker| (NodeId(disk(broker)), peer(broker)))
        .collect();
    let mut image = ClusterImage::default();
    assert!(image.apply_batch(&batch(0, "snapshot")));
    let snapshots = SnapshotStore::open(Arc::clone(&keyspace)).expect("snapshots");
    let meta = SnapshotMeta {
        last_log_id: Some(id(2, 4)),
        last_membership: Membership::new(Some(id(1, 0)), Members::new(vec![voters], nodes)),
        snapshot_id: "4".to_owned(),
    };
    let data = snapshot_store::encode(&image).expect("encoded");
    snapshots.save(meta, &data).expect("saved");
    let mut ops = vec![keys::purged::put(&id(1, 2)).expect("purged")];
    for (index, decided_on, text) in [(3, 0, "old"), (4, 0, "snapshot"), (5, 1, "a"), (6, 2, "b")] {
        let command = Command::encode(&batch(decided_on, text)).expect("command");
        let entry = Entry {
            log_id: id(2, index),
            payload: EntryPayload::Normal(command),
        };
        ops.push(entry::put(&entry).expect("entry"));
    }
    ops.push(keys::vote::put(&Vote::new(5, NodeId(disk(1)))).expect("vote"));
    keyspace.write(ops).expect("written");
    sim
}

fn planned() -> Plan {
    let mut image = ClusterImage::default();
    // Several chunks.
    image.apply(&setting(&"x".repeat(3 * CHUNK_BYTES)));
    image.version = 77;
    Plan {
        cluster: ClusterId(Uuid::from_u128(1)),
        from: RecoveryGeneration(0),
        to: RecoveryGeneration(1),
        newest: disk(0),
        newest_position: Position { term: 2, index: 6 },
        votes_described: 1,
        votes: 3,
        disks: vec![PlannedDisk {
            replica: disk(0),
            start: StartNumber(1),
            last_log: Position { term: 2, index: 6 },
        }],
        members: vec![Member {
            replica: disk(0),
            host: "h0".to_owned(),
            port: 9192,
            zone: None,
            votes: true,
        }],
        position: Position { term: 6, index: 7 },
        lost: vec![disk(1), disk(2)],
        partitions: Vec::new(),
        strays: Vec::new(),
        image,
    }
}

fn read_disk(disk: &Arc<SimDisk>) -> Metadata {
    let keyspace: Arc<dyn Keyspace> = Arc::clone(disk) as Arc<dyn Keyspace>;
    read(&keyspace).expect("readable")
}

#[test]
fn a_disk_is_read_with_what_was_perhaps_not_committed_and_nothing_changes() {
    let disk = voter();
    let before = disk.keys();
    let found = read_disk(&disk);
    assert_eq!(found.last, Some(Position { term: 2, index: 6 }));
    assert_eq!((found.vote_term, found.image.version), (5, 3));
    assert_eq!(found.image.cluster_configs["k"], "b");
    assert_eq!(found.members.len(), 3);
    assert!(found.members.iter().all(|member| member.votes));
    assert_eq!(found.recovery, RecoveryGeneration(0));
    assert_eq!(disk.keys(), before);
}

#[test]
fn a_blank_disk_was_in_no_quorum() {
    let found = read_disk(&SimDisk::new());
    assert_eq!((found.last, found.members.len()), (None, 0));
}

#[test]
fn a_missing_entry_is_damage() {
    let disk = voter();
    disk.remove(&[b"raft/entry/".as_slice(), &5u64.to_be_bytes()].concat());
    let keyspace: Arc<dyn Keyspace> = disk;
    assert!(matches!(read(&keyspace), Err(Error::Damaged { .. })));
}

#[test]
fn a_crash_at_any_write_leaves_the_old_metadata_or_the_new_and_trying_again_finishes() {
    let plan = planned();
    let old = read_disk(&voter());
    let mut seen_old = 0;
    for writes in 0.. {
        let disk = voter();
        let failing: Arc<dyn Keyspace> = Arc::new(Failing {
            disk: Arc::clone(&disk),
            writes_left: AtomicUsize::new(writes),
        });
        let installed = install(&failing, &plan).is_ok();
        let after = disk.after_power_cut();
        let keyspace: Arc<dyn Keyspace> = Arc::clone(&after) as Arc<dyn Keyspace>;
        let done = is_installed(&*keyspace, &plan).expect("readable");
        assert_eq!(done, installed);
        let found = read_disk(&after);
        if installed {
            assert_eq!(found.image, plan.image);
            assert_eq!(found.recovery, plan.to);
            break;
        }
        seen_old += 1;
        assert_eq!((found.image, found.last), (old.image.clone(), old.last));
        assert_eq!((found.vote_term, found.members), (5, old.members.clone()));
        // What a broker's start does with the old state, and then the second try.
        SnapshotStore::open(Arc::clone(&keyspace)).expect("the start cleans up");
        install(&keyspace, &plan).expect("second try");
        assert_eq!(read_disk(&after).image, plan.image);
    }
    assert!(seen_old >= 5, "only {seen_old} places were tried");
}

#[test]
fn after_it_the_quorum_opens_an_empty_log_above_everything() {
    let disk = voter();
    let keyspace: Arc<dyn Keyspace> = disk;
    install(&keyspace, &planned()).expect("installed");
    let log = LogStore::open(Arc::clone(&keyspace), 1024).expect("log");
    assert_eq!(log.range(), 8..8);
    assert!(!log.is_blank());
    let found = read(&keyspace).expect("readable");
    assert_eq!(found.last, Some(Position { term: 6, index: 7 }));
    let names: Vec<ReplicaId> = found.members.iter().map(|member| member.replica).collect();
    assert_eq!((names, found.vote_term), (vec![super::tests::disk(0)], 6));
}
