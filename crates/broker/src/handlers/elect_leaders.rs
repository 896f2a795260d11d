//! ElectLeaders: preferred replicas lead again now.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_kernel::controller::{Command, Failure, Outcome};
use holdfast_kernel::image::ClusterImage;
use holdfast_model::{ErrorCode, TopicPartition};
use holdfast_wire::messages::elect_leaders_request::TopicPartitions;
use holdfast_wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use holdfast_wire::messages::{ElectLeadersRequest, ElectLeadersResponse};

use super::text::{text, topic_name};
use super::{CLUSTER, Operation, RequestContext, failure, wait};
use crate::state::BrokerState;

/// Kafka's numbers for what is asked for: the preferred leader, or any.
const PREFERRED: i8 = 0;
const ANY: i8 = 1;

type Results = BTreeMap<String, Vec<PartitionResult>>;

/// Elects, and answers once clients can see the leaders here.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    if !context.authorize(Operation::Alter, CLUSTER) {
        return refused(ErrorCode::ClusterAuthorizationFailed);
    }
    if ![PREFERRED, ANY].contains(&request.election_type) {
        return unknown_kind(request);
    }
    let mut results = Results::new();
    let image = broker.image();
    let partitions = request
        .topic_partitions
        .map(|topics| find(&image, topics, &mut results));
    let command = Command::ElectLeaders {
        partitions: partitions.clone(),
        any: request.election_type == ANY,
    };
    let outcomes = match broker.decide(command).await {
        Outcome::LeadersElected(outcomes) => outcomes,
        other => {
            let failure = failure::of_all(other);
            let Some(partitions) = partitions else {
                return refused(failure.code);
            };
            let all = partitions.into_iter();
            all.map(|at| (at, Err(failure.clone()))).collect()
        }
    };
    let elected: Vec<TopicPartition> = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.is_ok())
        .map(|(at, _)| *at)
        .collect();
    // Late is not wrong: the leaders are elected, and a client that does not see them asks again.
    wait::until(broker, wait::limit(request.timeout_ms), |now| {
        elected.iter().all(|at| has_moved(&image, now, *at))
    })
    .await;
    for (at, outcome) in outcomes {
        let topic = image.topics.get(&at.topic);
        let name = topic.map_or_else(String::new, |topic| topic.name.clone());
        let row = row(at.partition, outcome.err());
        results.entry(name).or_default().push(row);
    }
    let topics = results.into_iter().map(|(name, rows)| {
        ReplicaElectionResult::default()
            .with_topic(topic_name(&name))
            .with_partition_result(rows)
    });
    ElectLeadersResponse::default().with_replica_election_results(topics.collect())
}

/// The partitions by their topics' ids; what is not there is a result already.
fn find(
    image: &ClusterImage,
    topics: Vec<TopicPartitions>,
    results: &mut Results,
) -> Vec<TopicPartition> {
    let mut found = Vec::new();
    for topic in topics {
        let id = image.topic_by_name(&topic.topic).map(|record| record.id);
        for partition in topic.partitions {
            let at = id.map(|topic| TopicPartition { topic, partition });
            if let Some(at) = at.filter(|at| image.partition(*at).is_some()) {
                found.push(at);
                continue;
            }
            let code = ErrorCode::UnknownTopicOrPartition;
            let failure = Failure::new(code, "there is no such partition");
            let rows = results.entry(topic.topic.to_string()).or_default();
            rows.push(row(partition, Some(failure)));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a partition has a leader after the one it had before, or is gone.
fn has_moved(before: &ClusterImage, now: &ClusterImage, at: TopicPartition) -> bool {
    let epoch = before.partition(at).map(|record| record.leader_epoch);
    now.partition(at)
        .is_none_or(|record| record.leader.is_some() && Some(record.leader_epoch) > epoch)
}

fn row(partition: i32, failure: Option<Failure>) -> PartitionResult {
    let code = failure
        .as_ref()
        .map_or(ErrorCode::None, |failure| failure.code);
    PartitionResult::default()
        .with_partition_id(partition)
        .with_error_code(code.code())
        .with_error_message(failure.map(|failure| text(&failure.message)))
}

fn unknown_kind(request: ElectLeadersRequest) -> ElectLeadersResponse {
    let message = format!("there are no elections of kind {}", request.election_type);
    let failure = Failure::new(ErrorCode::InvalidRequest, message);
    let topics = request.topic_partitions.into_iter().flatten();
    let topics = topics.map(|topic| {
        let partitions = topic.partitions.iter();
        let rows = partitions.map(|partition| row(*partition, Some(failure.clone())));
        ReplicaElectionResult::default()
            .with_topic(topic.topic)
            .with_partition_result(rows.collect())
    });
    refused(failure.code).with_replica_election_results(topics.collect())
}

fn refused(code: ErrorCode) -> ElectLeadersResponse {
    ElectLeadersResponse::default().with_error_code(code.code())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{image, put_topic};
    use super::*;

    #[test]
    fn what_is_not_there_is_told_and_what_is_named_twice_is_asked_once() {
        let mut image = image();
        put_topic(&mut image, 1, "a", 2);
        let topic = |name: &str, partitions: Vec<i32>| {
            TopicPartitions::default()
                .with_topic(topic_name(name))
                .with_partitions(partitions)
        };
        let mut results = Results::new();
        let topics = vec![topic("a", vec![1, 5, 1]), topic("gone", vec![0])];
        let found = find(&image, topics, &mut results);
        let partitions: Vec<i32> = found.iter().map(|at| at.partition).collect();
        assert_eq!(partitions, [1]);
        let codes: Vec<(&str, i32, i16)> = results
            .iter()
            .flat_map(|(name, rows)| {
                rows.iter()
                    .map(|row| (name.as_str(), row.partition_id, row.error_code))
            })
            .collect();
        assert_eq!(codes, [("a", 5, 3), ("gone", 0, 3)]);
    }
}
