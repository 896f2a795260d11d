//! OffsetForLeaderEpoch: where a leader epoch ends, so that a consumer notices a truncation.

use std::sync::Arc;

use holdfast_model::{ErrorCode, LeaderEpoch, Offset};
use holdfast_wire::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use holdfast_wire::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use holdfast_wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::{Operation, RequestContext, locate};
use crate::state::BrokerState;

/// Answers for each partition that is led here.
pub fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let allowed = context.authorize(Operation::Describe, &topic.topic);
        let partitions = topic.partitions.iter().map(|asked| {
            let end = if allowed {
                one(broker, &topic.topic, asked)
            } else {
                Err(ErrorCode::TopicAuthorizationFailed)
            };
            answer(asked.partition, end)
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic)
            .with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn one(
    broker: &BrokerState,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
    let partition = locate::by_name(broker, topic, asked.partition)?;
    locate::may_answer(&partition, asked.current_leader_epoch, true)?;
    Ok(partition.epoch_end(LeaderEpoch(asked.leader_epoch)))
}

fn answer(index: i32, end: Result<Option<(LeaderEpoch, Offset)>, ErrorCode>) -> EpochEndOffset {
    let answer = EpochEndOffset::default().with_partition(index);
    match end {
        Ok(Some((epoch, end))) => answer.with_leader_epoch(epoch.0).with_end_offset(end.0),
        Ok(None) => answer,
        Err(code) => answer.with_error_code(code.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_minus_one() {
        let known = answer(3, Ok(Some((LeaderEpoch(2), Offset(9)))));
        assert_eq!(
            (known.partition, known.leader_epoch, known.end_offset),
            (3, 2, 9)
        );
        let unknown = answer(0, Ok(None));
        assert_eq!(
            (unknown.error_code, unknown.leader_epoch, unknown.end_offset),
            (0, -1, -1)
        );
        let fenced = answer(0, Err(ErrorCode::FencedLeaderEpoch));
        assert_eq!(
            (fenced.error_code, fenced.leader_epoch, fenced.end_offset),
            (74, -1, -1)
        );
    }
}
