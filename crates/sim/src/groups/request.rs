//! Between the clients' words and the kernel's.

use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::group::{
    Answer, CommitRequest, CommittedOffset, GroupId, JoinRequest, MemberId, OffsetRow, Protocol,
    SyncRequest,
};
use holdfast_model::{ErrorCode, TopicId};
use uuid::Uuid;

use super::TOPIC;
use super::client::{Ask, Told};
use super::coordinator::text;

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
        Ask::Fetch(_) => Told::Fetched(code, Vec::new()),
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
        Answer::Sync(answer) => {
            let share = answer.assignment.iter().map(|p| i32::from(*p)).collect();
            Told::Synced(answer.code, share)
        }
        Answer::Done(code) => Told::Committed(*code),
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
            metadata: Arc::from([]),
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
    let bytes = |share: &[i32]| share.iter().map(|p| *p as u8).collect::<Vec<u8>>();
    let assignments = assignments.iter();
    let assignments = assignments.map(|(id, share)| (Arc::clone(id), Arc::from(bytes(share))));
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
            topic_id: TopicId(Uuid::from_u128(1)),
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
