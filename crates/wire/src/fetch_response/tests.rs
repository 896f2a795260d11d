use bytes::{Buf, BytesMut};
use kafka_protocol::messages::fetch_response as kafka;
use kafka_protocol::messages::{ResponseKind, TopicName};
use proptest::prelude::*;

use super::*;
use crate::{Api, response};

fn sample() -> FetchResponse {
    let text = StrBytes::from_static_str;
    let full = FetchedPartition {
        index: 3,
        high_watermark: 90,
        last_stable_offset: 80,
        log_start_offset: 7,
        aborted_transactions: Some(vec![
            AbortedTransaction {
                producer_id: 1,
                first_offset: 2,
            },
            AbortedTransaction {
                producer_id: 3,
                first_offset: 4,
            },
        ]),
        preferred_read_replica: -1,
        records: vec![
            Bytes::from_static(b"first"),
            Bytes::new(),
            Bytes::from_static(b"second"),
        ],
        ..FetchedPartition::default()
    };
    let moved = FetchedPartition {
        index: 4,
        error_code: 6,
        diverging_epoch: Some(EpochEnd {
            epoch: 5,
            end_offset: 55,
        }),
        current_leader: Some(CurrentLeader {
            leader_id: 2,
            leader_epoch: 8,
        }),
        aborted_transactions: Some(Vec::new()),
        ..FetchedPartition::default()
    };
    let empty = FetchedPartition {
        index: 5,
        ..FetchedPartition::default()
    };
    FetchResponse {
        throttle_time_ms: 11,
        error_code: 0,
        session_id: 1234,
        topics: vec![
            FetchedTopic {
                name: text("topic"),
                topic_id: Uuid::from_u128(1 << 100),
                partitions: vec![full, moved],
            },
            FetchedTopic {
                name: text("other"),
                topic_id: Uuid::from_u128(9),
                partitions: vec![empty],
            },
        ],
        node_endpoints: vec![
            NodeEndpoint {
                node_id: 2,
                host: text("b"),
                port: 9093,
                rack: Some(text("z")),
            },
            NodeEndpoint {
                node_id: 3,
                host: text("c"),
                port: 9094,
                rack: None,
            },
        ],
    }
}

/// The same response as the message crate would have it in this version.
fn oracle(response: &FetchResponse, version: i16) -> kafka::FetchResponse {
    let topics = response.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|p| oracle_partition(p, version))
            .collect();
        let row = kafka::FetchableTopicResponse::default().with_partitions(partitions);
        if version >= 13 {
            row.with_topic_id(topic.topic_id)
        } else {
            row.with_topic(TopicName(topic.name.clone()))
        }
    });
    let mut out = kafka::FetchResponse::default()
        .with_throttle_time_ms(response.throttle_time_ms)
        .with_responses(topics.collect());
    if version >= 7 {
        out = out
            .with_error_code(response.error_code)
            .with_session_id(response.session_id);
    }
    if version >= 16 {
        let endpoints = response.node_endpoints.iter().map(|endpoint| {
            kafka::NodeEndpoint::default()
                .with_node_id(endpoint.node_id.into())
                .with_host(endpoint.host.clone())
                .with_port(endpoint.port)
                .with_rack(endpoint.rack.clone())
        });
        out = out.with_node_endpoints(endpoints.collect());
    }
    out
}

fn oracle_partition(partition: &FetchedPartition, version: i16) -> kafka::PartitionData {
    let aborted = partition.aborted_transactions.as_ref().map(|list| {
        let rows = list.iter().map(|aborted| {
            kafka::AbortedTransaction::default()
                .with_producer_id(aborted.producer_id.into())
                .with_first_offset(aborted.first_offset)
        });
        rows.collect()
    });
    let mut row = kafka::PartitionData::default()
        .with_partition_index(partition.index)
        .with_error_code(partition.error_code)
        .with_high_watermark(partition.high_watermark)
        .with_last_stable_offset(partition.last_stable_offset)
        .with_aborted_transactions(aborted)
        .with_records(Some(Bytes::from(partition.records.concat())));
    if version >= 5 {
        row = row.with_log_start_offset(partition.log_start_offset);
    }
    if version >= 11 {
        row = row.with_preferred_read_replica(partition.preferred_read_replica.into());
    }
    if version >= 12 {
        if let Some(end) = partition.diverging_epoch {
            let end = kafka::EpochEndOffset::default()
                .with_epoch(end.epoch)
                .with_end_offset(end.end_offset);
            row = row.with_diverging_epoch(end);
        }
        if let Some(leader) = partition.current_leader {
            let leader = kafka::LeaderIdAndEpoch::default()
                .with_leader_id(leader.leader_id.into())
                .with_leader_epoch(leader.leader_epoch);
            row = row.with_current_leader(leader);
        }
    }
    row
}

fn joined(segments: &[Bytes]) -> Bytes {
    let mut out = BytesMut::new();
    for segment in segments {
        out.extend_from_slice(segment);
    }
    out.freeze()
}

fn agrees(fetch: &FetchResponse) {
    for version in Api::Fetch.served() {
        let mut frame = joined(&encode(42, version, fetch).unwrap());
        let expected = oracle(fetch, version);
        let reference = response::encode_message(42, Api::Fetch, version, &expected).unwrap();
        assert_eq!(frame, reference, "version {version}");
        assert_eq!(frame.get_i32() as usize, frame.len());
        let (id, decoded) = response::decode(Api::Fetch, version, frame).unwrap();
        assert_eq!(id, 42);
        assert_eq!(decoded, ResponseKind::Fetch(expected), "version {version}");
    }
}

#[test]
fn every_version_is_what_the_message_crate_writes_and_reads() {
    agrees(&sample());
    agrees(&FetchResponse::default());
}

#[test]
fn records_are_not_copied() {
    let fetch = sample();
    for version in [4, 12, 18] {
        let segments = encode(1, version, &fetch).unwrap();
        for batch in fetch.topics[0].partitions[0]
            .records
            .iter()
            .filter(|b| !b.is_empty())
        {
            assert!(
                segments
                    .iter()
                    .any(|s| s.as_ptr() == batch.as_ptr() && s.len() == batch.len())
            );
        }
        assert!(segments.iter().all(|segment| !segment.is_empty()));
        assert_eq!(segments.len(), 4, "head, two batches, tail");
    }
}

#[test]
fn versions_that_are_not_served_are_refused() {
    for version in [-1, 0, 3, 19] {
        assert_eq!(
            encode(1, version, &sample()),
            Err(Error::Version { version })
        );
    }
}

proptest! {
    #[test]
    fn any_shape_agrees(
        topics in proptest::collection::vec(
            (any::<u128>(), proptest::collection::vec(
                (any::<i32>(), any::<i64>(), proptest::option::of(0usize..300),
                 proptest::collection::vec(0usize..40_000, 0..3)),
                0..4,
            )),
            0..200,
        ),
    ) {
        let topics = topics.into_iter().map(|(id, partitions)| FetchedTopic {
            name: StrBytes::from_string(format!("t{id}")),
            topic_id: Uuid::from_u128(id),
            partitions: partitions
                .into_iter()
                .map(|(index, offset, aborted, records)| FetchedPartition {
                    index,
                    high_watermark: offset,
                    aborted_transactions: aborted.map(|count| {
                        vec![AbortedTransaction { producer_id: offset, first_offset: 1 }; count]
                    }),
                    records: records.into_iter().map(|n| Bytes::from(vec![7; n])).collect(),
                    ..FetchedPartition::default()
                })
                .collect(),
        });
        agrees(&FetchResponse { topics: topics.collect(), ..FetchResponse::default() });
    }
}
