//! CreateTopics.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use holdfast_kernel::controller::{Command, Failure, NewTopic, Outcome, TopicCreated};
use holdfast_kernel::image::ClusterImage;
use holdfast_model::{BrokerId, ErrorCode, TopicId};
use holdfast_wire::messages::create_topics_request::CreatableTopic;
use holdfast_wire::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use holdfast_wire::messages::{CreateTopicsRequest, CreateTopicsResponse};
use uuid::Uuid;

use super::describe_configs::setting::Setting;
use super::describe_configs::topic::{self, Layers};
use super::repeated::repeated;
use super::text::{text, topic_name};
use super::{Operation, RequestContext, failure, wait};
use crate::state::BrokerState;

/// The first version that tells what was created.
const DETAILS_FROM: i16 = 5;

/// Topics whose settings one answer tells; each takes about 5 KB.
const TOLD: usize = 2_000;

/// Creates what can be created, and answers once clients can find it here.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let validate_only = request.validate_only;
    let limit = wait::limit(request.timeout_ms);
    let plan = Plan::of(context, request.topics);
    let outcomes = if plan.wanted.is_empty() {
        Vec::new()
    } else {
        let command = Command::CreateTopics {
            topics: plan.wanted.clone(),
            validate_only,
        };
        match broker.decide(command).await {
            Outcome::TopicsCreated(results) => results,
            other => {
                let failure = failure::of_all(other);
                plan.wanted.iter().map(|_| Err(failure.clone())).collect()
            }
        }
    };
    if !validate_only {
        let ids: Vec<TopicId> = outcomes
            .iter()
            .flatten()
            .map(|created| created.id)
            .collect();
        // Late is not wrong: the topics exist, and a client that does not find them asks again.
        wait::until(broker, limit, |image| are_led(image, &ids)).await;
    }
    let image = broker.image();
    let layers = Layers::of(broker, &image);
    plan.answer(version, &outcomes, validate_only, &layers)
}

fn are_led(image: &ClusterImage, ids: &[TopicId]) -> bool {
    ids.iter().all(|id| {
        image.topics.get(id).is_some_and(|topic| {
            topic
                .partitions
                .iter()
                .all(|record| record.leader.is_some())
        })
    })
}

/// A request sorted into what the controller is asked and what is refused here.
#[derive(Debug)]
struct Plan {
    wanted: Vec<NewTopic>,
    refused: Vec<(String, Failure)>,
}

impl Plan {
    fn of(context: &RequestContext, topics: Vec<CreatableTopic>) -> Self {
        let twice: HashSet<String> = repeated(topics.iter().map(|topic| topic.name.to_string()));
        let mut plan = Self {
            wanted: Vec::new(),
            refused: Vec::new(),
        };
        for name in &twice {
            plan.refused
                .push((name.clone(), failure::duplicate_topic()));
        }
        for topic in topics {
            let name = topic.name.to_string();
            if twice.contains(&name) {
                continue;
            }
            if !context.authorize(Operation::Create, &name) {
                plan.refused.push((name, failure::topic_denied()));
                continue;
            }
            match new_topic(topic) {
                Ok(topic) => plan.wanted.push(topic),
                Err(failure) => plan.refused.push((name, failure)),
            }
        }
        plan
    }

    fn answer(
        self,
        version: i16,
        outcomes: &[Result<TopicCreated, Failure>],
        validate_only: bool,
        layers: &Layers<'_>,
    ) -> CreateTopicsResponse {
        let mut topics: Vec<CreatableTopicResult> = self
            .refused
            .iter()
            .map(|(name, failure)| refused(name, failure))
            .collect();
        let mut told = 0;
        for (wanted, outcome) in self.wanted.iter().zip(outcomes) {
            topics.push(match outcome {
                Err(failure) => refused(&wanted.name, failure),
                Ok(made) => {
                    told += 1;
                    let answer = created(wanted, made, validate_only);
                    if version < DETAILS_FROM {
                        answer
                    } else if told > TOLD {
                        answer
                            .with_topic_config_error_code(ErrorCode::PolicyViolation.code())
                            .with_configs(None)
                    } else {
                        answer.with_configs(Some(settings(&wanted.configs, layers)))
                    }
                }
            });
        }
        CreateTopicsResponse::default().with_topics(topics)
    }
}

