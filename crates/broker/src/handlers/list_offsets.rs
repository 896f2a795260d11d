//! ListOffsets: the ends of a partition, and offsets by time.

mod search;

use std::collections::HashSet;
use std::sync::Arc;

use holdfast_model::{ErrorCode, LeaderEpoch, Offset};
use holdfast_wire::messages::list_offsets_request::ListOffsetsPartition;
use holdfast_wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use holdfast_wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use holdfast_wire::records::TimestampedOffset;

use super::repeated::repeated;
use super::{Operation, RequestContext, locate};
use crate::partition::{Offsets, Partition};
use crate::state::BrokerState;
use search::{Failed, Range};

/// Kafka's special timestamps.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// The replica id of a tool that asks any replica, not only the leader.
const DEBUGGING_CONSUMER: i32 = -2;

/// The first version whose clients know `OFFSET_NOT_AVAILABLE`.
const NOT_AVAILABLE_FROM: i16 = 5;

/// The first version with leader epochs.
const EPOCHS_FROM: i16 = 4;

/// Answers for each partition. Both isolation levels see the same end: without transactions the last
/// stable offset is the high watermark. A request in the name of a replica sees no more than a
/// consumer: brokers replicate elsewhere.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let twice = duplicates(&request);
    let must_lead = request.replica_id.0 != DEBUGGING_CONSUMER;
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let allowed = context.authorize(Operation::Describe, &topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let found = if !allowed {
                Err(ErrorCode::TopicAuthorizationFailed)
            } else if twice.contains(&(&topic.name, asked.partition_index)) {
                Err(ErrorCode::InvalidRequest)
            } else if !is_known(asked.timestamp, version) {
                Err(ErrorCode::UnsupportedVersion)
            } else {
                one(broker, &topic.name, asked, must_lead).await
            };
            partitions.push(answer(asked.partition_index, version, found));
        }
        topics.push(
            ListOffsetsTopicResponse::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions),
        );
    }
    ListOffsetsResponse::default().with_topics(topics)
}

fn duplicates(request: &ListOffsetsRequest) -> HashSet<(&str, i32)> {
    repeated(request.topics.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|asked| (&**topic.name, asked.partition_index))
    }))
}

/// Whether a version may ask for a timestamp: each special one came with a version of its own.
fn is_known(timestamp: i64, version: i16) -> bool {
    match timestamp {
        0.. | LATEST | EARLIEST => true,
        MAX_TIMESTAMP => version >= 7,
        EARLIEST_LOCAL => version >= 8,
        LATEST_TIERED => version >= 9,
        _ => false,
    }
}

/// What a partition is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    timestamp: i64,
    offset: i64,
    epoch: LeaderEpoch,
}

impl Found {
    /// There is no such record.
    const NOTHING: Self = Self {
        timestamp: -1,
        offset: -1,
        epoch: LeaderEpoch::UNKNOWN,
    };

    fn end(offset: Offset, epoch: LeaderEpoch) -> Self {
        Self {
            timestamp: -1,
            offset: offset.0,
            epoch,
        }
    }
}

async fn one(
    broker: &Arc<BrokerState>,
    topic: &str,
    asked: &ListOffsetsPartition,
    must_lead: bool,
) -> Result<Found, ErrorCode> {
    let partition = locate::by_name(broker, topic, asked.partition_index)?;
    let offsets = locate::may_answer(&partition, asked.current_leader_epoch, must_lead)?;
    match asked.timestamp {
        LATEST => {
            settled(&offsets)?;
            Ok(Found::end(offsets.high_watermark, offsets.leader_epoch))
        }
        EARLIEST | EARLIEST_LOCAL => {
            // Of an empty log, that of the record that will be there.
            let empty = offsets.log_start == offsets.high_watermark;
            let epoch = match partition.epoch_at(offsets.log_start) {
                LeaderEpoch::UNKNOWN if empty => offsets.leader_epoch,
                known => known,
            };
            Ok(Found::end(offsets.log_start, epoch))
        }
        // Nothing is tiered.
        LATEST_TIERED => Ok(Found::NOTHING),
        timestamp => match by_time(broker, &partition, &offsets, timestamp).await? {
            Some(record) => Ok(Found {
                timestamp: record.timestamp,
                offset: record.offset.0,
                epoch: partition.epoch_at(record.offset),
            }),
            // A record may be there that is not known to be acknowledged yet.
            None => settled(&offsets).map(|()| Found::NOTHING),
        },
    }
}

/// A new leader's high watermark may lie below what an earlier one acknowledged (KIP-207).
fn settled(offsets: &Offsets) -> Result<(), ErrorCode> {
    if offsets.leads && !offsets.settled {
        return Err(ErrorCode::OffsetNotAvailable);
    }
    Ok(())
}

