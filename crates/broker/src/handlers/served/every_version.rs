//! What clients of every age send first: versions, metadata, records.

use holdfast_model::ErrorCode;
use holdfast_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use holdfast_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use holdfast_wire::messages::{
    ApiVersionsRequest, FetchRequest, GetTelemetrySubscriptionsRequest, MetadataRequest,
    ProduceRequest, PushTelemetryRequest,
};
use uuid::Uuid;

use super::super::text::{text, topic_name};
use super::TOPIC;
use super::one_broker::OneBroker;

/// The features that are on, and no telemetry without a receiver; a client without a proper name is refused.
pub(super) async fn api_versions(broker: &mut OneBroker) {
    let named = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"));
    for version in 0..=4 {
        let answer = broker.ask(version, &named).await;
        assert_eq!(answer.error_code, 0);
        let keys = answer.api_keys.iter().map(|row| row.api_key);
        assert!(keys.into_iter().all(|key| ![71, 72].contains(&key)));
        let features = answer.finalized_features.iter();
        let levels: Vec<i16> = features.map(|feature| feature.max_version_level).collect();
        assert_eq!(levels, if version < 3 { vec![] } else { vec![1] });
    }
    let unnamed = broker.ask(3, &ApiVersionsRequest::default()).await;
    assert_eq!(unnamed.error_code, ErrorCode::InvalidRequest.code());
}

/// Whoever asks all the same is told that there is none.
pub(super) async fn no_telemetry(broker: &mut OneBroker) {
    let unsupported = ErrorCode::UnsupportedVersion.code();
    let ask = GetTelemetrySubscriptionsRequest::default();
    assert_eq!(broker.ask(0, &ask).await.error_code, unsupported);
    let push = PushTelemetryRequest::default();
    assert_eq!(broker.ask(0, &push).await.error_code, unsupported);
}

/// An empty list is all topics in version 0, and none after it; there is one topic.
pub(super) async fn metadata(broker: &mut OneBroker) {
    let all = MetadataRequest::default().with_topics(None);
    let none = MetadataRequest::default().with_topics(Some(vec![]));
    for version in 0..=13 {
        let empty = broker.ask(version, &none).await;
        assert_eq!(empty.topics.len(), usize::from(version == 0), "v{version}");
        if version > 0 {
            let answer = broker.ask(version, &all).await;
            let seen = (answer.topics.len(), answer.brokers.len());
            assert_eq!(seen, (1, 1), "v{version}");
        }
    }
    for version in 8..=10 {
        let asked = all
            .clone()
            .with_include_cluster_authorized_operations(true)
            .with_include_topic_authorized_operations(true);
        let answer = broker.ask(version, &asked).await;
        assert!(answer.cluster_authorized_operations > 0, "v{version}");
        assert!(
            answer.topics[0].topic_authorized_operations > 0,
            "v{version}"
        );
    }
}

/// A produce request that is refused, in every version that names topics.
pub(super) async fn refused_batches(broker: &mut OneBroker) {
    for version in 3..=12 {
        let topic = TopicProduceData::default()
            .with_name(topic_name(TOPIC))
            .with_partition_data(vec![PartitionProduceData::default()]);
        let request = ProduceRequest::default()
            .with_transactional_id(None)
            .with_acks(-1)
            .with_topic_data(vec![topic]);
        let answer = broker.ask(version, &request).await;
        let code = answer.responses[0].partition_responses[0].error_code;
        assert_ne!(code, 0, "v{version}");
    }
}

/// The log holds offsets 0 to 4 in three batches, all of epoch 0.
pub(super) async fn fetches(broker: &mut OneBroker, id: Uuid) {
    let mut ask = async |version, id, row: FetchPartition| {
        let mut topic = FetchTopic::default().with_partitions(vec![row]);
        if version < 13 {
            topic.topic = topic_name(TOPIC);
        } else {
            topic.topic_id = id;
        }
        let request = FetchRequest::default()
            .with_max_bytes(1)
            .with_topics(vec![topic]);
        let answer = broker.ask(version, &request).await;
        let row = &answer.responses[0].partitions[0];
        (row.error_code, row.records.clone().unwrap_or_default())
    };
    let from = |offset| {
        FetchPartition::default()
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1)
    };
    for version in 4..=18 {
        let (code, records) = ask(version, id, from(0)).await;
        let first = holdfast_wire::batch::BatchHeader::parse(&records).unwrap();
        let whole = (code, first.size);
        assert_eq!(whole, (0, records.len()), "one whole batch, v{version}");
    }
    let unknown = ErrorCode::UnknownTopicId.code();
    assert_eq!(ask(13, Uuid::from_u128(9), from(0)).await.0, unknown);
    assert_eq!(ask(18, id, from(5)).await, (0, bytes::Bytes::new()));
    let beyond = ErrorCode::OffsetOutOfRange.code();
    assert_eq!(ask(18, id, from(6)).await.0, beyond);
    let newer = from(0).with_current_leader_epoch(3);
    let fenced = ErrorCode::UnknownLeaderEpoch.code();
    assert_eq!(ask(12, id, newer).await.0, fenced);
    let never = from(0).with_last_fetched_epoch(7);
    assert_eq!(ask(12, id, never).await.0, beyond);
}

/// The id of a topic that was deleted names nothing, whatever came under its name since.
pub(super) async fn forgotten_id(broker: &mut OneBroker, id: Uuid) {
    let topic = TopicProduceData::default()
        .with_topic_id(id)
        .with_partition_data(vec![PartitionProduceData::default()]);
    let request = ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_topic_data(vec![topic]);
    let answer = broker.ask(13, &request).await;
    let unknown = ErrorCode::UnknownTopicId.code();
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(code, unknown);
    let topic = FetchTopic::default()
        .with_topic_id(id)
        .with_partitions(vec![FetchPartition::default()]);
    let request = FetchRequest::default().with_topics(vec![topic]);
    let answer = broker.ask(13, &request).await;
    assert_eq!(answer.responses[0].partitions[0].error_code, unknown);
}
