//! ConsumerGroupDescribe: groups of the consumer protocol with their members.

use std::sync::Arc;

use holdfast_kernel::group::{ModernDescription, ModernMemberDescription, Partitions};
use holdfast_kernel::image::ClusterImage;
use holdfast_model::ErrorCode;
use holdfast_wire::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use holdfast_wire::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId,
};

use super::super::text::{text, topic_name};
use super::super::{Operation, RequestContext};
use super::describe_groups::OPERATIONS;
use super::{desk, distinct, optional_text, shared};
use crate::state::BrokerState;

/// What members speak.
const CLASSIC: i8 = 0;
const CONSUMER: i8 = 1;

/// Describes each group once.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let image = broker.image();
    let mut groups = Vec::with_capacity(request.group_ids.len());
    for group in distinct(request.group_ids) {
        let found = describe(broker, context, &group).await;
        let group = render(&image, group, found);
        groups.push(
            if request.include_authorized_operations && group.error_code == 0 {
                group.with_authorized_operations(OPERATIONS)
            } else {
                group
            },
        );
    }
    ConsumerGroupDescribeResponse::default().with_groups(groups)
}

async fn describe(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    group: &GroupId,
) -> Result<Option<ModernDescription>, ErrorCode> {
    if group.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let desk = desk(broker, context, Operation::Describe, group)?;
    let group = shared(group);
    desk.look(move |turn| turn.shard.describe_modern(&group))
        .await
}

fn render(
    image: &ClusterImage,
    id: GroupId,
    found: Result<Option<ModernDescription>, ErrorCode>,
) -> DescribedGroup {
    let answer = DescribedGroup::default();
    let answer = match found {
        Ok(Some(group)) => answer
            .with_group_state(text(group.state.name()))
            .with_group_epoch(group.epoch)
            .with_assignment_epoch(group.target_epoch)
            .with_assignor_name(text(group.assignor.name()))
            .with_members(group.members.iter().map(|one| member(image, one)).collect()),
        Ok(None) => {
            let message = format!("Group {} is not a consumer group.", id.0);
            answer
                .with_error_code(ErrorCode::GroupIdNotFound.code())
                .with_error_message(Some(text(&*message)))
        }
        Err(code) => answer.with_error_code(code.code()),
    };
    answer.with_group_id(id)
}

fn member(image: &ClusterImage, member: &ModernMemberDescription) -> Member {
    let value = &member.value;
    let names = value.subscription.topics.iter();
    Member::default()
        .with_member_id(text(&*member.id))
        .with_instance_id(optional_text(value.instance.as_ref()))
        .with_rack_id(optional_text(value.rack.as_ref()))
        .with_member_epoch(member.epoch)
        .with_client_id(text(&*value.client_id))
        .with_client_host(text(&*value.client_host))
        .with_subscribed_topic_names(names.map(|name| topic_name(name)).collect())
        .with_subscribed_topic_regex(optional_text(value.subscription.regex.as_ref()))
        .with_assignment(assignment(image, &member.assigned))
        .with_target_assignment(assignment(image, &member.target))
        .with_member_type(if value.classic.is_some() {
            CLASSIC
        } else {
            CONSUMER
        })
}

/// Partitions by topic; a topic that was deleted is left out, as it has no name.
fn assignment(image: &ClusterImage, partitions: &Partitions) -> Assignment {
    let topics = partitions.iter().filter_map(|(id, set)| {
        let topic = image.topics.get(id)?;
        Some(
            TopicPartitions::default()
                .with_topic_id(id.0)
                .with_topic_name(topic_name(&topic.name))
                .with_partitions(set.iter().copied().collect()),
        )
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
