//! Disks that differ in one thing each: what is wrong must be found, and nothing else.

use std::path::Path;

use bytes::Bytes;
use holdfast_model::{
    ClusterId, EpochStart, Incarnation, LeaderEpoch, LogCheckpoint, ProducerBatch,
    RecoveryGeneration, StartNumber, TopicId,
};
use holdfast_store::{Formation, Identity, Op};
use holdfast_wire::build::{BatchBuilder, Record};
use holdfast_wire::{Codec, batch};
use uuid::Uuid;

use super::*;

const AT: TopicPartition = TopicPartition {
    topic: TopicId(Uuid::from_u128(1)),
    partition: 0,
};

fn one(base: i64, epoch: i32, value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(&Record::value(value)).unwrap();
    let mut bytes = builder.finish().unwrap().to_vec();
    bytes[0..8].copy_from_slice(&base.to_be_bytes());
    bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
    bytes.into()
}

/// A disk of a broker with these batches, all known to be committed below `committed`.
fn disk(broker: i32, batches: &[Bytes], committed: i64) -> tempfile::TempDir {
    disk_with(broker, batches, committed, None)
}

fn disk_with(
    broker: i32,
    batches: &[Bytes],
    committed: i64,
    checkpoint: Option<LogCheckpoint>,
) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity {
        cluster: ClusterId(Uuid::from_u128(7)),
        broker: BrokerId(broker),
        incarnation: Incarnation(broker as u64 + 1),
        start: StartNumber(0),
        formation: Formation::Waiting,
        recovery: RecoveryGeneration(0),
        aside: None,
    };
    DataDir::format(dir.path(), &identity).unwrap();
    let (store, _) = disk_log::open(dir.path()).unwrap();
    let submit = |op: Op| {
        let permit = store.try_reserve(op.room(), op.bytes()).unwrap();
        store.submit(permit, 0, op).unwrap();
    };
    submit(Op::CreatePartition {
        partition: AT,
        topic_name: "orders".to_owned(),
        meta: Bytes::new(),
    });
    for bytes in batches {
        submit(Op::Append {
            partition: AT,
            batch: bytes.clone(),
            info: batch::to_info(bytes).unwrap(),
            high_watermark: Offset(committed),
        });
    }
    if let Some(checkpoint) = checkpoint {
        submit(Op::PutCheckpoint {
            partition: AT,
            checkpoint: Box::new(checkpoint),
        });
    }
    store.close();
    dir
}

/// The state of a log of three batches, in which a producer is known with an epoch.
fn knows(producer_epoch: i16) -> LogCheckpoint {
    LogCheckpoint {
        log_start: Offset(0),
        log_end: Offset(3),
        high_watermark: Offset(3),
        leader_epoch: LeaderEpoch(1),
        epochs: vec![EpochStart {
            epoch: LeaderEpoch(1),
            start: Offset(0),
        }],
        producers: vec![ProducerEntry {
            producer_id: 4,
            epoch: producer_epoch,
            last_timestamp: 1_000,
            batches: vec![ProducerBatch {
                base_sequence: 0,
                last_sequence: 0,
                base_offset: Offset(2),
                last_offset: Offset(2),
                timestamp: 1_000,
            }],
        }],
        segments: Vec::new(),
    }
}

fn compared(disks: &[&tempfile::TempDir]) -> Report {
    let paths: Vec<PathBuf> = disks
        .iter()
        .map(|dir| Path::new(dir.path()).into())
        .collect();
    offline(&paths).unwrap()
}

fn batches(count: i64) -> Vec<Bytes> {
    (0..count).map(|base| one(base, 1, b"value")).collect()
}

#[test]
fn equal_replicas_are_compared_batch_by_batch() {
    let report = compared(&[&disk(0, &batches(5), 5), &disk(1, &batches(5), 5)]);
    assert_eq!((report.found, report.compared, report.batches), (0, 5, 10));
}

#[test]
fn another_value_another_epoch_and_a_missing_batch_are_each_found_where_they_are() {
    let whole = disk(0, &batches(5), 5);
    let mut other = batches(5);
    other[2] = one(2, 1, b"VALUE");
    let mut epoch = batches(5);
    epoch[3] = one(3, 2, b"value");
    epoch[4] = one(4, 2, b"value");
    let mut gap = batches(5);
    gap.remove(1);
    for (changed, at) in [(other, 2), (epoch, 3), (gap, 1)] {
        let report = compared(&[&whole, &disk(1, &changed, 5)]);
        assert_eq!(report.found, 1, "{report:?}");
        assert_eq!(report.findings[0].offset, Offset(at), "{report:?}");
        assert_eq!(report.findings[0].partition, "orders/0");
    }
}

#[test]
fn what_one_of_them_does_not_know_to_be_committed_may_differ() {
    let mut tail = batches(3);
    tail.push(one(3, 1, b"never committed"));
    let report = compared(&[&disk(0, &batches(5), 5), &disk(1, &tail, 3)]);
    assert_eq!((report.found, report.compared), (0, 3), "{report:?}");
}

#[test]
fn replicas_that_know_different_things_of_a_producer_are_found() {
    let with = |broker, checkpoint| disk_with(broker, &batches(3), 3, checkpoint);
    let one = with(0, Some(knows(2)));
    assert_eq!(compared(&[&one, &with(1, Some(knows(2)))]).found, 0);
    for other in [Some(knows(3)), None] {
        let known = other.is_some();
        let report = compared(&[&one, &with(1, other)]);
        assert_eq!(report.found, 1, "{known} {report:?}");
        assert!(report.findings[0].what.contains("producer 4"), "{report:?}");
    }
}

#[test]
fn disks_of_two_clusters_or_of_one_broker_are_not_compared() {
    let (one, same) = (disk(0, &batches(1), 1), disk(0, &batches(1), 1));
    let paths = [one.path().to_owned(), same.path().to_owned()];
    assert!(matches!(offline(&paths), Err(Error::Unlike(_))));
}
