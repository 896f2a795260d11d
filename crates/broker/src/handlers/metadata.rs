//! Metadata: brokers, topics, partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_kernel::controller::{Command, NewTopic, Outcome, is_topic_name};
use holdfast_kernel::image::{ClusterImage, PartitionRecord, TopicRecord};
use holdfast_model::internal_topic::is_internal;
use holdfast_model::{ErrorCode, TopicId};
use holdfast_wire::StrBytes;
use holdfast_wire::messages::metadata_request::MetadataRequestTopic;
use holdfast_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use holdfast_wire::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use uuid::Uuid;

use super::{Operation, RequestContext, describe_cluster, describe_topic_partitions};
use crate::state::{BrokerState, shown_leader};

/// Topics that one request creates by naming them; a client that names more asks again.
const CREATED_AT_ONCE: usize = 100;

/// The versions that tell what a client may do to the cluster.
const CLUSTER_OPERATIONS: std::ops::RangeInclusive<i16> = 8..=10;

/// From this version on a leader without an endpoint on the client's listener has an error of its
/// own.
const LISTENER_NOT_FOUND_FROM: i16 = 6;

/// From this version on a topic that there is not, and that was asked for by its id, has no name.
const NO_NAME_FROM: i16 = 12;

/// How topics are shown.
#[derive(Clone, Copy, Debug)]
struct Shown {
    version: i16,
    /// The broker that does not call itself a leader now.
    aside: Option<holdfast_model::BrokerId>,
    /// With what the client may do to them.
    operations: bool,
}

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
    let image = broker.image();
    let shown = Shown {
        version,
        aside: broker.aside(),
        operations: request.include_topic_authorized_operations,
    };
    let topics = if everything {
        image
            .topics
            .iter()
            .map(|(_, topic)| describe(&image, context, shown, topic))
            .collect()
    } else {
        asked
            .iter()
            .map(|topic| find(&image, context, shown, topic))
            .collect()
    };
    let brokers = brokers(&image, context, broker.id());
    let shown: Vec<i32> = brokers.iter().map(|one| one.node_id.0).collect();
    let known = broker.known_controller();
    let controller = describe_cluster::controller_among(&shown, known, broker.id());
    // Only these versions have the field; DescribeCluster took it over.
    let operations =
        request.include_cluster_authorized_operations && CLUSTER_OPERATIONS.contains(&version);
    let answer = MetadataResponse::default();
    let answer = if operations {
        answer.with_cluster_authorized_operations(describe_cluster::ALL_OPERATIONS)
    } else {
        answer
    };
    answer
        .with_brokers(brokers)
        .with_cluster_id(
            image
                .cluster_id
                .map(|id| StrBytes::from_string(id.to_string())),
        )
        .with_controller_id(BrokerId(controller.map_or(-1, |id| id.0)))
        .with_topics(topics)
}

/// The brokers that clients may talk to, at the listener on which they asked. Whoever answers is one
/// of them, also if it is fenced as far as it knows; and if all are, all are shown: librdkafka
/// forgets every broker that is not in an answer, and after an empty one it has nobody left to ask.
fn brokers(
    image: &ClusterImage,
    context: &RequestContext,
    me: holdfast_model::BrokerId,
) -> Vec<MetadataResponseBroker> {
    let all_fenced = image.brokers.values().all(|broker| broker.fenced);
    image
        .brokers
        .values()
        .filter(|broker| !broker.fenced || broker.id == me || all_fenced)
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
    let names: BTreeSet<&str> = asked
        .iter()
        .filter_map(name)
        .map(|name| &***name)
        .filter(|name| is_topic_name(name) && image.topic_by_name(name).is_none())
        .filter(|name| context.authorize(Operation::Create, name))
        .collect();
    let missing: Vec<NewTopic> = names
        .into_iter()
        .take(CREATED_AT_ONCE)
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
    shown: Shown,
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
        return describe(image, context, shown, topic);
    }
    let code = match by_name {
        Some(name) if !holdfast_kernel::controller::is_topic_name(name) => {
            ErrorCode::InvalidTopicException
        }
        _ => missing,
    };
    let nameless = || (shown.version < NO_NAME_FROM).then(TopicName::default);
    let answer = MetadataResponseTopic::default()
        .with_error_code(code.code())
        .with_name(by_name.cloned().or_else(nameless))
        .with_topic_id(asked.topic_id);
    if by_name.is_none() {
        return answer;
    }
    with_operations(answer, shown)
}

/// What the client may do, if it asked.
fn with_operations(topic: MetadataResponseTopic, shown: Shown) -> MetadataResponseTopic {
    if shown.operations {
        topic.with_topic_authorized_operations(describe_topic_partitions::ALL_OPERATIONS)
    } else {
        topic
    }
}

