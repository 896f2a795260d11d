//! What the quorum reads from disks, sockets and people, against bytes that none of its own wrote.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_kernel::image::{CHANGE_FORMAT, Change, ChangeBatch, ClusterImage};
use holdfast_model::{BrokerId, ClusterId, ReplicaId, StartNumber};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};
use openraft::{CommittedLeaderId, EntryPayload, Membership as Members};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::command::Command;
use crate::formation::{Document, Voter};
use crate::keys::binding::Binding;
use crate::keys::entry;
use crate::keys::recovery::Marker;
use crate::keys::snapshot::Head;
use crate::keyspace::{KeyOp, Keyspace};
use crate::network::SnapshotHeader;
use crate::node::{Entry, LogId, Membership, NodeId, Peer, RaftTypes, SnapshotMeta, Vote};
use crate::sim_disk::SimDisk;
use crate::storage::Error;
use crate::{mutate, payload, record, snapshot_store};

const KEY: &[u8] = b"key";

/// The index under which entries are stored here.
const INDEX: u64 = 7;

fn id() -> LogId {
    LogId::new(CommittedLeaderId::new(3, NodeId::from(1)), INDEX)
}

fn vote() -> Vote {
    Vote::new(5, NodeId::from(2))
}

fn voters() -> Members<NodeId, Peer> {
    let peer = |number: u64| Peer {
        host: format!("h{number}"),
        port: 9192,
        zone: Some("a".to_owned()),
    };
    let nodes: BTreeMap<NodeId, Peer> = (0..3u64)
        .map(|number| (NodeId::from(number), peer(number)))
        .collect();
    let voters: BTreeSet<NodeId> = nodes.keys().copied().collect();
    Members::new(vec![voters], nodes)
}

fn meta() -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: Some(id()),
        last_membership: Membership::new(Some(id()), voters()),
        snapshot_id: "7".to_owned(),
    }
}

fn entries() -> Vec<Entry> {
    let batch = ChangeBatch {
        format: CHANGE_FORMAT,
        decided_on: 3,
        changes: vec![Change::SetFeatureLevel(1)],
    };
    let command = Command::encode(&batch).expect("encoded");
    let payloads: [EntryPayload<RaftTypes>; 3] = [
        EntryPayload::Blank,
        EntryPayload::Normal(command),
        EntryPayload::Membership(voters()),
    ];
    payloads
        .into_iter()
        .map(|payload| Entry {
            log_id: id(),
            payload,
        })
        .collect()
}

fn image() -> ClusterImage {
    let mut image = ClusterImage {
        cluster_id: Some(ClusterId(Uuid::from_u128(1))),
        ..ClusterImage::default()
    };
    let setting = |value: &str| Some(value.to_owned());
    let replica = ReplicaId::default();
    let start = StartNumber(1);
    for change in [
        Change::Admit(replica),
        Change::Retire { replica, start },
        Change::SetClusterConfig {
            key: "key".to_owned(),
            value: setting("cluster"),
        },
        Change::SetBrokerConfig {
            broker: BrokerId(1),
            key: "key".to_owned(),
            value: setting("broker"),
        },
    ] {
        image.apply(&change);
    }
    image
}

fn named<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("plain fields")
}

/// Reads a value of one kind; whatever is read must be written and read back as the same.
fn meet<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let framed = record::seal(KEY, bytes);
    if let Ok(value) = record::decode::<T>("value", KEY, &framed) {
        let written = record::encode(KEY, &value).expect("encoded");
        let again: T = record::decode("value", KEY, &written).expect("decoded");
        assert_eq!(record::encode(KEY, &again).expect("encoded"), written);
    }
}

#[test]
fn hostile_bytes_never_panic_a_decoder_of_stored_values() {
    let binding = Binding {
        cluster: [1; 16],
        attempt: [2; 16],
        initiator: 0,
    };
    let marker = Marker {
        generation: 1,
        begins_after: id(),
    };
    let head = Head {
        generation: 4,
        bytes: 1000,
        meta: meta(),
    };
    let mut seeds = vec![
        named(&id()),
        named(&vote()),
        named(&binding),
        named(&marker),
        named(&head),
    ];
    seeds.extend(entries().iter().map(named));
    mutate::each(&seeds, 5_000, |bytes| {
        meet::<LogId>(bytes);
        meet::<Vote>(bytes);
        meet::<Binding>(bytes);
        meet::<Marker>(bytes);
        meet::<Head>(bytes);
        meet::<Entry>(bytes);
    });
    // The frame itself: nothing but what was sealed passes, and only under its key.
    let sealed: Vec<Vec<u8>> = seeds.iter().map(|seed| record::seal(KEY, seed)).collect();
    mutate::each(&sealed, 5_000, |bytes| {
        if let Ok(payload) = record::open("value", KEY, bytes) {
            assert_eq!(record::seal(KEY, payload), bytes);
            assert!(record::open("value", b"kex", bytes).is_err());
        }
    });
}

