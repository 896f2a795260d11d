//! Groups in every version: a member joins, reads, commits, leaves; the group is shown and deleted.

use std::time::Duration;

use bytes::Bytes;
use holdfast_model::ErrorCode;
use holdfast_wire::messages::join_group_request::JoinGroupRequestProtocol;
use holdfast_wire::messages::leave_group_request::MemberIdentity;
use holdfast_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use holdfast_wire::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use holdfast_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use holdfast_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use holdfast_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest,
};
use holdfast_wire::{Api, StrBytes};

use super::super::text::{text, topic_name};
use super::TOPIC;
use super::one_broker::OneBroker;

/// A consumer's subscription to [`TOPIC`].
fn subscription() -> Bytes {
    let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, TOPIC.len() as u8];
    bytes.extend(TOPIC.as_bytes());
    bytes.extend([0xff; 4]);
    bytes.into()
}

fn id(name: &str) -> GroupId {
    GroupId(text(name))
}

pub(super) async fn lives(broker: &mut OneBroker) {
    find(broker).await;
    for version in Api::JoinGroup.served() {
        life(broker, version).await;
    }
    strangers(broker).await;
    shown(broker).await;
    removed(broker).await;
}

/// The coordinator of a group is this broker, once its log is read.
async fn find(broker: &mut OneBroker) {
    for version in Api::FindCoordinator.served() {
        let mut request = FindCoordinatorRequest::default();
        if version < 4 {
            request.key = text("g0");
        } else {
            request.coordinator_keys = vec![text("g0")];
        }
        let answer = broker.ask(version, &request).await;
        let found = answer.coordinators.first();
        let (code, port) = found.map_or((answer.error_code, answer.port), |found| {
            (found.error_code, found.port)
        });
        assert_eq!((code, port), (0, i32::from(broker.port())), "v{version}");
    }
}

/// Asks until the coordinator has read its log.
async fn join(
    broker: &mut OneBroker,
    version: i16,
    request: &JoinGroupRequest,
) -> JoinGroupResponse {
    for _ in 0..200 {
        let answer = broker.ask(version, request).await;
        let code = ErrorCode::from_code(answer.error_code);
        match code {
            Some(ErrorCode::CoordinatorLoadInProgress | ErrorCode::NotCoordinator) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            _ => return answer,
        }
    }
    panic!("no coordinator");
}

async fn life(broker: &mut OneBroker, version: i16) {
    let group = format!("g{version}");
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(subscription());
    let request = JoinGroupRequest::default()
        .with_group_id(id(&group))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(if version == 0 { -1 } else { 20_000 })
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let mut answer = join(broker, version, &request).await;
    if version >= 4 {
        assert_eq!(answer.error_code, ErrorCode::MemberIdRequired.code());
        let again = request.clone().with_member_id(answer.member_id.clone());
        answer = join(broker, version, &again).await;
    }
    assert_eq!(
        (answer.error_code, answer.generation_id),
        (0, 1),
        "{answer:?}"
    );
    assert_eq!(answer.leader, answer.member_id);
    assert_eq!(answer.members[0].metadata, subscription());
    let member = answer.member_id;
    sync(broker, version.min(5), &group, &member).await;
    for beat in Api::Heartbeat.served() {
        let request = HeartbeatRequest::default()
            .with_group_id(id(&group))
            .with_generation_id(1)
            .with_member_id(member.clone());
        assert_eq!(broker.ask(beat, &request).await.error_code, 0, "v{beat}");
    }
    for commit in Api::OffsetCommit.served() {
        let code = commit_at(broker, commit, &group, (&member, 1), i64::from(commit)).await;
        assert_eq!(code, 0, "commit v{commit}");
    }
    for fetch in Api::OffsetFetch.served() {
        let found = fetched(broker, fetch, &group).await;
        assert_eq!(
            found,
            (
                0,
                i64::from(*Api::OffsetCommit.served().end()),
                "note".to_owned()
            )
        );
    }
    let all = OffsetFetchRequestGroup::default()
        .with_group_id(id(&group))
        .with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![all]);
    let all = broker.ask(8, &request).await.groups.remove(0);
    assert_eq!((all.topics.len(), all.topics[0].partitions.len()), (1, 1));
    leave(broker, version.min(5), &group, &member).await;
    assert_eq!(
        commit_at(broker, 9, &group, (&member, 1), 99).await,
        ErrorCode::UnknownMemberId.code(),
        "a zombie commits nothing"
    );
}

async fn sync(broker: &mut OneBroker, version: i16, group: &str, member: &StrBytes) {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone())
        .with_assignment(Bytes::from_static(b"all"));
    let request = SyncGroupRequest::default()
        .with_group_id(id(group))
        .with_generation_id(1)
        .with_member_id(member.clone())
        .with_assignments(vec![assignment]);
    let request = if version < 5 {
        request
    } else {
        let lacking = broker.ask(version, &request).await;
        let inconsistent = ErrorCode::InconsistentGroupProtocol.code();
        assert_eq!(lacking.error_code, inconsistent);
        request
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
    };
    let answer = broker.ask(version, &request).await;
    assert_eq!((answer.error_code, &*answer.assignment), (0, &b"all"[..]));
}

pub(super) async fn commit_at(
    broker: &mut OneBroker,
    version: i16,
    group: &str,
    (member, generation): (&StrBytes, i32),
    offset: i64,
) -> i16 {
    let row = OffsetCommitRequestPartition::default()
        .with_partition_index(1)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("note")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![row]);
    let request = OffsetCommitRequest::default()
        .with_group_id(id(group))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member.clone())
        .with_retention_time_ms(-1)
        .with_topics(vec![topic]);
    let answer = broker.ask(version, &request).await;
    answer.topics[0].partitions[0].error_code
}

