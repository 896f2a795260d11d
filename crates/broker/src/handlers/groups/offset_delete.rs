//! OffsetDelete: offsets of topics that a group does not read any more.

use std::sync::Arc;

use holdfast_model::ErrorCode;
use holdfast_wire::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use holdfast_wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::super::{Operation, RequestContext};
use super::{desk, distinct, shared};
use crate::state::BrokerState;

/// Deletes what nobody reads, and answers once that is committed.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    match delete(broker, context, request).await {
        Ok(response) => response,
        Err(code) => OffsetDeleteResponse::default().with_error_code(code.code()),
    }
}

async fn delete(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: OffsetDeleteRequest,
) -> Result<OffsetDeleteResponse, ErrorCode> {
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let desk = desk(broker, context, Operation::Delete, &request.group_id)?;
    let group = shared(&request.group_id);
    let topics: Vec<Arc<str>> = request.topics.iter().map(|t| shared(&t.name)).collect();
    let asked = (Arc::clone(&group), topics.clone());
    let read: Vec<bool> = desk
        .look(move |turn| {
            let (group, topics) = asked;
            turn.shard.may_delete_offsets(&group)?;
            let read = topics.iter().map(|topic| turn.shard.reads(&group, topic));
            Ok(read.collect())
        })
        .await??;
    let image = broker.image();
    let mut gone: Vec<(Arc<str>, i32)> = Vec::new();
    let mut judged: Vec<Vec<ErrorCode>> = Vec::with_capacity(topics.len());
    for ((topic, asked), read) in topics.iter().zip(&request.topics).zip(read) {
        let known = image.topic_by_name(topic);
        let codes = asked.partitions.iter().map(|partition| {
            let index = partition.partition_index;
            let exists = known.is_some_and(|topic| {
                usize::try_from(index).is_ok_and(|index| index < topic.partitions.len())
            });
            if !context.authorize(Operation::Read, topic) {
                ErrorCode::TopicAuthorizationFailed
            } else if !exists {
                ErrorCode::UnknownTopicOrPartition
            } else if read {
                ErrorCode::GroupSubscribedToTopic
            } else {
                gone.push((Arc::clone(topic), index));
                ErrorCode::None
            }
        });
        judged.push(codes.collect());
    }
    let gone = distinct(gone);
    let act = move |turn: &mut crate::coordinator::Turn<'_>, ticket| {
        turn.shard
            .delete_offsets(turn.now, &group, ticket, &gone, turn.effects);
    };
    let code = desk.done(act).await;
    if code != ErrorCode::None {
        return Err(code);
    }
    let topics = request.topics.into_iter().zip(judged);
    let topics = topics.map(|(topic, codes)| {
        let partitions = topic.partitions.iter().zip(codes).map(|(asked, code)| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code.code())
        });
        let partitions = partitions.collect();
        OffsetDeleteResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(partitions)
    });
    Ok(OffsetDeleteResponse::default().with_topics(topics.collect()))
}