#[test]
fn hostile_entries_in_the_log_are_damage_and_never_a_panic() {
    let disk = SimDisk::new();
    let stored = entries();
    let seeds: Vec<Vec<u8>> = stored.iter().map(named).collect();
    let Some(KeyOp::Put { key, .. }) = stored.first().and_then(|first| entry::put(first).ok())
    else {
        panic!("an entry is stored under a key")
    };
    mutate::each(&seeds, 5_000, |bytes| {
        let value = record::seal(&key, bytes);
        let key = key.clone();
        disk.write(vec![KeyOp::Put { key, value }])
            .expect("written");
        match entry::scan(&*disk, INDEX, 10) {
            Ok(found) => assert!(found.iter().all(|one| one.entry.log_id.index == INDEX)),
            Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{error}"),
        }
    });
}

#[test]
fn hostile_snapshots_are_read_or_refused_and_never_panic() {
    let whole = snapshot_store::encode(&image()).expect("encoded");
    let payload = record::open("snapshot", snapshot_store::FRAME, &whole).expect("sealed");
    mutate::each(&[payload.to_vec()], 4_000, |bytes| {
        let framed = record::seal(snapshot_store::FRAME, bytes);
        if let Ok(image) = snapshot_store::decode(&framed) {
            let written = snapshot_store::encode(&image).expect("encoded");
            assert_eq!(snapshot_store::decode(&written).expect("decoded"), image);
        }
    });
    mutate::each(&[whole.to_vec()], 1_000, |bytes| {
        let read = snapshot_store::decode(bytes);
        assert!(read.is_err() || *bytes == whole[..]);
    });
}

#[test]
fn hostile_messages_of_members_are_read_or_refused_and_never_panic() {
    let append = AppendEntriesRequest::<RaftTypes> {
        vote: vote(),
        prev_log_id: Some(id()),
        entries: entries(),
        leader_commit: None,
    };
    let header = SnapshotHeader {
        vote: vote(),
        meta: meta(),
    };
    let answer = VoteResponse::<NodeId> {
        vote: vote(),
        vote_granted: true,
        last_log_id: Some(id()),
    };
    let seeds = [
        payload::encode(&append),
        payload::encode(&VoteRequest::new(vote(), Some(id()))),
        payload::encode(&header),
        payload::encode(&answer),
        payload::encode(&AppendEntriesResponse::PartialSuccess(Some(id()))),
    ]
    .map(|bytes| bytes.expect("encoded").to_vec());
    mutate::each(&seeds, 5_000, |bytes| {
        exchange::<AppendEntriesRequest<RaftTypes>>(bytes);
        exchange::<VoteRequest<NodeId>>(bytes);
        exchange::<SnapshotHeader>(bytes);
        exchange::<VoteResponse<NodeId>>(bytes);
        exchange::<AppendEntriesResponse<NodeId>>(bytes);
    });
}

/// As [`meet`], for what comes from a socket.
fn exchange<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    if let Ok(message) = payload::decode::<T>(bytes) {
        let written = payload::encode(&message).expect("encoded");
        let again: T = payload::decode(&written).expect("decoded");
        assert_eq!(payload::encode(&again).expect("encoded"), written);
    }
}

#[test]
fn hostile_formation_documents_are_read_or_refused_and_never_panic() {
    let voter = |number: i32, zone: Option<&str>| Voter {
        broker: BrokerId(number),
        host: format!("broker-{number}.example"),
        port: 9192,
        zone: zone.map(str::to_owned),
    };
    let cluster = ClusterId(Uuid::from_u128(1));
    let seeds = [
        vec![voter(0, None)],
        vec![
            voter(2, Some("c")),
            voter(1, Some("b")),
            voter(0, Some("a")),
        ],
    ]
    .map(|voters| {
        let document = Document::new(cluster, voters).expect("a document");
        document.render().expect("text").into_bytes()
    });
    mutate::each(&seeds, 4_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(document) = Document::parse(&text) {
            let again = document.render().expect("text");
            assert_eq!(Document::parse(&again).expect("its own text"), document);
        }
    });
}
