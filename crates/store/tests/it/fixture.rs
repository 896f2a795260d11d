//! Disks written by released versions, which every later version must open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use holdfast_model::{
    BrokerId, ClusterId, EpochStart, Incarnation, LeaderEpoch, LogCheckpoint, Offset,
    ProducerBatch, ProducerEntry, RecoveryGeneration, StartNumber, SystemClock,
};
use holdfast_store::{DataDir, Formation, Identity, MetaDb, MetaOp, MetaOptions, Op};
use uuid::Uuid;

use crate::rig::{Rig, append, partition};

fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(version)
}

fn checkpoint() -> LogCheckpoint {
    let (end, epoch) = (Offset(10), LeaderEpoch(3));
    LogCheckpoint {
        log_start: Offset(0),
        log_end: end,
        high_watermark: Offset(12),
        leader_epoch: epoch,
        epochs: vec![EpochStart {
            epoch,
            start: Offset(0),
        }],
        producers: vec![ProducerEntry {
            producer_id: 4000,
            epoch: 1,
            last_timestamp: 1_700_000_000_000,
            batches: vec![ProducerBatch {
                base_sequence: 0,
                last_sequence: 4,
                base_offset: Offset(5),
                last_offset: Offset(9),
                timestamp: 1_700_000_000_000,
            }],
        }],
        segments: Vec::new(),
    }
}

fn identity() -> Identity {
    Identity {
        cluster: ClusterId(Uuid::from_u128(0xc1)),
        broker: BrokerId(4),
        incarnation: Incarnation(0xfeed_beef),
        start: StartNumber(0),
        formation: Formation::Named {
            voters: vec![BrokerId(4), BrokerId(5)],
        },
        recovery: RecoveryGeneration(0),
        aside: None,
    }
}

/// Writes the fixture of this version. Run once per format, then keep the files for ever:
/// `cargo test -p holdfast-store --test it write_fixture -- --ignored`.
#[test]
#[ignore = "writes a fixture into the source tree; only for a new format version"]
fn write_fixture() {
    let path = fixture("v1");
    std::fs::create_dir_all(&path).unwrap();
    let mut rig = Rig::open(&path).unwrap();
    rig.create(0);
    rig.create(1);
    for base in [0, 5] {
        rig.append(0, base, 5, 600);
    }
    rig.run(Op::PutCheckpoint {
        partition: partition(0),
        checkpoint: Box::new(checkpoint()),
    });
    rig.store.reclaim().unwrap();
    rig.append(0, 10, 5, 600);
    rig.append(1, 0, 2, 20);
    rig.run(Op::PutHighWatermark {
        partition: partition(0),
        offset: Offset(12),
    });
    rig.run(Op::AdvanceLogStart {
        partition: partition(0),
        offset: Offset(7),
    });
    rig.run(Op::PutLeaderEpoch {
        partition: partition(1),
        epoch: LeaderEpoch(9),
    });
    rig.run(Op::PutMeta {
        partition: partition(1),
        meta: Bytes::from_static(b"second"),
    });
    drop(rig);
    let meta = MetaDb::open(MetaOptions::new(&path, Arc::new(SystemClock::new()))).unwrap();
    meta.write(&[MetaOp::Put {
        key: b"vote".to_vec(),
        value: b"term 5".to_vec(),
    }])
    .unwrap();
    drop(meta);
    DataDir::format(&path, &identity()).unwrap();
    for database in ["log-0", "meta"] {
        for entry in std::fs::read_dir(path.join(database)).unwrap() {
            let file = entry.unwrap();
            let name = file.file_name().into_string().unwrap();
            // Notes of RocksDB that it does not need to open.
            if ["LOG", "LOCK", "OPTIONS"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
    }
    for name in ["headroom", "lock"] {
        std::fs::remove_file(path.join(name)).unwrap();
    }
}

#[test]
fn a_disk_of_version_1_opens() {
    let dir = tempfile::tempdir().unwrap();
    crate::damage::copy(&fixture("v1"), dir.path());
    let open = DataDir::open(dir.path(), Some(identity().cluster), BrokerId(4)).unwrap();
    assert_eq!(
        *open.identity(),
        Identity {
            start: StartNumber(1),
            ..identity()
        }
    );
    let meta = MetaDb::open(MetaOptions::new(dir.path(), Arc::new(SystemClock::new()))).unwrap();
    assert_eq!(meta.get(b"vote").unwrap().unwrap(), b"term 5");
    let rig = Rig::open(dir.path()).unwrap();
    let [first, second] = &rig.recovered[..] else {
        panic!("{:?}", rig.recovered)
    };
    assert_eq!(first.checkpoint, checkpoint());
    let positions = (first.log_start, first.log_end, first.high_watermark);
    assert_eq!(positions, (Offset(7), Offset(15), Offset(12)));
    assert_eq!(
        (first.topic_name.as_str(), &first.meta[..]),
        ("orders", &b"owner"[..])
    );
    assert_eq!(first.entries.len(), 1);
    assert_eq!(
        (second.leader_epoch, &second.meta[..]),
        (LeaderEpoch(9), &b"second"[..])
    );
    let read = rig
        .store
        .read(partition(0), Offset(7), Offset(15), usize::MAX)
        .unwrap();
    let expected = [append(0, 5, 5, 600).0, append(0, 10, 5, 600).0];
    assert_eq!(
        read.into_iter()
            .map(|batch| batch.bytes)
            .collect::<Vec<_>>(),
        expected
    );
    let read = rig
        .store
        .read(partition(1), Offset(0), Offset(2), usize::MAX)
        .unwrap();
    assert_eq!(read[0].bytes, append(1, 0, 2, 20).0);
}
