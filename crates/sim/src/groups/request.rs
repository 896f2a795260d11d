//! Between the clients' words and the kernel's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::group::{
    Answer, CommitRequest, CommittedOffset, GroupId, HeartbeatAnswer, HeartbeatRequest,
    JoinRequest, MemberId, OffsetRow, Partitions, Protocol, SyncAnswer, SyncRequest, Topics,
};
use holdfast_model::{ErrorCode, TopicId, consumer_protocol};
use uuid::Uuid;

use super::client::{Ask, Told};
use super::coordinator::text;
use super::{PARTITIONS, TOPIC};

pub(super) fn refusal(ask: &Ask) -> Told {
    let code = ErrorCode::NotCoordinator;
    match ask {
        Ask::Join(member) => Told::Joined {
            code,
            generation: -1,
            leader: text(""),
            member: member.clone().unwrap_or_else(|| text("")),
            members: Vec::new(),
        },
        Ask::Sync { .. } => Told::Synced(code, Vec::new()),
        Ask::Heartbeat(..) | Ask::Leave(_) => Told::Heart(code),
        Ask::Fetch(_) | Ask::FetchAs(..) => Told::Fetched(code, Vec::new()),
        Ask::Beat { .. } => Told::Beat(HeartbeatAnswer {
            code,
            message: None,
            member: text(""),
            epoch: 0,
            assignment: None,
        }),
        Ask::Commit { .. } => Told::Committed(code),
    }
}

pub(super) fn told_of(answer: &Answer) -> Told {
    match answer {
        Answer::Join(answer) => Told::Joined {
            code: answer.code,
            generation: answer.generation,
            leader: Arc::clone(&answer.leader),
            member: Arc::clone(&answer.member),
            members: answer.members.clone(),
        },
        Answer::Sync(answer) => Told::Synced(answer.code, share_of(answer)),
        Answer::Done(code) => Told::Committed(*code),
        Answer::Heartbeat(answer) => Told::Beat(answer.clone()),
    }
}

/// What the answer to a SyncGroup says is to be read.
pub(super) fn share_of(answer: &SyncAnswer) -> Vec<i32> {
    let share = consumer_protocol::decode_share(&answer.assignment);
    share.unwrap_or_default().into_values().flatten().collect()
}

/// The one topic, and how many partitions it has.
pub(super) struct OneTopic;

impl Topics for OneTopic {
    fn version(&self) -> u64 {
        1
    }

    fn find(&self, name: &str) -> Option<(TopicId, i32)> {
        (name == TOPIC).then_some((TOPIC_ID, PARTITIONS))
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(std::iter::once(TOPIC))
    }

    fn name_of(&self, id: TopicId) -> Option<&str> {
        (id == TOPIC_ID).then_some(TOPIC)
    }
}

const TOPIC_ID: TopicId = TopicId(Uuid::from_u128(1));

pub(super) fn beat_request(
    member: MemberId,
    epoch: i32,
    owned: BTreeSet<i32>,
    says_all: bool,
    connection: u64,
) -> HeartbeatRequest {
    let owned = match owned.len() {
        0 => Partitions::new(),
        _ => Partitions::from([(TOPIC_ID, owned)]),
    };
    HeartbeatRequest {
        member,
        epoch,
        instance: None,
        rack: None,
        rebalance_timeout_ms: says_all.then_some(45_000),
        topics: says_all.then(|| vec![text(TOPIC)]),
        regex: None,
        assignor: None,
        owned: Some(owned),
        client_id: text("client"),
        client_host: text("/host"),
        connection,
    }
}

pub(super) fn join_request(member: Option<MemberId>, fresh: &str) -> JoinRequest {
    JoinRequest {
        member,
        instance: None,
        fresh: text(fresh),
        protocol_type: text("consumer"),
        protocols: vec![Protocol {
            name: text("range"),
            metadata: Arc::from(&consumer_protocol::subscription(&[TOPIC.to_owned()])[..]),
            topics: Arc::from([text(TOPIC)]),
        }],
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(20),
        client_id: text("client"),
        client_host: text("/host"),
        takes_id_first: true,
        skips_assignment: true,
    }
}

pub(super) fn sync_request(
    member: MemberId,
    generation: i32,
    assignments: &[(MemberId, Vec<i32>)],
) -> SyncRequest {
    let bytes = |share: &[i32]| -> Arc<[u8]> {
        let share = consumer_protocol::Share::from([(TOPIC.to_owned(), share.to_vec())]);
        Arc::from(&consumer_protocol::encode_share(0, &share)[..])
    };
    let assignments = assignments.iter();
    let assignments = assignments.map(|(id, share)| (Arc::clone(id), bytes(share)));
    SyncRequest {
        member,
        instance: None,
        generation,
        protocol_type: None,
        protocol: None,
        assignments: assignments.collect(),
    }
}

pub(super) fn commit_request(
    group: &GroupId,
    member: MemberId,
    generation: i32,
    rows: &[(i32, i64)],
    committed_ms: i64,
) -> CommitRequest {
    let rows = rows.iter().map(|(partition, offset)| OffsetRow {
        topic: text(TOPIC),
        partition: *partition,
        value: Some(CommittedOffset {
            offset: *offset,
            leader_epoch: -1,
            metadata: text(""),
            committed_ms,
            expires_ms: None,
            topic_id: TOPIC_ID,
        }),
    });
    CommitRequest {
        group: Arc::clone(group),
        member,
        instance: None,
        generation,
        knows_missing_groups: true,
        rows: rows.collect(),
    }
}
