//! The handlers behind a real broker: a cluster of one, asked over its socket.

mod consumer_groups;
mod every_version;
mod groups;
mod one_broker;

use holdfast_model::ErrorCode;
use holdfast_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use holdfast_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use holdfast_wire::messages::delete_topics_request::DeleteTopicState;
use holdfast_wire::messages::describe_configs_request::DescribeConfigsResource;
use holdfast_wire::messages::describe_log_dirs_request::DescribableLogDirTopic;
use holdfast_wire::messages::describe_producers_request as producers_request;
use holdfast_wire::messages::describe_quorum_request as quorum_request;
use holdfast_wire::messages::incremental_alter_configs_request as alter_request;
use holdfast_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use holdfast_wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use holdfast_wire::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest, DescribeLogDirsRequest,
    DescribeProducersRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest,
    FindCoordinatorRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest,
    ListConfigResourcesRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest,
    OffsetForLeaderEpochRequest, create_partitions_request::CreatePartitionsTopic,
    describe_topic_partitions_request::TopicRequest,
};

use super::text::{text, topic_name};
use one_broker::OneBroker;

const TOPIC: &str = "served";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_answers_every_api() {
    let mut broker = OneBroker::start().await;
    every_version::api_versions(&mut broker).await;
    let id = topics(&mut broker).await;
    every_version::metadata(&mut broker).await;
    every_version::no_telemetry(&mut broker).await;
    every_version::refused_batches(&mut broker).await;
    producers(&mut broker).await;
    // Times out of order: the third record is the newest.
    for times in [[1000, 900].as_slice(), &[3000, 1500], &[2000]] {
        broker.produce(TOPIC, 0, times).await;
    }
    offsets(&mut broker).await;
    every_version::fetches(&mut broker, id).await;
    epochs(&mut broker).await;
    deleted_records(&mut broker).await;
    settings(&mut broker).await;
    groups::lives(&mut broker).await;
    consumer_groups::lives(&mut broker, id).await;
    cluster(&mut broker).await;
    disks_and_producers(&mut broker).await;
    pages_and_growth(&mut broker).await;

    let state = DeleteTopicState::default()
        .with_name(None)
        .with_topic_id(id);
    let delete = DeleteTopicsRequest::default()
        .with_topics(vec![state])
        .with_timeout_ms(5000);
    let answer = broker.ask(6, &delete).await;
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
    assert_eq!(
        list(&mut broker, 10, -1).await.0,
        ErrorCode::UnknownTopicOrPartition.code()
    );
    assert_eq!(broker.ask(6, &delete).await.responses[0].error_code, 100);
    assert_ne!(topics(&mut broker).await, id);
    every_version::forgotten_id(&mut broker, id).await;
    broker.stop().await;
}

async fn topics(broker: &mut OneBroker) -> uuid::Uuid {
    let topic = |name: &str, factor| {
        CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(2)
            .with_replication_factor(factor)
    };
    let config = |name, value| {
        CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
    };
    let request = |topics, validate_only| {
        CreateTopicsRequest::default()
            .with_topics(topics)
            .with_timeout_ms(5000)
            .with_validate_only(validate_only)
    };
    let wanted = topic(TOPIC, 1).with_configs(vec![config("retention.ms", "-1")]);
    let validated = broker.ask(7, &request(vec![wanted.clone()], true)).await;
    assert_eq!(
        (
            validated.topics[0].error_code,
            validated.topics[0].num_partitions
        ),
        (0, 2)
    );

    let nonsense = topic("nonsense", 1).with_configs(vec![config("no.such.key", "1")]);
    let answer = broker
        .ask(
            7,
            &request(vec![wanted.clone(), nonsense, topic("wide", 9)], false),
        )
        .await;
    let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
    let expected = [
        ErrorCode::None,
        ErrorCode::InvalidConfig,
        ErrorCode::InvalidReplicationFactor,
    ];
    assert_eq!(codes, expected.map(ErrorCode::code), "{answer:?}");
    let again = broker.ask(2, &request(vec![wanted], false)).await;
    assert_eq!(
        again.topics[0].error_code,
        ErrorCode::TopicAlreadyExists.code()
    );
    answer.topics[0].topic_id
}

async fn producers(broker: &mut OneBroker) {
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    let first = broker.ask(5, &request).await;
    let second = broker.ask(0, &request).await;
    assert_eq!((first.error_code, first.producer_epoch), (0, 0));
    assert!(second.producer_id.0 > first.producer_id.0);
    for version in 1..=4 {
        assert_eq!(broker.ask(version, &request).await.error_code, 0);
    }
    let transaction = FindCoordinatorRequest::default()
        .with_key(text("t"))
        .with_key_type(1);
    let answer = broker.ask(2, &transaction).await;
    assert_eq!(answer.error_code, ErrorCode::CoordinatorNotAvailable.code());
}