/// Error of the group, offset, note.
async fn fetched(broker: &mut OneBroker, version: i16, group: &str) -> (i16, i64, String) {
    let note = |note: &Option<StrBytes>| note.as_deref().unwrap_or("").to_owned();
    if version < 8 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic_name(TOPIC))
            .with_partition_indexes(vec![1]);
        let request = OffsetFetchRequest::default()
            .with_group_id(id(group))
            .with_topics(Some(vec![topic]));
        let answer = broker.ask(version, &request).await;
        let row = &answer.topics[0].partitions[0];
        return (answer.error_code, row.committed_offset, note(&row.metadata));
    }
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name(TOPIC))
        .with_partition_indexes(vec![1]);
    let asked = OffsetFetchRequestGroup::default()
        .with_group_id(id(group))
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![asked]);
    let answer = broker.ask(version, &request).await;
    let found = &answer.groups[0];
    let row = &found.topics[0].partitions[0];
    (found.error_code, row.committed_offset, note(&row.metadata))
}

async fn leave(broker: &mut OneBroker, version: i16, group: &str, member: &StrBytes) {
    let request = LeaveGroupRequest::default().with_group_id(id(group));
    if version < 3 {
        let request = request.with_member_id(member.clone());
        assert_eq!(broker.ask(version, &request).await.error_code, 0);
        let unknown = ErrorCode::UnknownMemberId.code();
        assert_eq!(broker.ask(version, &request).await.error_code, unknown);
        return;
    }
    let known = MemberIdentity::default().with_member_id(member.clone());
    let nobody = MemberIdentity::default().with_member_id(text("nobody"));
    let request = request.with_members(vec![known, nobody]);
    let answer = broker.ask(version, &request).await;
    let codes: Vec<i16> = answer.members.iter().map(|row| row.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::UnknownMemberId.code()]);
}

/// Bad input gets Kafka's codes, and changes nothing.
async fn strangers(broker: &mut OneBroker) {
    let nameless = JoinGroupRequest::default().with_session_timeout_ms(10_000);
    let answer = broker.ask(9, &nameless).await;
    assert_eq!(answer.error_code, ErrorCode::InvalidGroupId.code());
    let hasty = nameless.with_group_id(id("g0")).with_session_timeout_ms(1);
    let answer = broker.ask(9, &hasty).await;
    assert_eq!(answer.error_code, ErrorCode::InvalidSessionTimeout.code());
    let missing = ErrorCode::GroupIdNotFound.code();
    let nobody = text("nobody");
    let code = commit_at(broker, 9, "missing", (&nobody, 3), 1).await;
    assert_eq!(code, missing);
    let code = commit_at(broker, 8, "missing", (&nobody, 3), 1).await;
    assert_eq!(code, ErrorCode::IllegalGeneration.code());
    // Without a group's members anybody may commit: admin tools do.
    let code = commit_at(broker, 9, "simple", (&StrBytes::default(), -1), 7).await;
    assert_eq!(code, 0);
    assert_eq!(fetched(broker, 9, "simple").await.1, 7);
    assert_eq!(fetched(broker, 9, "missing").await.1, -1);
}

async fn shown(broker: &mut OneBroker) {
    for version in Api::ListGroups.served() {
        let answer = broker.ask(version, &ListGroupsRequest::default()).await;
        assert_eq!(
            (answer.error_code, answer.groups.len()),
            (0, 11),
            "v{version}"
        );
    }
    for (states, types, count) in [
        (vec!["empty"], vec![], 11),
        (vec!["Stable"], vec![], 0),
        (vec![], vec!["classic"], 11),
        (vec![], vec!["consumer"], 0),
    ] {
        let texts = |words: &[&str]| words.iter().map(|word| text(*word)).collect();
        let request = ListGroupsRequest::default()
            .with_states_filter(texts(&states))
            .with_types_filter(texts(&types));
        let answer = broker.ask(5, &request).await;
        assert_eq!(answer.groups.len(), count, "{states:?} {types:?}");
    }
    for version in Api::DescribeGroups.served() {
        let request = DescribeGroupsRequest::default().with_groups(vec![id("g3"), id("missing")]);
        let answer = broker.ask(version, &request).await;
        let states: Vec<&str> = answer.groups.iter().map(|g| &*g.group_state).collect();
        assert_eq!(states, ["Empty", "Dead"], "v{version}");
        assert_eq!(&*answer.groups[0].protocol_type, "consumer");
    }
}

async fn removed(broker: &mut OneBroker) {
    let row = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![row(1), row(77)]);
    let request = OffsetDeleteRequest::default()
        .with_group_id(id("g5"))
        .with_topics(vec![topic]);
    let answer = broker.ask(0, &request).await;
    let rows = &answer.topics[0].partitions;
    let codes: Vec<i16> = rows.iter().map(|row| row.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::UnknownTopicOrPartition.code()]);
    assert_eq!(fetched(broker, 9, "g5").await.1, -1);
    for version in Api::DeleteGroups.served() {
        let name = format!("g{version}");
        let request = DeleteGroupsRequest::default().with_groups_names(vec![id(&name)]);
        for expected in [ErrorCode::None, ErrorCode::GroupIdNotFound] {
            let answer = broker.ask(version, &request).await;
            assert_eq!(answer.results[0].error_code, expected.code());
        }
    }
}
