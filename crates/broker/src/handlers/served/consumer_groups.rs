//! Groups of the consumer protocol in every version: a member joins, is told what to read, commits,
//! and leaves; the group is shown and deleted.

use std::time::Duration;

use holdfast_model::ErrorCode;
use holdfast_wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use holdfast_wire::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest,
};
use holdfast_wire::{Api, StrBytes};
use uuid::Uuid;

use super::super::text::{text, topic_name};
use super::TOPIC;
use super::groups::commit_at;
use super::one_broker::OneBroker;

fn id(name: &str) -> GroupId {
    GroupId(text(name))
}

pub(super) async fn lives(broker: &mut OneBroker, topic: Uuid) {
    for version in Api::ConsumerGroupHeartbeat.served() {
        life(broker, version, topic).await;
    }
    strangers(broker).await;
}

fn join(group: &str, member: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(id(group))
        .with_member_id(text(member))
        .with_rebalance_timeout_ms(20_000)
        .with_subscribed_topic_names(Some(vec![topic_name(TOPIC)]))
        .with_topic_partitions(Some(Vec::new()))
}

/// Asks until the coordinator has read its log.
async fn beat(
    broker: &mut OneBroker,
    version: i16,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    for _ in 0..200 {
        let answer = broker.ask(version, request).await;
        match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::CoordinatorLoadInProgress | ErrorCode::NotCoordinator) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            _ => return answer,
        }
    }
    panic!("no coordinator");
}

async fn life(broker: &mut OneBroker, version: i16, topic: Uuid) {
    let group = format!("c{version}");
    // In version 0 the coordinator gives the member its id.
    let own = if version == 0 { "" } else { "consumer-1" };
    let joined = beat(broker, version, &join(&group, own)).await;
    assert_eq!(
        (joined.error_code, joined.member_epoch),
        (0, 1),
        "{joined:?}"
    );
    assert_eq!(joined.heartbeat_interval_ms, 5_000);
    let member: StrBytes = joined.member_id.clone().unwrap();
    assert!(!member.is_empty());
    let assigned = joined.assignment.unwrap().topic_partitions;
    assert_eq!(assigned.len(), 1);
    assert_eq!(
        (assigned[0].topic_id, &assigned[0].partitions[..]),
        (topic, &[0, 1][..])
    );
    let owned = TopicPartitions::default()
        .with_topic_id(topic)
        .with_partitions(vec![0, 1]);
    let lives = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(id(&group))
        .with_member_id(member.clone())
        .with_member_epoch(1)
        .with_topic_partitions(Some(vec![owned]));
    let answer = broker.ask(version, &lives).await;
    assert_eq!(
        (answer.error_code, answer.assignment.is_some()),
        (0, false),
        "{answer:?}"
    );
    let code = commit_at(broker, 9, &group, (&member, 1), 5).await;
    assert_eq!(code, 0);
    let code = commit_at(broker, 9, &group, (&member, 0), 6).await;
    assert_eq!(code, ErrorCode::StaleMemberEpoch.code());
    shown(broker, &group, &member).await;

    let delete = DeleteGroupsRequest::default().with_groups_names(vec![id(&group)]);
    let answer = broker.ask(2, &delete).await;
    let code = ErrorCode::NonEmptyGroup.code();
    assert_eq!(answer.results[0].error_code, code);
    let leaves = lives.with_member_epoch(-1);
    let answer = broker.ask(version, &leaves).await;
    assert_eq!(
        (answer.error_code, answer.member_epoch),
        (0, -1),
        "{answer:?}"
    );
    assert_eq!(broker.ask(2, &delete).await.results[0].error_code, 0);
}

async fn shown(broker: &mut OneBroker, group: &str, member: &StrBytes) {
    for version in Api::ConsumerGroupDescribe.served() {
        let request = ConsumerGroupDescribeRequest::default()
            .with_group_ids(vec![id(group), id("nobody")])
            .with_include_authorized_operations(true);
        let answer = broker.ask(version, &request).await;
        let [known, missing] = answer.groups.as_slice() else {
            panic!("{answer:?}")
        };
        assert_eq!(missing.error_code, ErrorCode::GroupIdNotFound.code());
        assert_eq!(
            (&*known.group_state, &*known.assignor_name),
            ("Stable", "uniform")
        );
        assert_eq!((known.group_epoch, known.assignment_epoch), (1, 1));
        assert!(known.authorized_operations > 0);
        let one = &known.members[0];
        assert_eq!((&one.member_id, one.member_epoch), (member, 1));
        let assigned = &one.assignment.topic_partitions[0];
        assert_eq!(assigned.topic_name, topic_name(TOPIC));
        assert_eq!(
            assigned.partitions,
            one.target_assignment.topic_partitions[0].partitions
        );
        if version > 0 {
            assert_eq!(one.member_type, 1);
        }
    }
    // For who asks in the old way it is not there.
    let request = DescribeGroupsRequest::default().with_groups(vec![id(group)]);
    let answer = broker.ask(6, &request).await;
    assert_eq!(
        answer.groups[0].error_code,
        ErrorCode::GroupIdNotFound.code()
    );
    for (types, there) in [
        (vec![], true),
        (vec!["consumer"], true),
        (vec!["classic"], false),
    ] {
        let types = types.into_iter().map(text).collect();
        let request = ListGroupsRequest::default().with_types_filter(types);
        let listed = broker.ask(5, &request).await;
        let found = listed.groups.iter().find(|one| one.group_id == id(group));
        assert_eq!(found.is_some(), there);
        if let Some(found) = found {
            assert_eq!(
                (&*found.group_type, &*found.protocol_type),
                ("consumer", "consumer")
            );
        }
    }
}

/// What makes no sense is refused in words, and nothing is made of it.
async fn strangers(broker: &mut OneBroker) {
    let known = join("strangers", "m");
    let refused = [
        (
            known.clone().with_group_id(id("")),
            ErrorCode::InvalidRequest,
        ),
        (
            known.clone().with_member_id(text("")),
            ErrorCode::InvalidRequest,
        ),
        (
            known.clone().with_member_epoch(-3),
            ErrorCode::InvalidRequest,
        ),
        (
            known.clone().with_member_epoch(-2),
            ErrorCode::InvalidRequest,
        ),
        (
            known.clone().with_rebalance_timeout_ms(-1),
            ErrorCode::InvalidRequest,
        ),
        (
            known.clone().with_topic_partitions(None),
            ErrorCode::InvalidRequest,
        ),
        (
            known.clone().with_subscribed_topic_names(None),
            ErrorCode::InvalidRequest,
        ),
        (
            known.clone().with_instance_id(Some(text(""))),
            ErrorCode::InvalidRequest,
        ),
        (
            known.clone().with_subscribed_topic_regex(Some(text("("))),
            ErrorCode::InvalidRegularExpression,
        ),
        (
            known.clone().with_server_assignor(Some(text("sticky"))),
            ErrorCode::UnsupportedAssignor,
        ),
        (
            known.clone().with_member_epoch(7),
            ErrorCode::GroupIdNotFound,
        ),
        (known.with_member_epoch(-1), ErrorCode::GroupIdNotFound),
    ];
    for (request, wanted) in refused {
        let answer = beat(broker, 1, &request).await;
        assert_eq!(answer.error_code, wanted.code(), "{request:?}: {answer:?}");
        assert!(answer.error_message.is_some(), "{request:?}");
    }
    let listed = broker.ask(5, &ListGroupsRequest::default()).await;
    let made = listed
        .groups
        .iter()
        .any(|group| group.group_id == id("strangers"));
    assert!(!made);
}
