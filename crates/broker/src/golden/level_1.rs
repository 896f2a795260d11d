//! Values that a version of feature level 1 can make. Made of nothing that level 1 did not have, so
//! that this file compiles in its last build, which wrote `tests/golden/level-1` with it.

use bytes::{Bytes, BytesMut};
use holdfast_kernel::controller::{
    AlterConfig, Command, ConfigOperation, ConfigResource, CreatePartitionsRequest, Failure,
    NewTopic, Outcome, Registration, TopicCreated, TopicReference,
};
use holdfast_kernel::image::Endpoint;
use holdfast_kernel::replica::{
    Acked, AppendHeader, IsrProposal, Opened, ProposedMember, RefusedReason, SessionId, Start,
};
use holdfast_model::{
    BrokerEpoch, BrokerId, EpochStart, ErrorCode, Incarnation, LeaderEpoch, Offset, PartitionEpoch,
    ProducerBatch, ProducerEntry, ReplicaId, StartNumber, TopicId, TopicPartition,
};
use holdfast_quorum::{MemberStatus, Peer, Status};
use serde::Serialize;
use uuid::Uuid;

use super::{Sample, named, sample};
use crate::replication::message::{Item, Open, Refused, decode, encode};

const REPLICA: ReplicaId = ReplicaId {
    broker: BrokerId(2),
    incarnation: Incarnation(u64::MAX),
};

