//! Values that a version of feature level 1 can make. Made of nothing that level 1 did not have, so
//! that this file compiles in its last build, which wrote `tests/golden/level-1` with it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use holdfast_kernel::image::{
    BrokerRecord, Change, ChangeBatch, ClusterImage, Endpoint, IsrMember, PartitionRecord,
};
use holdfast_model::{
    BrokerEpoch, BrokerId, ClusterId, Incarnation, LeaderEpoch, PartitionEpoch, ReplicaId,
    StartNumber, TopicId, TopicPartition,
};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};
use openraft::{CommittedLeaderId, EntryPayload, Membership as Members};
use serde::Serialize;
use uuid::Uuid;

use super::{Sample, framed, message, sample, stored, under_its_key};
use crate::command::Command;
use crate::formation::{Document, Voter};
use crate::keys::binding::Binding;
use crate::keys::recovery::Marker;
use crate::keys::snapshot::{self, Head};
use crate::keys::{committed, entry, purged, recovery, vote};
use crate::network::SnapshotHeader;
use crate::node::{Entry, LogId, Membership, NodeId, Peer, RaftTypes, SnapshotMeta, Vote};
use crate::snapshot_store;

/// A broker's record as level 1 had it.
#[derive(Serialize)]
struct LevelOneBroker {
    id: BrokerId,
    incarnation: Incarnation,
    start: StartNumber,
    process: u64,
    epoch: BrokerEpoch,
    rack: Option<String>,
    endpoints: Vec<Endpoint>,
    rpc: Endpoint,
    fenced: bool,
    stopping: bool,
}

fn replica(number: i32) -> ReplicaId {
    ReplicaId {
        broker: BrokerId(number),
        incarnation: Incarnation(0xfeed_beef_0000_0000 + u64::from(number.unsigned_abs())),
    }
}

fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(3, NodeId(replica(0))), index)
}

fn a_vote() -> Vote {
    Vote::new(5, NodeId(replica(2)))
}

fn voters() -> Members<NodeId, Peer> {
    let peer = |number: i32| Peer {
        host: format!("broker-{number}.example"),
        port: 9192,
        zone: (number > 0).then(|| "a".to_owned()),
    };
    let nodes: BTreeMap<NodeId, Peer> = (0..3)
        .map(|number| (NodeId(replica(number)), peer(number)))
        .collect();
    let voters: BTreeSet<NodeId> = nodes.keys().copied().collect();
    Members::new(vec![voters], nodes)
}

fn meta() -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: Some(log_id(70_000)),
        last_membership: Membership::new(Some(log_id(1)), voters()),
        snapshot_id: "3-0-70000".to_owned(),
    }
}

fn broker() -> BrokerRecord {
    let endpoint = |listener: &str, port: u16| Endpoint {
        listener: listener.to_owned(),
        host: "broker-1.example".to_owned(),
        port,
    };
    let record = LevelOneBroker {
        id: BrokerId(1),
        incarnation: replica(1).incarnation,
        start: StartNumber(12),
        process: u64::MAX,
        epoch: BrokerEpoch(300),
        rack: Some("a".to_owned()),
        endpoints: vec![endpoint("PLAINTEXT", 9092)],
        rpc: endpoint("RPC", 9192),
        fenced: true,
        stopping: false,
    };
    let bytes = rmp_serde::to_vec_named(&record).expect("encoded");
    rmp_serde::from_slice(&bytes).expect("a broker's record")
}

fn topic() -> TopicId {
    TopicId(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef))
}

fn partition() -> Change {
    let member = |number: i32| IsrMember {
        replica: replica(number),
        epoch: BrokerEpoch(300),
    };
    Change::PutPartition {
        at: TopicPartition {
            topic: topic(),
            partition: 0,
        },
        record: PartitionRecord {
            replicas: vec![BrokerId(1), BrokerId(0), BrokerId(2)],
            leader: Some(BrokerId(1)),
            leader_registration: BrokerEpoch(300),
            leader_epoch: LeaderEpoch(7),
            isr: vec![member(1), member(0)],
            elr: vec![member(2)],
            min_isr: 2,
            partition_epoch: PartitionEpoch(70_000),
        },
    }
}

/// Every change that level 1 knew but for a broker's record, which has grown since.
fn changes() -> Vec<Change> {
    let setting = |value: Option<&str>| ("retention.ms".to_owned(), value.map(str::to_owned));
    let (key, value) = setting(Some("1"));
    let (removed, none) = setting(None);
    vec![
        Change::SetClusterId(ClusterId(Uuid::from_u128(0xc1))),
        Change::SetFeatureLevel(1),
        Change::SetNextBrokerEpoch(BrokerEpoch(301)),
        Change::SetNextProducerId(4000),
        Change::Admit(replica(1)),
        Change::Retire {
            replica: replica(9),
            start: StartNumber(3),
        },
        Change::PutTopic {
            id: topic(),
            name: "orders".to_owned(),
            configs: [("cleanup.policy".to_owned(), "delete".to_owned())].into(),
        },
        partition(),
        Change::DeleteTopic(TopicId(Uuid::from_u128(8))),
        Change::SetClusterConfig { key, value },
        Change::SetBrokerConfig {
            broker: BrokerId(1),
            key: removed,
            value: none,
        },
    ]
}

fn command(changes: Vec<Change>) -> Command {
    let batch = ChangeBatch {
        format: 1,
        decided_on: 41,
        changes,
    };
    Command::encode(&batch).expect("encoded")
}

fn entries() -> Vec<Entry> {
    let payloads: [EntryPayload<RaftTypes>; 3] = [
        EntryPayload::Blank,
        EntryPayload::Normal(command(changes())),
        EntryPayload::Membership(voters()),
    ];
    let numbered = payloads.into_iter().zip(70_001..);
    let entry = |(payload, index)| Entry {
        log_id: log_id(index),
        payload,
    };
    numbered.map(entry).collect()
}