/// What the controller is asked for one topic: -1 stands for the default.
fn new_topic(asked: CreatableTopic) -> Result<NewTopic, Failure> {
    let mut assignments: BTreeMap<i32, Vec<BrokerId>> = BTreeMap::new();
    for assignment in asked.assignments {
        let index = assignment.partition_index;
        let brokers = assignment
            .broker_ids
            .into_iter()
            .map(|id| BrokerId(id.0))
            .collect();
        if assignments.insert(index, brokers).is_some() {
            return Err(Failure::new(
                ErrorCode::InvalidReplicaAssignment,
                format!("Found multiple manual partition assignments for partition {index}"),
            ));
        }
    }
    let mut configs = BTreeMap::new();
    let mut nulls = Vec::new();
    for config in asked.configs {
        match config.value {
            Some(value) => drop(configs.insert(config.name.to_string(), value.to_string())),
            None => nulls.push(config.name.to_string()),
        }
    }
    if !nulls.is_empty() {
        return Err(Failure::new(
            ErrorCode::InvalidConfig,
            format!(
                "Null value not supported for topic configs: {}",
                nulls.join(",")
            ),
        ));
    }
    Ok(NewTopic {
        id: TopicId(Uuid::new_v4()),
        name: asked.name.to_string(),
        partitions: Some(asked.num_partitions).filter(|count| *count != -1),
        replication_factor: Some(asked.replication_factor).filter(|factor| *factor != -1),
        assignments,
        configs,
    })
}

fn refused(name: &str, failure: &Failure) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(topic_name(name))
        .with_error_code(failure.code.code())
        .with_error_message(Some(text(&failure.message)))
}

fn created(wanted: &NewTopic, made: &TopicCreated, validate_only: bool) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(topic_name(&wanted.name))
        .with_topic_id(if validate_only {
            Uuid::nil()
        } else {
            made.id.0
        })
        .with_error_message(None)
        .with_num_partitions(made.partitions)
        .with_replication_factor(made.replication_factor)
}

fn settings<'a>(
    configs: &'a BTreeMap<String, String>,
    layers: &Layers<'a>,
) -> Vec<CreatableTopicConfigs> {
    let shown = |setting: Setting<'_>| {
        CreatableTopicConfigs::default()
            .with_name(text(setting.name))
            .with_value(setting.value().map(text))
            .with_config_source(setting.source().number())
    };
    topic::settings(configs, layers).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use holdfast_wire::messages::create_topics_request::{
        CreatableReplicaAssignment, CreatableTopicConfig,
    };
    use holdfast_wire::{Api, response};

    use super::super::testing::context;
    use super::*;

    fn asked(name: &str) -> CreatableTopic {
        CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(-1)
            .with_replication_factor(-1)
    }

    #[test]
    fn names_given_twice_are_refused_once_and_the_rest_goes_on() {
        let plan = Plan::of(
            &context(),
            vec![asked("a"), asked("b"), asked("a"), asked("a")],
        );
        assert_eq!(
            plan.wanted.iter().map(|t| &*t.name).collect::<Vec<_>>(),
            ["b"]
        );
        assert_eq!(plan.refused, [("a".to_owned(), failure::duplicate_topic())]);
    }

    #[test]
    fn minus_one_is_the_default_and_zero_is_not() {
        let topic = new_topic(asked("a")).unwrap();
        assert_eq!((topic.partitions, topic.replication_factor), (None, None));
        let topic = new_topic(
            asked("a")
                .with_num_partitions(0)
                .with_replication_factor(-2),
        )
        .unwrap();
        assert_eq!(
            (topic.partitions, topic.replication_factor),
            (Some(0), Some(-2))
        );
    }

    #[test]
    fn null_settings_and_repeated_assignments_are_refused() {
        let null = CreatableTopicConfig::default()
            .with_name(text("retention.ms"))
            .with_value(None);
        let failure = new_topic(asked("a").with_configs(vec![null])).unwrap_err();
        assert_eq!(failure.code, ErrorCode::InvalidConfig);
        let zero = CreatableReplicaAssignment::default();
        let failure = new_topic(asked("a").with_assignments(vec![zero.clone(), zero])).unwrap_err();
        assert_eq!(failure.code, ErrorCode::InvalidReplicaAssignment);
    }

    #[test]
    fn answers_fit_every_version_and_tell_effective_settings() {
        let config = CreatableTopicConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("5")));
        let topics = vec![
            asked("a"),
            asked("a"),
            asked("b").with_configs(vec![config]),
        ];
        let none = BTreeMap::new();
        let layers = Layers {
            cluster: &none,
            file: &none,
        };
        for version in Api::CreateTopics.served() {
            let plan = Plan::of(&context(), topics.clone());
            let made = TopicCreated {
                id: plan.wanted[0].id,
                partitions: 3,
                replication_factor: 2,
            };
            let answer = plan.answer(version, &[Ok(made.clone())], false, &layers);
            response::encode_message(1, Api::CreateTopics, version, &answer).unwrap();
            let made_row = &answer.topics[1];
            assert_eq!((made_row.topic_id, made_row.num_partitions), (made.id.0, 3));
            if version >= DETAILS_FROM {
                let configs = made_row.configs.as_ref().unwrap();
                let retention = configs.iter().find(|c| &*c.name == "retention.ms").unwrap();
                assert_eq!(retention.value.as_deref(), Some("5"));
                assert_eq!(retention.config_source, 1);
            }
        }
    }
}
