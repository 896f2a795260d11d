//! Metadata: brokers, topics, partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_kernel::controller::{Command, NewTopic, Outcome};
use holdfast_kernel::image::{ClusterImage, PartitionRecord, TopicRecord};
use holdfast_model::{ErrorCode, TopicId};
use holdfast_wire::StrBytes;
use holdfast_wire::messages::metadata_request::MetadataRequestTopic;
use holdfast_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use holdfast_wire::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use uuid::Uuid;

use super::{Operation, RequestContext};
use crate::state::BrokerState;

/// Answers with what the newest image shows.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: MetadataRequest,
) -> MetadataResponse {
    let everything = match &request.topics {
        None => true,
        // Version 0 has no null: its empty list means all topics.
        Some(topics) => version == 0 && topics.is_empty(),
    };
    let asked = request.topics.unwrap_or_default();
    let may_create = broker.config.topics.auto_create
        && (version < 4 || request.allow_auto_topic_creation)
        && !everything;
    if may_create {
        create_missing(broker, context, &asked).await;
    }
    let image = broker.shown_image();
    let topics = if everything {
        image
            .topics
            .iter()
            .map(|(_, topic)| describe(&image, context, topic))
            .collect()
    } else {
        asked
            .iter()
            .map(|topic| find(&image, context, topic))
            .collect()
    };
    let leader = broker.quorum.leadership().borrow().leader.clone();
    let controller = leader.map_or(-1, |leader| leader.replica.broker.0);
    MetadataResponse::default()
        .with_brokers(brokers(&image, context))
        .with_cluster_id(
            image
                .cluster_id
                .map(|id| StrBytes::from_string(id.to_string())),
        )
        .with_controller_id(BrokerId(controller))
        .with_topics(topics)
}

/// The brokers that clients may talk to, at the listener on which they asked.
fn brokers(image: &ClusterImage, context: &RequestContext) -> Vec<MetadataResponseBroker> {
    image
        .brokers
        .values()
        .filter(|broker| !broker.fenced)
        .filter_map(|broker| {
            let endpoint = broker.endpoint(&context.listener)?;
            Some(
                MetadataResponseBroker::default()
                    .with_node_id(BrokerId(broker.id.0))
                    .with_host(StrBytes::from_string(endpoint.host.clone()))
                    .with_port(i32::from(endpoint.port))
                    .with_rack(broker.rack.clone().map(StrBytes::from_string)),
            )
        })
        .collect()
}

async fn create_missing(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    asked: &[MetadataRequestTopic],
) {
    let image = broker.image();
    let missing: Vec<NewTopic> = asked
        .iter()
        .filter_map(name)
        .filter(|name| image.topic_by_name(name).is_none())
        .filter(|name| context.authorize(Operation::Create, name))
        .map(|name| NewTopic {
            id: TopicId(Uuid::new_v4()),
            name: name.to_string(),
            partitions: Some(broker.config.topics.partitions),
            replication_factor: Some(broker.config.topics.replication_factor),
            assignments: BTreeMap::new(),
            configs: BTreeMap::new(),
        })
        .collect();
    if missing.is_empty() {
        return;
    }
    let command = Command::CreateTopics {
        topics: missing,
        validate_only: false,
    };
    // Whatever came of it is in the image, or is asked for again by the client.
    if let Outcome::TopicsCreated(results) = broker.decide(command).await {
        let ids: Vec<TopicId> = results
            .into_iter()
            .flatten()
            .map(|created| created.id)
            .collect();
        broker.wait_for_topics(&ids).await;
    }
}

/// The name that is asked for, unless it is an id: Java's clients send an empty name with an id.
fn name(asked: &MetadataRequestTopic) -> Option<&TopicName> {
    asked.name.as_ref().filter(|_| asked.topic_id.is_nil())
}

