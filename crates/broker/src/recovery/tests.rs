//! Plans applied to real data folders.

use holdfast_kernel::image::{Change, ClusterImage};
use holdfast_kernel::recovery::{Member, PlannedDisk, Position};
use holdfast_model::{BrokerId, Incarnation, StartNumber};
use holdfast_quorum::recovery as metadata;
use holdfast_runtime::config::{Config, Sources};
use holdfast_store::DataDir;
use uuid::Uuid;

use super::describe::open_metadata;
use super::*;
use crate::serve::{self, Broker, StartError};

fn cluster() -> ClusterId {
    ClusterId(Uuid::from_u128(0xc1))
}

fn member(replica: ReplicaId) -> Member {
    Member {
        replica,
        host: "127.0.0.1".to_owned(),
        port: 9192,
        zone: None,
        votes: true,
    }
}

/// A folder of generation 1, one of three voters, whose broker started once.
fn folder(path: &std::path::Path) -> ReplicaId {
    let wanted = serve::Wanted {
        broker: BrokerId(0),
        document: None,
        cluster: Some(cluster()),
        recovery: RecoveryGeneration(1),
    };
    let identity = serve::format(path, &wanted).unwrap();
    let replica = ReplicaId {
        broker: BrokerId(0),
        incarnation: identity.incarnation,
    };
    drop(DataDir::open(path, None, BrokerId(0)).unwrap());
    let others = [1, 2].map(|broker| ReplicaId {
        broker: BrokerId(broker),
        incarnation: Incarnation(5),
    });
    let mut image = ClusterImage {
        cluster_id: Some(cluster()),
        ..ClusterImage::default()
    };
    for disk in [replica, others[0], others[1]] {
        image.apply(&Change::Admit(disk));
    }
    let first = Plan {
        cluster: cluster(),
        from: RecoveryGeneration(0),
        to: RecoveryGeneration(1),
        newest: replica,
        newest_position: Position::default(),
        votes_described: 1,
        votes: 3,
        disks: vec![PlannedDisk {
            replica,
            start: StartNumber(1),
            last_log: Position::default(),
        }],
        members: [replica, others[0], others[1]].map(member).to_vec(),
        position: Position { term: 3, index: 9 },
        lost: Vec::new(),
        partitions: Vec::new(),
        strays: Vec::new(),
        image,
    };
    metadata::install(&open_metadata(path).unwrap(), &first).unwrap();
    replica
}

/// Through text, as files travel.
fn planned(path: &std::path::Path) -> PlanFile {
    let description = rmp_serde::to_vec_named(&describe(path).unwrap()).unwrap();
    let plan = plan(vec![rmp_serde::from_slice(&description).unwrap()]).unwrap();
    rmp_serde::from_slice(&rmp_serde::to_vec_named(&plan).unwrap()).unwrap()
}

#[test]
fn a_plan_is_applied_once_and_applying_it_again_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let replica = folder(dir.path());
    let plan = planned(dir.path());
    assert_eq!(plan.summary().position, Position { term: 4, index: 10 });
    assert_eq!(apply(dir.path(), &plan).unwrap(), Applied::Now);
    let identity = DataDir::read(dir.path()).unwrap();
    assert_eq!(identity.recovery, RecoveryGeneration(2));
    assert_eq!(identity.start, StartNumber(1));
    assert_eq!(apply(dir.path(), &plan).unwrap(), Applied::Before);
    // Also after the broker has started on it.
    drop(DataDir::open(dir.path(), None, BrokerId(0)).unwrap());
    assert_eq!(apply(dir.path(), &plan).unwrap(), Applied::Before);
    let found = metadata::read(&open_metadata(dir.path()).unwrap()).unwrap();
    assert_eq!(found.members, [member(replica)]);
    assert_eq!(found.image.retired.len(), 2);
}

#[test]
fn a_crash_between_metadata_and_stamp_is_neither_used_nor_planned_with_and_finished_later() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path());
    let plan = planned(dir.path());
    metadata::install(&open_metadata(dir.path()).unwrap(), &plan.open().unwrap()).unwrap();
    let refused = describe(dir.path()).unwrap_err();
    assert!(matches!(refused, Error::Interrupted { .. }), "{refused}");
    assert_eq!(apply(dir.path(), &plan).unwrap(), Applied::Finished);
    assert_eq!(apply(dir.path(), &plan).unwrap(), Applied::Before);
    describe(dir.path()).unwrap();
}

#[test]
fn a_disk_that_was_used_since_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path());
    let plan = planned(dir.path());
    drop(DataDir::open(dir.path(), None, BrokerId(0)).unwrap());
    let refused = apply(dir.path(), &plan).unwrap_err();
    assert!(matches!(refused, Error::Changed { .. }), "{refused}");
    let identity = DataDir::read(dir.path()).unwrap();
    assert_eq!(identity.recovery, RecoveryGeneration(1));
}

#[test]
fn a_disk_in_use_or_not_in_the_plan_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path());
    let plan = planned(dir.path());
    let in_use = DataDir::inspect(dir.path()).unwrap();
    assert!(matches!(describe(dir.path()), Err(Error::Store(_))));
    assert!(matches!(apply(dir.path(), &plan), Err(Error::Store(_))));
    drop(in_use);
    let other = tempfile::tempdir().unwrap();
    folder(other.path());
    let refused = apply(other.path(), &plan).unwrap_err();
    assert!(matches!(refused, Error::NotPlanned(_)), "{refused}");
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_broker_starts_between_two_generations() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path());
    let plan = planned(dir.path());
    metadata::install(&open_metadata(dir.path()).unwrap(), &plan.open().unwrap()).unwrap();
    let flags = [
        ("log.dirs", dir.path().display().to_string()),
        (
            "listeners",
            format!("PLAINTEXT://127.0.0.1:{}", free_port()),
        ),
        ("holdfast.rpc.bind", format!("127.0.0.1:{}", free_port())),
        ("holdfast.admin.bind", format!("127.0.0.1:{}", free_port())),
        ("holdfast.disk.reserve.bytes", (16 << 20).to_string()),
        ("holdfast.memory.budget.bytes", (256 << 20).to_string()),
    ];
    let sources = Sources {
        flags: flags.map(|(key, value)| (key.to_owned(), value)).into(),
        ..Sources::default()
    };
    let config = Config::load(&sources).unwrap().config;
    let refused = Broker::start(config, String::new()).await.unwrap_err();
    assert!(matches!(refused, StartError::Recovery(_)), "{refused}");
    assert!(
        refused.to_string().contains("apply its plan again"),
        "{refused}"
    );
}
