//! OffsetFetch: how far groups have read.

use std::sync::Arc;

use holdfast_kernel::group::CommittedOffset;
use holdfast_kernel::image::ClusterImage;
use holdfast_model::{ErrorCode, TopicId};
use holdfast_wire::StrBytes;
use holdfast_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use holdfast_wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use holdfast_wire::messages::{GroupId, OffsetFetchRequest, OffsetFetchResponse};
use uuid::Uuid;

use super::super::text::{text, topic_name};
use super::super::{Operation, RequestContext};
use super::{desk, shared};
use crate::state::BrokerState;

/// From this version on a request may name many groups.
const MANY_FROM: i16 = 8;

/// From this version on there is a code for the group.
const GROUP_CODE_FROM: i16 = 2;

/// No offset, as Kafka writes it.
const NONE: i64 = -1;

/// Partitions of topics that somebody asks for; none for all.
type Asked = Option<Vec<(Arc<str>, Vec<i32>)>>;

/// The partitions of a topic with what is committed.
type Found = (Arc<str>, Vec<(i32, Option<CommittedOffset>)>);

/// Who asks; somebody who is in no group has no name and no epoch.
struct Member {
    id: Arc<str>,
    epoch: i32,
}

impl Member {
    fn nobody() -> Self {
        let id = Arc::from("");
        Self { id, epoch: -1 }
    }
}

/// Tells what is committed: below the high watermark of the group's partition.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if version >= MANY_FROM {
        let mut groups = Vec::with_capacity(request.groups.len());
        for group in request.groups {
            groups.push(one_of_many(broker, context, group).await);
        }
        return OffsetFetchResponse::default().with_groups(groups);
    }
    let asked: Asked = request.topics.as_ref().map(|topics| {
        let topics = topics.iter();
        let topics = topics.map(|topic| (name_of(&topic.name), topic.partition_indexes.clone()));
        topics.collect()
    });
    let found = fetch(
        broker,
        context,
        &request.group_id,
        Member::nobody(),
        asked.clone(),
    )
    .await;
    one(version, asked, found)
}

fn name_of(name: &StrBytes) -> Arc<str> {
    Arc::from(name.as_str())
}

/// The answer of versions that know one group.
fn one(version: i16, asked: Asked, found: Result<Vec<Found>, ErrorCode>) -> OffsetFetchResponse {
    let (code, found) = match found {
        Ok(found) => (ErrorCode::None, found),
        // Where there is no code for the group, each partition has it.
        Err(code) if version < GROUP_CODE_FROM => (code, nothing_of(asked)),
        Err(code) => (code, Vec::new()),
    };
    let per_partition = if version < GROUP_CODE_FROM {
        code
    } else {
        ErrorCode::None
    };
    let topics = found.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, value)| {
            let (offset, epoch, note) = shown(value.as_ref());
            OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(epoch)
                .with_metadata(Some(note))
                .with_error_code(per_partition.code())
        });
        OffsetFetchResponseTopic::default()
            .with_name(topic_name(&name))
            .with_partitions(partitions.collect())
    });
    let response = OffsetFetchResponse::default().with_topics(topics.collect());
    if version < GROUP_CODE_FROM {
        response
    } else {
        response.with_error_code(code.code())
    }
}

fn nothing_of(asked: Asked) -> Vec<Found> {
    let asked = asked.unwrap_or_default().into_iter();
    asked
        .map(|(name, partitions)| (name, partitions.into_iter().map(|p| (p, None)).collect()))
        .collect()
}

async fn one_of_many(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    group: OffsetFetchRequestGroup,
) -> OffsetFetchResponseGroup {
    let asked: Asked = group.topics.as_ref().map(|topics| {
        let topics = topics.iter();
        let topics = topics.map(|topic| (name_of(&topic.name), topic.partition_indexes.clone()));
        topics.collect()
    });
    let member = Member {
        id: group
            .member_id
            .as_ref()
            .map_or_else(|| Arc::from(""), name_of),
        epoch: group.member_epoch,
    };
    let (code, found) = match fetch(broker, context, &group.group_id, member, asked).await {
        Ok(found) => (ErrorCode::None, found),
        Err(code) => (code, Vec::new()),
    };
    let topics = found.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, value)| {
            let (offset, epoch, note) = shown(value.as_ref());
            OffsetFetchResponsePartitions::default()
                .with_partition_index(index)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(epoch)
                .with_metadata(Some(note))
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic_name(&name))
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponseGroup::default()
        .with_group_id(GroupId(group.group_id.0))
        .with_topics(topics.collect())
        .with_error_code(code.code())
}