fn image() -> ClusterImage {
    let mut image = ClusterImage::default();
    for change in changes() {
        image.apply(&change);
    }
    image.apply(&Change::PutBroker(broker()));
    image.version = 42;
    image
}

fn reread_changes(bytes: &[u8]) -> Vec<u8> {
    let command: Command = rmp_serde::from_slice(bytes).expect("bytes");
    let batch = command.decode().expect("readable");
    let command = Command::encode(&batch).expect("encoded");
    rmp_serde::to_vec(&command).expect("encoded")
}

fn reread_entry(bytes: &[u8]) -> Vec<u8> {
    let disk = super::disk(bytes);
    let found = entry::scan(&*disk, 0, 10).expect("readable");
    stored(entry::put(&found[0].entry).expect("encoded"))
}

fn reread_head(bytes: &[u8]) -> Vec<u8> {
    let head = snapshot::head(&*super::disk(bytes)).expect("readable");
    stored(publish(&head.expect("there")))
}

fn publish(head: &Head) -> super::KeyOp {
    let ops = snapshot::publish(head).expect("encoded");
    ops.into_iter().next().expect("the head")
}

fn reread_snapshot(bytes: &[u8]) -> Vec<u8> {
    let image = snapshot_store::decode(bytes).expect("readable");
    snapshot_store::encode(&image).expect("encoded").to_vec()
}

fn reread_chunk(bytes: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    snapshot::read_chunk(&*super::disk(bytes), 2, 0, &mut data).expect("readable");
    stored(snapshot::put_chunk(2, 0, &data))
}

fn reread_document(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).expect("text");
    let document = Document::parse(text).expect("readable");
    document.render().expect("text").into_bytes()
}

fn on_disks() -> Vec<Sample> {
    let head = Head {
        generation: 2,
        bytes: 100_000,
        meta: meta(),
    };
    let marker = Marker {
        generation: 1,
        begins_after: log_id(9),
    };
    let binding = Binding {
        cluster: [1; 16],
        attempt: [2; 16],
        initiator: 0,
    };
    let [blank, normal, membership] = ["entry-blank", "entry-changes", "entry-membership"];
    let mut all: Vec<Sample> = [blank, normal, membership]
        .into_iter()
        .zip(entries())
        .map(|(name, one)| {
            sample(
                name,
                stored(entry::put(&one).expect("encoded")),
                reread_entry,
            )
        })
        .collect();
    let put = |op: Result<super::KeyOp, super::Error>| stored(op.expect("encoded"));
    all.extend([
        sample("vote", put(vote::put(&a_vote())), |bytes| {
            under_its_key(bytes, vote::get, vote::put)
        }),
        sample("committed", put(committed::put(&log_id(7))), |bytes| {
            under_its_key(bytes, committed::get, committed::put)
        }),
        sample("purged", put(purged::put(&log_id(8))), |bytes| {
            under_its_key(bytes, purged::get, purged::put)
        }),
        sample("recovery", put(recovery::put(&marker)), |bytes| {
            under_its_key(bytes, recovery::get, recovery::put)
        }),
        framed("binding", &binding),
        sample("snapshot-head", stored(publish(&head)), reread_head),
        sample(
            "snapshot-chunk",
            stored(snapshot::put_chunk(2, 0, b"a chunk")),
            reread_chunk,
        ),
    ]);
    all
}

fn between_members() -> Vec<Sample> {
    let append = AppendEntriesRequest::<RaftTypes> {
        vote: a_vote(),
        prev_log_id: Some(log_id(70_000)),
        entries: entries(),
        leader_commit: Some(log_id(69_999)),
    };
    let header = SnapshotHeader {
        vote: a_vote(),
        meta: meta(),
    };
    let answer = VoteResponse::<NodeId> {
        vote: a_vote(),
        vote_granted: true,
        last_log_id: Some(log_id(70_000)),
    };
    vec![
        message("append", &append),
        message("append-success", &AppendEntriesResponse::<NodeId>::Success),
        message(
            "append-partly",
            &AppendEntriesResponse::PartialSuccess(Some(log_id(7))),
        ),
        message(
            "append-conflict",
            &AppendEntriesResponse::<NodeId>::Conflict,
        ),
        message(
            "append-newer-vote",
            &AppendEntriesResponse::HigherVote(a_vote()),
        ),
        message("vote-request", &VoteRequest::new(a_vote(), Some(log_id(7)))),
        message("vote-answer", &answer),
        message("snapshot-header", &header),
    ]
}

pub(super) fn samples() -> Vec<Sample> {
    let mut all = on_disks();
    all.extend(between_members());
    let bytes = |command: &Command| rmp_serde::to_vec(command).expect("encoded");
    let broker = command(vec![Change::PutBroker(broker())]);
    let voter = |number: i32| Voter {
        broker: BrokerId(number),
        host: format!("broker-{number}.example"),
        port: 9192,
        zone: (number > 0).then(|| "a".to_owned()),
    };
    let document = Document::new(
        ClusterId(Uuid::from_u128(0xc1)),
        (0..3).map(voter).collect(),
    );
    let document = document.expect("a document").render().expect("text");
    let snapshot: Bytes = snapshot_store::encode(&image()).expect("encoded");
    all.extend([
        sample("changes", bytes(&command(changes())), reread_changes),
        Sample {
            grown: 2,
            ..sample("changes-broker", bytes(&broker), reread_changes)
        },
        Sample {
            grown: 3,
            ..sample("snapshot", snapshot.to_vec(), reread_snapshot)
        },
        sample("document", document.into_bytes(), reread_document),
    ]);
    all
}