fn describe(
    image: &ClusterImage,
    context: &RequestContext,
    shown: Shown,
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
    with_operations(described, shown)
        .with_is_internal(is_internal(&topic.name))
        .with_partitions(
            partitions
                .map(|(index, record)| partition(image, context, shown, index, record))
                .collect(),
        )
}

fn partition(
    image: &ClusterImage,
    context: &RequestContext,
    shown: Shown,
    index: usize,
    record: &PartitionRecord,
) -> MetadataResponsePartition {
    let lives =
        |id: &holdfast_model::BrokerId| image.brokers.get(id).is_some_and(|broker| !broker.fenced);
    let reachable = |id: &holdfast_model::BrokerId| {
        let broker = image.brokers.get(id).filter(|broker| !broker.fenced);
        broker.is_some_and(|broker| broker.endpoint(&context.listener).is_some())
    };
    let leads = shown_leader(record, shown.aside);
    let leader = leads.filter(reachable);
    let elsewhere = leads.is_some_and(|id| lives(&id));
    let code = match leader {
        Some(_) => ErrorCode::None,
        None if elsewhere && shown.version >= LISTENER_NOT_FOUND_FROM => {
            ErrorCode::ListenerNotFound
        }
        None => ErrorCode::LeaderNotAvailable,
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
    use holdfast_kernel::image::Change;

    const SHOWN: Shown = Shown {
        version: 13,
        aside: None,
        operations: false,
    };

    #[test]
    fn a_leader_elsewhere_than_on_this_listener_is_none() {
        let mut image = testing::image();
        testing::put_topic(&mut image, 7, "orders", 1);
        let record = image.topic_by_name("orders").unwrap().partitions[0].clone();
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let context = RequestContext::new(Arc::from("NOWHERE"), peer);
        for (version, code) in [
            (5, ErrorCode::LeaderNotAvailable),
            (6, ErrorCode::ListenerNotFound),
        ] {
            let shown = Shown { version, ..SHOWN };
            let row = partition(&image, &context, shown, 0, &record);
            assert_eq!((row.error_code, row.leader_id.0), (code.code(), -1));
            assert_eq!(row.offline_replicas.len(), 3);
        }
    }

    #[test]
    fn a_client_is_never_left_without_a_broker() {
        let mut image = testing::image();
        let ids: Vec<i32> = image.brokers.keys().map(|id| id.0).collect();
        let shown = |image: &ClusterImage, me: i32| -> Vec<i32> {
            let me = holdfast_model::BrokerId(me);
            let rows = brokers(image, &testing::context(), me);
            rows.iter().map(|row| row.node_id.0).collect()
        };
        let set = |image: &mut ClusterImage, id: i32, fenced: bool| {
            let mut record = image.brokers[&holdfast_model::BrokerId(id)].clone();
            record.fenced = fenced;
            image.apply(&Change::PutBroker(record));
        };
        for id in &ids {
            set(&mut image, *id, false);
        }
        assert_eq!(shown(&image, ids[0]), ids);
        for id in &ids[1..] {
            set(&mut image, *id, true);
        }
        assert_eq!(shown(&image, ids[0]), ids[..1]);
        assert_eq!(shown(&image, ids[1]), ids[..2]);
        set(&mut image, ids[0], true);
        assert_eq!(shown(&image, ids[1]), ids);
    }

    #[test]
    fn only_the_brokers_own_topics_are_internal_and_operations_come_when_asked_for() {
        let mut image = testing::image();
        for (number, name, internal) in [
            (1, "__consumer_offsets", true),
            (2, "__debezium-heartbeat.x", false),
        ] {
            testing::put_topic(&mut image, number, name, 1);
            let topic = image.topic_by_name(name).unwrap();
            let shown = describe(&image, &testing::context(), SHOWN, topic);
            assert_eq!(shown.is_internal, internal, "{name}");
            assert_eq!(shown.topic_authorized_operations, i32::MIN);
            let all = Shown {
                operations: true,
                ..SHOWN
            };
            let shown = describe(&image, &testing::context(), all, topic);
            assert!(shown.topic_authorized_operations > 0);
        }
    }

    #[test]
    fn an_id_counts_whatever_name_comes_with_it() {
        let mut image = testing::image();
        testing::put_topic(&mut image, 7, "orders", 2);
        let ask = |name: Option<&str>, id: u128| {
            let asked = MetadataRequestTopic::default()
                .with_name(name.map(topic_name))
                .with_topic_id(topic_id(id).0);
            let found = find(&image, &testing::context(), SHOWN, &asked);
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