const AT: TopicPartition = TopicPartition {
    topic: TopicId(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
    partition: 3,
};

/// What a process of level 1 said of itself when it started.
#[derive(Serialize)]
struct LevelOneRegistration {
    broker: BrokerId,
    incarnation: Incarnation,
    start: StartNumber,
    process: u64,
    rack: Option<String>,
    endpoints: Vec<Endpoint>,
    rpc: Endpoint,
    logs: Vec<(TopicPartition, LeaderEpoch, Offset)>,
}

fn registration() -> Registration {
    let endpoint = |listener: &str, port: u16| Endpoint {
        listener: listener.to_owned(),
        host: "broker-2.example".to_owned(),
        port,
    };
    let registration = LevelOneRegistration {
        broker: REPLICA.broker,
        incarnation: REPLICA.incarnation,
        start: StartNumber(12),
        process: 7,
        rack: Some("a".to_owned()),
        endpoints: vec![endpoint("PLAINTEXT", 9092)],
        rpc: endpoint("RPC", 9192),
        logs: vec![(AT, LeaderEpoch(3), Offset(70_000))],
    };
    let bytes = rmp_serde::to_vec_named(&registration).expect("encoded");
    rmp_serde::from_slice(&bytes).expect("a registration")
}

fn configs() -> Vec<AlterConfig> {
    let text = |text: &str| text.to_owned();
    let resources = [
        ConfigResource::Topic(text("orders")),
        ConfigResource::Broker(BrokerId(1)),
        ConfigResource::Cluster,
    ];
    let operations = [
        ConfigOperation::Set(text("1")),
        ConfigOperation::Delete,
        ConfigOperation::Append(text("compact")),
        ConfigOperation::Subtract(text("delete")),
    ];
    let operations: Vec<_> = operations
        .map(|operation| (text("cleanup.policy"), operation))
        .into();
    let alteration = |resource| AlterConfig {
        resource,
        replace_all: false,
        operations: operations.clone(),
    };
    resources.map(alteration).into()
}

fn topic() -> NewTopic {
    NewTopic {
        id: AT.topic,
        name: "orders".to_owned(),
        partitions: Some(3),
        replication_factor: None,
        assignments: [(0, vec![BrokerId(1), BrokerId(2)])].into(),
        configs: [("retention.ms".to_owned(), "1".to_owned())].into(),
    }
}

fn commands_of_brokers() -> Vec<Sample> {
    let (broker, broker_epoch) = (BrokerId(2), BrokerEpoch(300));
    let proposal = IsrProposal {
        leader_epoch: LeaderEpoch(4),
        partition_epoch: PartitionEpoch(9),
        isr: vec![ProposedMember {
            replica: REPLICA,
            broker_epoch,
        }],
    };
    vec![
        Sample {
            grown: 2,
            ..named("command-register", &Command::Register(registration()))
        },
        named(
            "command-alter-isr",
            &Command::AlterIsr {
                broker,
                broker_epoch,
                proposals: vec![(AT, proposal)],
            },
        ),
        named(
            "command-shutdown",
            &Command::Shutdown {
                broker,
                broker_epoch,
            },
        ),
        named(
            "command-resign",
            &Command::Resign {
                broker,
                broker_epoch,
                partitions: vec![(AT, LeaderEpoch(4))],
            },
        ),
        named(
            "command-producer-ids",
            &Command::AllocateProducerIds {
                broker,
                broker_epoch,
                count: 1000,
            },
        ),
    ]
}

fn commands_of_people() -> Vec<Sample> {
    vec![
        named(
            "command-create-topics",
            &Command::CreateTopics {
                topics: vec![topic()],
                validate_only: true,
            },
        ),
        named(
            "command-delete-topics",
            &Command::DeleteTopics {
                topics: vec![
                    TopicReference::Name("orders".to_owned()),
                    TopicReference::Id(AT.topic),
                ],
            },
        ),
        named(
            "command-create-partitions",
            &Command::CreatePartitions {
                topics: vec![CreatePartitionsRequest {
                    name: "orders".to_owned(),
                    count: 4,
                    assignments: Some(vec![vec![BrokerId(1)]]),
                }],
                validate_only: false,
            },
        ),
        named(
            "command-alter-configs",
            &Command::AlterConfigs {
                alterations: configs(),
                validate_only: false,
            },
        ),
        named("command-admit", &Command::Admit(REPLICA)),
    ]
}

fn answers() -> Vec<Sample> {
    let failure = || Failure::new(ErrorCode::InvalidConfig, "no such setting");
    let created = TopicCreated {
        id: AT.topic,
        partitions: 3,
        replication_factor: 2,
    };
    let deleted = ("orders".to_owned(), AT.topic);
    vec![
        named("answer-failed", &Outcome::Failed(failure())),
        named(
            "answer-registered",
            &Outcome::Registered(BrokerEpoch(70_000)),
        ),
        named(
            "answer-isr",
            &Outcome::IsrAltered(vec![
                (AT, ErrorCode::None),
                (AT, ErrorCode::FencedLeaderEpoch),
            ]),
        ),
        named("answer-stopping", &Outcome::Stopping { still_led: 2 }),
        named("answer-resigned", &Outcome::Resigned),
        named(
            "answer-created",
            &Outcome::TopicsCreated(vec![Ok(created), Err(failure())]),
        ),
        named(
            "answer-deleted",
            &Outcome::TopicsDeleted(vec![Ok(deleted), Err(failure())]),
        ),
        named(
            "answer-partitions",
            &Outcome::PartitionsCreated(vec![Ok(()), Err(failure())]),
        ),
        named(
            "answer-configs",
            &Outcome::ConfigsAltered(vec![Ok(()), Err(failure())]),
        ),
        named("answer-producer-ids", &Outcome::ProducerIds(4000)),
        named("answer-admitted", &Outcome::Admitted),
    ]
}

fn status() -> Sample {
    let member = MemberStatus {
        replica: REPLICA,
        peer: Peer {
            host: "broker-2.example".to_owned(),
            port: 9192,
            zone: Some("a".to_owned()),
        },
        log_end: Some(70_000),
        last_answer_ms: Some(1_700_000_000_000),
        last_caught_up_ms: None,
    };
    let status = Status {
        term: 3,
        leader: Some(REPLICA),
        high_watermark: 69_999,
        log_start: 5,
        log_end: 70_000,
        voters: vec![member.clone()],
        learners: vec![member],
    };
    named("quorum-status", &status)
}

fn item(name: &'static str, item: &Item) -> Sample {
    let mut bytes = BytesMut::new();
    encode(item, &mut bytes);
    sample(name, bytes.to_vec(), |bytes| {
        let mut message = Bytes::copy_from_slice(bytes);
        let item = decode(&mut message).expect("readable").expect("an item");
        assert!(message.is_empty(), "more than one item");
        let mut bytes = BytesMut::new();
        encode(&item, &mut bytes);
        bytes.to_vec()
    })
}

fn start(session: SessionId) -> Start {
    let batch = ProducerBatch {
        base_sequence: 0,
        last_sequence: 4,
        base_offset: Offset(75),
        last_offset: Offset(79),
        timestamp: 1_700_000_000_000,
    };
    Start {
        session,
        leader_epoch: LeaderEpoch(4),
        broker_epoch: BrokerEpoch(6),
        from: Offset(80),
        reset: true,
        producers: vec![ProducerEntry {
            producer_id: 4000,
            epoch: 1,
            last_timestamp: 1_700_000_000_000,
            batches: vec![batch],
        }],
        high_watermark: Offset(80),
        log_start: Offset(80),
        log_end: Offset(200),
    }
}

fn replication() -> Vec<Sample> {
    let (session, leader_epoch) = (SessionId(9), LeaderEpoch(4));
    let header = AppendHeader {
        session,
        leader_epoch,
        previous_end: Offset(100),
        previous_epoch: LeaderEpoch(-1),
        high_watermark: Offset(90),
        log_start: Offset(1),
    };
    let batches = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two!")];
    let broker_epoch = BrokerEpoch(12);
    let opened = Opened {
        session,
        leader_epoch,
        replica: REPLICA,
        broker_epoch,
        log_start: Offset(3),
        log_end: Offset(100),
        synced_end: Offset(99),
        epochs: vec![EpochStart {
            epoch: LeaderEpoch(2),
            start: Offset(50),
        }],
    };
    let acked = Acked {
        session,
        leader_epoch,
        replica: REPLICA,
        broker_epoch,
        log_end: Offset(100),
        synced_end: Offset(99),
        log_start: Offset(3),
    };
    let open = Open {
        leader_epoch,
        session,
    };
    let refused = |reason| Item::Refused(AT, Refused { session, reason });
    vec![
        item("ping", &Item::Ping),
        item("open", &Item::Open(AT, open)),
        item("start", &Item::Start(AT, start(session))),
        item("append", &Item::Append(AT, header, batches)),
        item("append-nothing", &Item::Append(AT, header, Vec::new())),
        item("opened", &Item::Opened(AT, opened)),
        item("acked", &Item::Acked(AT, acked)),
        item(
            "refused-fenced",
            &refused(RefusedReason::Fenced(leader_epoch)),
        ),
        item("refused-session", &refused(RefusedReason::NoSession)),
        item("refused-place", &refused(RefusedReason::NotContiguous)),
        item(
            "refused-truncation",
            &refused(RefusedReason::BelowKnownHighWatermark(Offset(5))),
        ),
        item("refused-unknown", &refused(RefusedReason::UnknownPartition)),
        item("refused-offline", &refused(RefusedReason::Offline)),
    ]
}

pub(super) fn samples() -> Vec<Sample> {
    let mut all = commands_of_brokers();
    all.extend(commands_of_people());
    all.extend(answers());
    all.push(status());
    all.extend(replication());
    all
}
