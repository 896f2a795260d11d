//! DeleteRecords: moves the start of logs up, on every in-sync replica.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::internal_topic::is_internal;
use holdfast_model::{ErrorCode, Monotonic, Offset};
use holdfast_wire::messages::delete_records_request::DeleteRecordsTopic;
use holdfast_wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use holdfast_wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use tokio::sync::Notify;

use super::repeated::repeated;
use super::{Operation, RequestContext, locate, wait};
use crate::partition::{FetchTicket, Partition};
use crate::state::BrokerState;

/// How often the low watermarks are looked at: answers of followers wake nobody.
const LOOK: Duration = Duration::from_millis(10);

/// No low watermark.
const UNKNOWN: i64 = -1;

/// Deletes, and answers once every in-sync replica has deleted, or time is up.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let limit = wait::limit(request.timeout_ms);
    let mut deletions = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        deletions.push(begin(broker, context, topic));
    }
    settle(broker, &mut deletions, limit).await;
    let topics = request
        .topics
        .into_iter()
        .zip(deletions)
        .map(|(topic, deletions)| {
            let partitions = topic.partitions.iter().zip(deletions);
            let partitions =
                partitions.map(|(asked, deletion)| answer(asked.partition_index, &deletion));
            let partitions = partitions.collect();
            DeleteRecordsTopicResult::default()
                .with_name(topic.name)
                .with_partitions(partitions)
        });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

/// One partition's deletion.
#[derive(Debug)]
enum Deletion {
    /// Waits for the in-sync replicas.
    UnderWay {
        partition: Arc<Partition>,
        to: Offset,
    },
    /// Every in-sync replica begins here or later.
    Done(Offset),
    /// Refused, or nobody knows.
    Failed(ErrorCode),
}

fn begin(
    broker: &BrokerState,
    context: &RequestContext,
    topic: &DeleteRecordsTopic,
) -> Vec<Deletion> {
    let allowed = context.authorize(Operation::Delete, &topic.name);
    let twice: HashSet<i32> = repeated(topic.partitions.iter().map(|p| p.partition_index));
    let begun = topic.partitions.iter().map(|asked| {
        if !allowed {
            return Deletion::Failed(ErrorCode::TopicAuthorizationFailed);
        }
        if is_internal(&topic.name) {
            return Deletion::Failed(ErrorCode::PolicyViolation);
        }
        if twice.contains(&asked.partition_index) {
            return Deletion::Failed(ErrorCode::InvalidRequest);
        }
        let begun = locate::by_name(broker, &topic.name, asked.partition_index).and_then(|p| {
            locate::may_answer(&p, UNKNOWN as i32, true)?;
            let to = p.delete_records(Offset(asked.offset))?;
            Ok((p, to))
        });
        match begun {
            Ok((partition, to)) => Deletion::UnderWay { partition, to },
            Err(code) => Deletion::Failed(code),
        }
    });
    begun.collect()
}

/// Waits for the deletions under way.
async fn settle(broker: &BrokerState, deletions: &mut [Vec<Deletion>], limit: Duration) {
    let wake = Arc::new(Notify::new());
    let _tickets: Vec<FetchTicket> = deletions
        .iter()
        .flatten()
        .filter_map(|deletion| match deletion {
            Deletion::UnderWay { partition, .. } => Some(partition.fetchers().join(&wake)),
            Deletion::Done(_) | Deletion::Failed(_) => None,
        })
        .collect();
    let deadline = broker.clock.monotonic().plus(limit);
    loop {
        let now = broker.clock.monotonic();
        let late = now >= deadline;
        let mut waits = false;
        for deletion in deletions.iter_mut().flatten() {
            deletion.look(late);
            waits |= matches!(deletion, Deletion::UnderWay { .. });
        }
        if !waits {
            return;
        }
        // Whether woken or not, the next look tells.
        let _elapsed = tokio::time::timeout(next_look(now, deadline), wake.notified()).await;
    }
}

fn next_look(now: Monotonic, deadline: Monotonic) -> Duration {
    LOOK.min(deadline.since(now))
}

impl Deletion {
    fn look(&mut self, late: bool) {
        let Self::UnderWay { partition, to } = self else {
            return;
        };
        if let Some(settled) = verdict(partition.low_watermark(), *to, late) {
            *self = settled;
        }
    }
}

/// What a low watermark means for a deletion up to `to`; none to wait on.
fn verdict(low_watermark: Option<Offset>, to: Offset, late: bool) -> Option<Deletion> {
    match low_watermark {
        Some(low) if low >= to => Some(Deletion::Done(low)),
        Some(_) => late.then_some(Deletion::Failed(ErrorCode::RequestTimedOut)),
        None => Some(Deletion::Failed(ErrorCode::NotLeaderOrFollower)),
    }
}

fn answer(index: i32, deletion: &Deletion) -> DeleteRecordsPartitionResult {
    let (code, low_watermark) = match deletion {
        Deletion::Done(low) => (ErrorCode::None, low.0),
        Deletion::Failed(code) => (*code, UNKNOWN),
        Deletion::UnderWay { .. } => (ErrorCode::RequestTimedOut, UNKNOWN),
    };
    DeleteRecordsPartitionResult::default()
        .with_partition_index(index)
        .with_error_code(code.code())
        .with_low_watermark(low_watermark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(low_watermark: Option<i64>, late: bool) -> Option<(i16, i64)> {
        let verdict = verdict(low_watermark.map(Offset), Offset(10), late)?;
        let answer = answer(0, &verdict);
        Some((answer.error_code, answer.low_watermark))
    }

    #[test]
    fn a_deletion_ends_with_the_last_replica_or_with_time_or_leadership() {
        assert_eq!(told(Some(9), false), None);
        assert_eq!(told(Some(10), false), Some((0, 10)));
        assert_eq!(told(Some(12), true), Some((0, 12)));
        assert_eq!(
            told(Some(9), true),
            Some((ErrorCode::RequestTimedOut.code(), -1))
        );
        assert_eq!(
            told(None, false),
            Some((ErrorCode::NotLeaderOrFollower.code(), -1))
        );
    }

    #[test]
    fn nobody_looks_past_the_deadline() {
        let now = Monotonic(0);
        assert_eq!(next_look(now, now.plus(Duration::from_secs(1))), LOOK);
        assert_eq!(
            next_look(now, now.plus(Duration::from_millis(3))).as_millis(),
            3
        );
        assert_eq!(next_look(now.plus(LOOK), now), Duration::ZERO);
    }
}