/// Error, offset, timestamp, epoch.
async fn list(broker: &mut OneBroker, version: i16, timestamp: i64) -> (i16, i64, i64, i32) {
    let row = ListOffsetsPartition::default().with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![row]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![topic]);
    let answer = broker.ask(version, &request).await;
    let row = &answer.topics[0].partitions[0];
    (row.error_code, row.offset, row.timestamp, row.leader_epoch)
}

async fn offsets(broker: &mut OneBroker) {
    let unsupported = ErrorCode::UnsupportedVersion.code();
    for (version, timestamp, expected) in [
        (1, -1, (0, 5, -1, -1)),
        (10, -1, (0, 5, -1, 0)),
        (10, -2, (0, 0, -1, 0)),
        (10, -4, (0, 0, -1, 0)),
        (7, -3, (0, 2, 3000, 0)),
        (6, -3, (unsupported, -1, -1, -1)),
        (10, -5, (0, -1, -1, -1)),
        (10, -6, (unsupported, -1, -1, -1)),
        (10, 0, (0, 0, 1000, 0)),
        (1, 1001, (0, 2, 3000, -1)),
        (10, 3001, (0, -1, -1, -1)),
    ] {
        let found = list(broker, version, timestamp).await;
        assert_eq!(found, expected, "timestamp {timestamp}, version {version}");
    }
}

async fn epochs(broker: &mut OneBroker) {
    let mut ask = async |current, epoch| {
        let row = OffsetForLeaderPartition::default()
            .with_current_leader_epoch(current)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default()
            .with_topic(topic_name(TOPIC))
            .with_partitions(vec![row]);
        let request = OffsetForLeaderEpochRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topic]);
        // The oldest and the newest version are answered too.
        broker.ask(2, &request).await;
        broker.ask(3, &request).await;
        let answer = broker.ask(4, &request).await;
        let row = &answer.topics[0].partitions[0];
        (row.error_code, row.leader_epoch, row.end_offset)
    };
    assert_eq!(ask(-1, 0).await, (0, 0, 5));
    assert_eq!(ask(0, 7).await, (0, -1, -1));
    assert_eq!(
        ask(3, 0).await,
        (ErrorCode::UnknownLeaderEpoch.code(), -1, -1)
    );
}

async fn deleted_records(broker: &mut OneBroker) {
    let mut delete = async |offset| {
        let row = DeleteRecordsPartition::default().with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name(TOPIC))
            .with_partitions(vec![row]);
        let request = DeleteRecordsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(5000);
        let answer = broker.ask(2, &request).await;
        let row = &answer.topics[0].partitions[0];
        (row.error_code, row.low_watermark)
    };
    assert_eq!(delete(3).await, (0, 3));
    assert_eq!(delete(6).await, (ErrorCode::OffsetOutOfRange.code(), -1));
    assert_eq!(delete(1).await, (0, 3));
    assert_eq!(delete(-2).await, (ErrorCode::OffsetOutOfRange.code(), -1));
    // The batch of offset 3 begins with the newest record, which is deleted now.
    assert_eq!(list(broker, 10, -2).await, (0, 3, -1, 0));
    assert_eq!(list(broker, 10, -3).await, (0, 4, 2000, 0));
    assert_eq!(list(broker, 10, 0).await, (0, 3, 1500, 0));
}

async fn settings(broker: &mut OneBroker) {
    let change = |name, operation, value| {
        alter_request::AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(operation)
            .with_value(value)
    };
    let resource = |kind, name, configs| {
        alter_request::AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configs(configs)
    };
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![
        resource(
            2,
            TOPIC,
            vec![
                change("retention.ms", 1, None),
                change("max.message.bytes", 0, Some(text("5000"))),
            ],
        ),
        resource(
            4,
            "",
            vec![change("log.retention.ms", 0, Some(text("777")))],
        ),
        resource(2, "other", vec![]),
        resource(4, "99", vec![]),
    ]);
    let answer = broker.ask(1, &request).await;
    let codes: Vec<i16> = answer.responses.iter().map(|row| row.error_code).collect();
    assert_eq!(codes, [0, 0, 3, 42], "{answer:?}");

    let asked = |kind, name, keys: &[&'static str]| {
        let keys = keys.iter().map(|key| text(*key)).collect();
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(Some(keys))
    };
    let request = DescribeConfigsRequest::default().with_resources(vec![
        asked(2, TOPIC, &["retention.ms", "max.message.bytes"]),
        asked(4, "0", &["log.retention.ms", "node.id"]),
        asked(4, "99", &[]),
        asked(2, "other", &[]),
    ]);
    let answer = broker.ask(4, &request).await;
    let shown: Vec<Vec<(String, String, i8)>> = answer
        .results
        .iter()
        .map(|result| {
            let rows = result.configs.iter().map(|row| {
                let value = row
                    .value
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                (row.name.to_string(), value, row.config_source)
            });
            rows.collect()
        })
        .collect();
    let row = |name: &str, value: &str, source| (name.to_owned(), value.to_owned(), source);
    assert_eq!(
        shown[0],
        [
            row("max.message.bytes", "5000", 1),
            row("retention.ms", "777", 3)
        ]
    );
    assert_eq!(
        shown[1],
        [row("log.retention.ms", "777", 3), row("node.id", "0", 4)]
    );
    assert_eq!(
        (answer.results[2].error_code, answer.results[3].error_code),
        (42, 3)
    );
}

