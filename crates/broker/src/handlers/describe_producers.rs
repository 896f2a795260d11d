//! DescribeProducers: the idempotent producers that partitions remember.

use std::sync::Arc;

use holdfast_model::{ErrorCode, ProducerEntry};
use holdfast_wire::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use holdfast_wire::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use super::text::text;
use super::{Operation, RequestContext, locate};
use crate::state::BrokerState;

/// Nothing, as Kafka writes it.
const NONE: i32 = -1;

/// Tells of each partition that this broker leads.
pub fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let allowed = context.authorize(Operation::Read, &topic.name);
        let partitions = topic.partition_indexes.iter().map(|index| {
            let row = PartitionResponse::default()
                .with_partition_index(*index)
                .with_error_message(None);
            if !allowed {
                return row.with_error_code(ErrorCode::TopicAuthorizationFailed.code());
            }
            match producers(broker, &topic.name, *index) {
                Ok(entries) => row.with_active_producers(entries.iter().map(shown).collect()),
                Err(code) => row
                    .with_error_code(code.code())
                    .with_error_message(Some(text(words(code)))),
            }
        });
        let partitions = partitions.collect();
        TopicResponse::default()
            .with_name(topic.name)
            .with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn words(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::UnknownTopicOrPartition => "There is no such partition.",
        ErrorCode::NotLeaderOrFollower => "Another broker leads the partition.",
        _ => "The partition cannot be asked now.",
    }
}

fn producers(
    broker: &BrokerState,
    topic: &str,
    index: i32,
) -> Result<Vec<ProducerEntry>, ErrorCode> {
    let partition = locate::by_name(broker, topic, index)?;
    locate::may_answer(&partition, NONE, true)?;
    Ok(partition.producers())
}

fn shown(entry: &ProducerEntry) -> ProducerState {
    let last = entry.batches.last().map_or(NONE, |last| last.last_sequence);
    ProducerState::default()
        .with_producer_id(ProducerId(entry.producer_id))
        .with_producer_epoch(i32::from(entry.epoch))
        .with_last_sequence(last)
        .with_last_timestamp(entry.last_timestamp)
        .with_coordinator_epoch(NONE)
        .with_current_txn_start_offset(i64::from(NONE))
}