fn shown(value: Option<&CommittedOffset>) -> (i64, i32, StrBytes) {
    value.map_or((NONE, -1, StrBytes::default()), |value| {
        (value.offset, value.leader_epoch, text(&*value.metadata))
    })
}

async fn fetch(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    group: &StrBytes,
    member: Member,
    asked: Asked,
) -> Result<Vec<Found>, ErrorCode> {
    let desk = desk(broker, context, Operation::Describe, group)?;
    let group = shared(group);
    let found = desk
        .look(move |turn| {
            turn.shard.check_fetch(&group, &member.id, member.epoch)?;
            Ok(match asked {
                Some(asked) => asked
                    .into_iter()
                    .map(|(topic, partitions)| {
                        let value = |partition| {
                            let value = turn.shard.offset(&group, &topic, partition);
                            (partition, value.cloned())
                        };
                        let partitions = partitions.into_iter().map(value).collect();
                        (topic, partitions)
                    })
                    .collect(),
                None => everything(turn.shard, &group),
            })
        })
        .await??;
    Ok(without_former_topics(&broker.image(), found))
}

fn everything(shard: &holdfast_kernel::group::Shard, group: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let offsets = shard.offsets(group).into_iter();
    for (topic, partition, value) in offsets.flat_map(holdfast_kernel::group::OffsetTable::iter) {
        let row = (partition, Some(value.clone()));
        match found.last_mut() {
            Some((name, partitions)) if name == topic => partitions.push(row),
            _ => found.push((Arc::clone(topic), vec![row])),
        }
    }
    found
}

/// An offset of a topic that was deleted says nothing about the one that has its name now.
fn without_former_topics(image: &ClusterImage, mut found: Vec<Found>) -> Vec<Found> {
    for (name, partitions) in &mut found {
        let now = image.topic_by_name(name).map(|topic| topic.id);
        for (_, value) in partitions {
            *value = value.take().filter(|value| is_of(value.topic_id, now));
        }
    }
    found
}

fn is_of(committed: TopicId, now: Option<TopicId>) -> bool {
    committed.0 == Uuid::nil() || now.is_none_or(|now| now == committed)
}

#[cfg(test)]
mod tests {
    use holdfast_wire::{Api, response};

    use super::super::super::testing;
    use super::*;

    fn value(topic: u128) -> CommittedOffset {
        CommittedOffset {
            offset: 5,
            leader_epoch: 2,
            metadata: Arc::from("note"),
            committed_ms: 1,
            expires_ms: None,
            topic_id: TopicId(Uuid::from_u128(topic)),
        }
    }

    #[test]
    fn the_offsets_of_a_deleted_topic_are_not_those_of_its_successor() {
        let mut image = testing::image();
        testing::put_topic(&mut image, 7, "orders", 1);
        let found = |id| vec![(Arc::from("orders"), vec![(0, Some(value(id)))])];
        for (id, stays) in [(7, true), (0, true), (6, false)] {
            let shown = without_former_topics(&image, found(id));
            assert_eq!(shown[0].1[0].1.is_some(), stays, "{id}");
        }
    }

    #[test]
    fn a_refusal_is_told_where_each_version_has_room_for_it() {
        for version in Api::OffsetFetch.served().filter(|v| *v < MANY_FROM) {
            let asked: Asked = Some(vec![(Arc::from("orders"), vec![3])]);
            let answer = one(version, asked, Err(ErrorCode::NotCoordinator));
            response::encode_message(1, Api::OffsetFetch, version, &answer).unwrap();
            let expected = ErrorCode::NotCoordinator.code();
            let told = if version < GROUP_CODE_FROM {
                answer.topics[0].partitions[0].error_code
            } else {
                answer.error_code
            };
            assert_eq!(told, expected, "v{version}");
        }
    }
}
