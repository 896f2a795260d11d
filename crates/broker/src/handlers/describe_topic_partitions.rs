//! DescribeTopicPartitions: partitions of topics page by page, with their eligible leaders.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_kernel::controller::is_topic_name;
use holdfast_kernel::image::{ClusterImage, PartitionRecord, TopicRecord};
use holdfast_model::internal_topic::is_internal;
use holdfast_model::{BrokerId, ErrorCode};
use holdfast_wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use holdfast_wire::messages::{
    self, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
};

use super::text::topic_name;
use super::{Operation, RequestContext};
use crate::state::{BrokerState, shown_leader};

/// Partitions of one page at most, Kafka's `max.request.partition.size.limit`.
const PAGE: usize = 2_000;

/// Every operation that a topic knows, as bits of Kafka's numbers: read 3, write 4, create 5,
/// delete 6, alter 7, describe 8, describe configs 10, alter configs 11.
pub(super) const ALL_OPERATIONS: i32 = 0b1101_1111_1000;

/// Answers with one page of what the newest image shows.
pub fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    describe(&broker.image(), broker.aside(), context, request)
}

/// `aside` is the broker that does not call itself a leader now.
fn describe(
    image: &ClusterImage,
    aside: Option<BrokerId>,
    context: &RequestContext,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let cursor = request.cursor.as_ref();
    if cursor.is_some_and(|cursor| cursor.partition_index < 0) {
        let topics = request.topics.iter();
        let refused = topics.map(|topic| failed(&topic.name, ErrorCode::InvalidRequest));
        return DescribeTopicPartitionsResponse::default().with_topics(refused.collect());
    }
    let from = cursor.map_or("", |cursor| &**cursor.topic_name);
    let everything = request.topics.is_empty();
    // Pages go by name, whatever the order of the request.
    let names: BTreeSet<&str> = if everything {
        image
            .names
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| *name >= from)
            .collect()
    } else {
        let asked = request.topics.iter().map(|topic| &**topic.name);
        asked.filter(|name| *name >= from).collect()
    };
    let limit = usize::try_from(request.response_partition_limit)
        .unwrap_or(0)
        .clamp(1, PAGE);
    let mut page = Page {
        image,
        aside,
        context,
        left: limit,
        topics: Vec::new(),
    };
    for name in names {
        let first = match cursor {
            Some(cursor) if name == from => cursor.partition_index as usize,
            Some(_) | None => 0,
        };
        if let Some(partition) = page.add(name, first, everything) {
            let next = Cursor::default()
                .with_topic_name(topic_name(name))
                .with_partition_index(partition as i32);
            return page.answer().with_next_cursor(Some(next));
        }
    }
    page.answer()
}

/// A page that is being filled.
struct Page<'a> {
    image: &'a ClusterImage,
    aside: Option<BrokerId>,
    context: &'a RequestContext,
    left: usize,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
}

impl Page<'_> {
    /// Adds a topic's partitions from `first` on. The partition with which the next page begins, if
    /// not all fit.
    fn add(&mut self, name: &str, first: usize, everything: bool) -> Option<usize> {
        let topic = self.image.topic_by_name(name);
        if !self.context.authorize(Operation::Describe, name) {
            // Who asks for everything gets what it may see.
            if !everything {
                self.topics
                    .push(failed(name, ErrorCode::TopicAuthorizationFailed));
            }
            return None;
        }
        let Some(topic) = topic else {
            let code = if is_topic_name(name) {
                ErrorCode::UnknownTopicOrPartition
            } else {
                ErrorCode::InvalidTopicException
            };
            let unknown = failed(name, code).with_topic_authorized_operations(ALL_OPERATIONS);
            self.topics.push(unknown);
            return None;
        };
        if self.left == 0 {
            return Some(first);
        }
        let count = topic.partitions.len();
        let end = count.min(first.saturating_add(self.left));
        self.topics.push(self.topic(topic, first.min(end)..end));
        self.left -= end.saturating_sub(first);
        (end < count).then_some(end)
    }

    fn topic(
        &self,
        topic: &TopicRecord,
        range: std::ops::Range<usize>,
    ) -> DescribeTopicPartitionsResponseTopic {
        let records = topic.partitions.iter().enumerate();
        let shown = records.take(range.end).skip(range.start);
        DescribeTopicPartitionsResponseTopic::default()
            .with_name(Some(topic_name(&topic.name)))
            .with_topic_id(topic.id.0)
            .with_is_internal(is_internal(&topic.name))
            .with_topic_authorized_operations(ALL_OPERATIONS)
            .with_partitions(
                shown
                    .map(|(index, record)| self.partition(index, record))
                    .collect(),
            )
    }

    fn partition(
        &self,
        index: usize,
        record: &PartitionRecord,
    ) -> DescribeTopicPartitionsResponsePartition {
        let leader = shown_leader(record, self.aside).filter(|id| self.reaches(*id));
        let members = |list: &[holdfast_kernel::image::IsrMember]| {
            ids(list.iter().map(|member| member.replica.broker))
        };
        let offline = record
            .replicas
            .iter()
            .copied()
            .filter(|id| !self.reaches(*id));
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index as i32)
            .with_leader_id(messages::BrokerId(leader.map_or(-1, |id| id.0)))
            .with_leader_epoch(record.leader_epoch.0)
            .with_replica_nodes(ids(record.replicas.iter().copied()))
            .with_isr_nodes(members(&record.isr))
            .with_eligible_leader_replicas(Some(members(&record.elr)))
            // Nobody is elected here for having led last.
            .with_last_known_elr(Some(Vec::new()))
            .with_offline_replicas(ids(offline))
    }

    /// Whether clients on this listener can talk to a broker.
    fn reaches(&self, id: BrokerId) -> bool {
        self.image.brokers.get(&id).is_some_and(|broker| {
            !broker.fenced && broker.endpoint(&self.context.listener).is_some()
        })
    }

    fn answer(self) -> DescribeTopicPartitionsResponse {
        DescribeTopicPartitionsResponse::default().with_topics(self.topics)
    }
}

fn ids(list: impl Iterator<Item = BrokerId>) -> Vec<messages::BrokerId> {
    list.map(|id| messages::BrokerId(id.0)).collect()
}

fn failed(name: &str, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(name)))
        .with_error_code(code.code())
}

#[cfg(test)]
mod tests;
