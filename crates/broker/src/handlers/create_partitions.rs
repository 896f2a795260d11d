//! CreatePartitions.

use std::collections::HashSet;
use std::sync::Arc;

use holdfast_kernel::controller::{Command, CreatePartitionsRequest as Wanted, Failure, Outcome};
use holdfast_kernel::image::ClusterImage;
use holdfast_model::BrokerId;
use holdfast_wire::messages::create_partitions_request::CreatePartitionsTopic;
use holdfast_wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use holdfast_wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::repeated::repeated;
use super::text::{text, topic_name};
use super::{Operation, RequestContext, failure, wait};
use crate::state::BrokerState;

/// Adds partitions, and answers once clients can find them here.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let validate_only = request.validate_only;
    let limit = wait::limit(request.timeout_ms);
    let (wanted, mut results) = sort(context, request.topics);
    if wanted.is_empty() {
        return CreatePartitionsResponse::default().with_results(results);
    }
    let command = Command::CreatePartitions {
        topics: wanted.clone(),
        validate_only,
    };
    let outcomes = match broker.decide(command).await {
        Outcome::PartitionsCreated(outcomes) => outcomes,
        other => {
            let failure = failure::of_all(other);
            wanted.iter().map(|_| Err(failure.clone())).collect()
        }
    };
    let grown: Vec<&Wanted> = wanted
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| outcome.is_ok() && !validate_only)
        .map(|(wanted, _)| wanted)
        .collect();
    // Late is not wrong: the partitions exist, and a client that does not find them asks again.
    wait::until(broker, limit, |image| {
        grown.iter().all(|wanted| is_there(image, wanted))
    })
    .await;
    results.extend(wanted.iter().zip(outcomes).map(|(wanted, outcome)| {
        match outcome {
            Ok(()) => CreatePartitionsTopicResult::default()
                .with_name(topic_name(&wanted.name))
                .with_error_message(None),
            Err(failure) => refused(&wanted.name, &failure),
        }
    }));
    CreatePartitionsResponse::default().with_results(results)
}

/// What the controller is asked, and what is refused here.
fn sort(
    context: &RequestContext,
    topics: Vec<CreatePartitionsTopic>,
) -> (Vec<Wanted>, Vec<CreatePartitionsTopicResult>) {
    let twice: HashSet<String> = repeated(topics.iter().map(|topic| topic.name.to_string()));
    let mut results: Vec<_> = twice
        .iter()
        .map(|name| refused(name, &failure::duplicate_topic()))
        .collect();
    let mut wanted = Vec::new();
    for topic in topics {
        let name = topic.name.to_string();
        if twice.contains(&name) {
            continue;
        }
        if !context.authorize(Operation::Alter, &name) {
            results.push(refused(&name, &failure::topic_denied()));
            continue;
        }
        let assignments = topic.assignments.map(|lists| {
            lists
                .into_iter()
                .map(|list| {
                    list.broker_ids
                        .into_iter()
                        .map(|id| BrokerId(id.0))
                        .collect()
                })
                .collect()
        });
        wanted.push(Wanted {
            name,
            count: topic.count,
            assignments,
        });
    }
    (wanted, results)
}

/// Whether a topic has its partitions, with leaders; or is gone again.
fn is_there(image: &ClusterImage, wanted: &Wanted) -> bool {
    image.topic_by_name(&wanted.name).is_none_or(|topic| {
        topic.partitions.len() as i64 >= i64::from(wanted.count)
            && topic
                .partitions
                .iter()
                .all(|record| record.leader.is_some())
    })
}

fn refused(name: &str, failure: &Failure) -> CreatePartitionsTopicResult {
    CreatePartitionsTopicResult::default()
        .with_name(topic_name(name))
        .with_error_code(failure.code.code())
        .with_error_message(Some(text(&failure.message)))
}

#[cfg(test)]
mod tests {
    use holdfast_wire::messages::create_partitions_request::CreatePartitionsAssignment;
    use holdfast_wire::{Api, response};

    use super::super::testing::{context, image, put_topic};
    use super::*;

    fn topic(name: &str, count: i32) -> CreatePartitionsTopic {
        CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None)
    }

    #[test]
    fn topics_named_twice_are_refused_and_assignments_come_through() {
        let list = CreatePartitionsAssignment::default()
            .with_broker_ids(vec![holdfast_wire::messages::BrokerId(2)]);
        let topics = vec![
            topic("a", 2),
            topic("b", 3).with_assignments(Some(vec![list])),
            topic("a", 4),
        ];
        let (wanted, results) = sort(&context(), topics);
        let assignments = Some(vec![vec![BrokerId(2)]]);
        assert_eq!(
            wanted,
            [Wanted {
                name: "b".to_owned(),
                count: 3,
                assignments
            }]
        );
        assert_eq!(results.len(), 1);
        assert_eq!((&*results[0].name.0, results[0].error_code), ("a", 42));
        let answer = CreatePartitionsResponse::default().with_results(results);
        for version in Api::CreatePartitions.served() {
            response::encode_message(1, Api::CreatePartitions, version, &answer).unwrap();
        }
    }

    #[test]
    fn an_answer_waits_for_the_last_partition() {
        let mut image = image();
        put_topic(&mut image, 1, "a", 2);
        let wanted = |count| Wanted {
            name: "a".to_owned(),
            count,
            assignments: None,
        };
        assert!(is_there(&image, &wanted(2)));
        assert!(!is_there(&image, &wanted(3)));
        let gone = Wanted {
            name: "gone".to_owned(),
            count: 1,
            assignments: None,
        };
        assert!(is_there(&image, &gone));
    }
}