/// Looks a time up on the disk, off the network threads.
async fn by_time(
    broker: &Arc<BrokerState>,
    partition: &Arc<Partition>,
    offsets: &Offsets,
    timestamp: i64,
) -> Result<Option<TimestampedOffset>, ErrorCode> {
    let range = Range {
        start: offsets.log_start,
        end: offsets.high_watermark,
    };
    let segments = partition.segments();
    let permit = Arc::clone(&broker.disk_reads).acquire_owned().await;
    let permit = permit.map_err(|_closed| ErrorCode::KafkaStorageError)?;
    let environment = Arc::clone(broker.environment());
    let at = partition.at();
    let searching = tokio::task::spawn_blocking(move || {
        let found = if timestamp == MAX_TIMESTAMP {
            search::newest(&environment.store, at, &segments, range)
        } else {
            search::first_at_or_after(&environment.store, at, &segments, range, timestamp)
        };
        drop(permit);
        found
    });
    match searching.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(Failed::Store(error))) => match partition.on_read_error(offsets.log_start, &error) {
            // The first offsets expired while they were looked through: the client asks again.
            ErrorCode::OffsetOutOfRange => Err(ErrorCode::OffsetNotAvailable),
            code => Err(code),
        },
        Ok(Err(Failed::Records(error))) => {
            tracing::warn!(%error, partition = %at, "records of a stored batch cannot be read");
            Err(ErrorCode::CorruptMessage)
        }
        Err(error) => {
            tracing::error!(%error, "a look for an offset by time failed");
            Err(ErrorCode::UnknownServerError)
        }
    }
}

fn answer(
    index: i32,
    version: i16,
    found: Result<Found, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let (code, found) = match found {
        Ok(found) => (ErrorCode::None, found),
        // Older clients know of no such state; to them the leader is not there yet.
        Err(ErrorCode::OffsetNotAvailable) if version < NOT_AVAILABLE_FROM => {
            (ErrorCode::LeaderNotAvailable, Found::NOTHING)
        }
        Err(code) => (code, Found::NOTHING),
    };
    let epoch = if version < EPOCHS_FROM {
        LeaderEpoch::UNKNOWN
    } else {
        found.epoch
    };
    ListOffsetsPartitionResponse::default()
        .with_partition_index(index)
        .with_error_code(code.code())
        .with_timestamp(found.timestamp)
        .with_offset(found.offset)
        .with_leader_epoch(epoch.0)
}

#[cfg(test)]
mod tests {
    use holdfast_wire::messages::list_offsets_request::ListOffsetsTopic;
    use holdfast_wire::{Api, response};

    use super::super::text::topic_name;
    use super::*;

    #[test]
    fn each_special_timestamp_has_its_first_version() {
        for (timestamp, first) in [
            (0, 1),
            (LATEST, 1),
            (EARLIEST, 1),
            (MAX_TIMESTAMP, 7),
            (EARLIEST_LOCAL, 8),
        ] {
            assert!(is_known(timestamp, first), "{timestamp}");
            assert!(first == 1 || !is_known(timestamp, first - 1), "{timestamp}");
        }
        assert!(is_known(LATEST_TIERED, 9) && !is_known(LATEST_TIERED, 8));
        // Version 11 brings -6, and we answer up to 10.
        assert!(!is_known(-6, 10) && !is_known(i64::MIN, 10));
    }

    #[test]
    fn a_new_leader_does_not_tell_an_end_below_its_epoch() {
        let offsets = |leads, settled| Offsets {
            log_start: Offset(0),
            high_watermark: Offset(3),
            log_end: Offset(9),
            synced_end: Offset(9),
            leader_epoch: LeaderEpoch(2),
            leads,
            aside: false,
            settled,
            bytes: 0,
        };
        let unsettled = Err(ErrorCode::OffsetNotAvailable);
        assert_eq!(settled(&offsets(true, false)), unsettled);
        assert_eq!(settled(&offsets(true, true)), Ok(()));
        assert_eq!(settled(&offsets(false, false)), Ok(()));
    }

    #[test]
    fn a_partition_named_twice_is_found_across_topics() {
        let topic = |name: &str, partitions: &[i32]| {
            let partitions = partitions
                .iter()
                .map(|index| ListOffsetsPartition::default().with_partition_index(*index));
            ListOffsetsTopic::default()
                .with_name(topic_name(name))
                .with_partitions(partitions.collect())
        };
        let request = ListOffsetsRequest::default().with_topics(vec![
            topic("a", &[0, 1]),
            topic("b", &[0]),
            topic("a", &[1]),
        ]);
        assert_eq!(duplicates(&request), HashSet::from([("a", 1)]));
    }

    #[test]
    fn answers_fit_every_version() {
        let found = Found {
            timestamp: 7,
            offset: 3,
            epoch: LeaderEpoch(2),
        };
        for version in Api::ListOffsets.served() {
            let unsettled = answer(0, version, Err(ErrorCode::OffsetNotAvailable));
            let expected = if version < 5 {
                ErrorCode::LeaderNotAvailable
            } else {
                ErrorCode::OffsetNotAvailable
            };
            assert_eq!(unsettled.error_code, expected.code());
            let topic = ListOffsetsTopicResponse::default()
                .with_partitions(vec![answer(0, version, Ok(found)), unsettled]);
            let message = ListOffsetsResponse::default().with_topics(vec![topic]);
            response::encode_message(1, Api::ListOffsets, version, &message).unwrap();
        }
    }
}