async fn cluster(broker: &mut OneBroker) {
    let answer = broker.ask(2, &DescribeClusterRequest::default()).await;
    assert_eq!(
        (
            answer.error_code,
            answer.controller_id.0,
            answer.brokers.len()
        ),
        (0, 0, 1)
    );
    assert_eq!(answer.brokers[0].port, i32::from(broker.port()));

    let partition = quorum_request::PartitionData::default();
    let topic = quorum_request::TopicData::default()
        .with_topic_name(topic_name("__cluster_metadata"))
        .with_partitions(vec![partition]);
    let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
    for version in 0..=2 {
        let answer = broker.ask(version, &request).await;
        let row = &answer.topics[0].partitions[0];
        assert_eq!(
            (row.error_code, row.leader_id.0, row.current_voters.len()),
            (0, 0, 1)
        );
        assert!(row.high_watermark > 0 && row.leader_epoch > 0);
    }
}

async fn disks_and_producers(broker: &mut OneBroker) {
    let all = DescribeLogDirsRequest::default().with_topics(None);
    for version in 1..=4 {
        let answer = broker.ask(version, &all).await;
        let disk = &answer.results[0];
        let topic = disk.topics.iter().find(|topic| &*topic.name.0 == TOPIC);
        assert_eq!(topic.unwrap().partitions.len(), 2, "v{version}");
        assert_eq!(disk.total_bytes > 0, version >= 4);
    }
    let asked = DescribableLogDirTopic::default()
        .with_topic(topic_name(TOPIC))
        .with_partitions(vec![1, 77]);
    let some = DescribeLogDirsRequest::default().with_topics(Some(vec![asked]));
    let answer = broker.ask(4, &some).await;
    let rows = &answer.results[0].topics[0].partitions;
    assert_eq!((rows.len(), rows[0].partition_index), (1, 1));

    let asked = producers_request::TopicRequest::default()
        .with_name(topic_name(TOPIC))
        .with_partition_indexes(vec![0, 77]);
    let request = DescribeProducersRequest::default().with_topics(vec![asked]);
    let answer = broker.ask(0, &request).await;
    let rows = &answer.topics[0].partitions;
    let codes: Vec<i16> = rows.iter().map(|row| row.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::UnknownTopicOrPartition.code()]);
    assert!(rows[0].active_producers.is_empty(), "nobody was idempotent");

    let moves = ListPartitionReassignmentsRequest::default().with_topics(None);
    let answer = broker.ask(0, &moves).await;
    assert_eq!((answer.error_code, answer.topics.len()), (0, 0));

    let resources = ListConfigResourcesRequest::default();
    assert!(broker.ask(0, &resources).await.config_resources.is_empty());
    let answer = broker.ask(1, &resources.with_resource_types(vec![4])).await;
    let names: Vec<&str> = answer
        .config_resources
        .iter()
        .map(|row| &*row.resource_name)
        .collect();
    assert_eq!(names, ["0"]);
}

async fn pages_and_growth(broker: &mut OneBroker) {
    let topic = CreatePartitionsTopic::default()
        .with_name(topic_name(TOPIC))
        .with_count(5)
        .with_assignments(None);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(5000);
    assert_eq!(broker.ask(3, &request).await.results[0].error_code, 0);
    let again = broker.ask(3, &request).await;
    assert_eq!(
        again.results[0].error_code,
        ErrorCode::InvalidPartitions.code()
    );

    let topic = TopicRequest::default().with_name(topic_name(TOPIC));
    let request = DescribeTopicPartitionsRequest::default()
        .with_topics(vec![topic])
        .with_response_partition_limit(3);
    let answer = broker.ask(0, &request).await;
    assert_eq!(answer.topics[0].partitions.len(), 3);
    assert!(
        answer.topics[0]
            .partitions
            .iter()
            .all(|partition| partition.leader_id.0 == 0)
    );
    assert_eq!(
        answer.next_cursor.map(|cursor| cursor.partition_index),
        Some(3)
    );
}