fn find(
    image: &ClusterImage,
    context: &RequestContext,
    asked: &MetadataRequestTopic,
) -> MetadataResponseTopic {
    let by_name = name(asked);
    let (topic, missing) = match by_name {
        Some(name) => (
            image.topic_by_name(name),
            ErrorCode::UnknownTopicOrPartition,
        ),
        None => (
            image.topics.get(&TopicId(asked.topic_id)),
            ErrorCode::UnknownTopicId,
        ),
    };
    if let Some(topic) = topic {
        return describe(image, context, topic);
    }
    let code = match by_name {
        Some(name) if !holdfast_kernel::controller::is_topic_name(name) => {
            ErrorCode::InvalidTopicException
        }
        _ => missing,
    };
    MetadataResponseTopic::default()
        .with_error_code(code.code())
        .with_name(
            asked
                .name
                .clone()
                .or_else(|| Some(TopicName(StrBytes::default()))),
        )
        .with_topic_id(asked.topic_id)
}

fn describe(
    image: &ClusterImage,
    context: &RequestContext,
    topic: &TopicRecord,
) -> MetadataResponseTopic {
    let name = TopicName(StrBytes::from_string(topic.name.clone()));
    let described = MetadataResponseTopic::default()
        .with_name(Some(name))
        .with_topic_id(topic.id.0);
    if !context.authorize(Operation::Describe, &topic.name) {
        return described.with_error_code(ErrorCode::TopicAuthorizationFailed.code());
    }
    let partitions = topic.partitions.iter().enumerate();
    described
        .with_is_internal(topic.name.starts_with("__"))
        .with_partitions(
            partitions
                .map(|(index, record)| partition(image, context, index, record))
                .collect(),
        )
}

fn partition(
    image: &ClusterImage,
    context: &RequestContext,
    index: usize,
    record: &PartitionRecord,
) -> MetadataResponsePartition {
    let reachable =
        |id: &holdfast_model::BrokerId| image.brokers.get(id).is_some_and(|broker| !broker.fenced);
    let leader = record.leader.filter(reachable);
    let listens = leader.is_none_or(|id| {
        image
            .brokers
            .get(&id)
            .is_some_and(|broker| broker.endpoint(&context.listener).is_some())
    });
    let code = match (leader, listens) {
        (None, _) => ErrorCode::LeaderNotAvailable,
        (Some(_), false) => ErrorCode::ListenerNotFound,
        (Some(_), true) => ErrorCode::None,
    };
    let ids = |list: &mut dyn Iterator<Item = holdfast_model::BrokerId>| {
        list.map(|id| BrokerId(id.0)).collect::<Vec<_>>()
    };
    MetadataResponsePartition::default()
        .with_error_code(code.code())
        .with_partition_index(index as i32)
        .with_leader_id(BrokerId(leader.map_or(-1, |id| id.0)))
        .with_leader_epoch(record.leader_epoch.0)
        .with_replica_nodes(ids(&mut record.replicas.iter().copied()))
        .with_isr_nodes(ids(&mut record
            .isr
            .iter()
            .map(|member| member.replica.broker)))
        .with_offline_replicas(ids(&mut record
            .replicas
            .iter()
            .copied()
            .filter(|id| !reachable(id))))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, topic_id};
    use super::super::text::topic_name;
    use super::*;

    #[test]
    fn an_id_counts_whatever_name_comes_with_it() {
        let mut image = testing::image();
        testing::put_topic(&mut image, 7, "orders", 2);
        let ask = |name: Option<&str>, id: u128| {
            let asked = MetadataRequestTopic::default()
                .with_name(name.map(topic_name))
                .with_topic_id(topic_id(id).0);
            let found = find(&image, &testing::context(), &asked);
            (found.error_code, found.topic_id, found.partitions.len())
        };
        let orders = topic_id(7).0;
        for name in [None, Some(""), Some("other")] {
            assert_eq!(ask(name, 7), (0, orders, 2), "{name:?}");
            let unknown = (ErrorCode::UnknownTopicId.code(), topic_id(8).0, 0);
            assert_eq!(ask(name, 8), unknown, "{name:?}");
        }
        assert_eq!(ask(Some("orders"), 0), (0, orders, 2));
        let invalid = ErrorCode::InvalidTopicException.code();
        assert_eq!(ask(Some(""), 0).0, invalid);
    }
}
