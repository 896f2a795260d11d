//! DeleteTopics: by name, or by id.

use std::collections::HashSet;
use std::sync::Arc;

use holdfast_kernel::controller::{Command, Failure, Outcome, TopicReference};
use holdfast_kernel::image::ClusterImage;
use holdfast_model::{ErrorCode, TopicId};
use holdfast_wire::messages::delete_topics_response::DeletableTopicResult;
use holdfast_wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use uuid::Uuid;

use super::repeated::repeated;
use super::text::{text, topic_name};
use super::{Operation, RequestContext, failure, wait};
use crate::state::BrokerState;

/// The first version that can name topics by id.
const IDS_FROM: i16 = 6;

/// Deletes what may be deleted, and answers once it is gone here.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let limit = wait::limit(request.timeout_ms);
    let asked = asked(version, request);
    let mut plan = Plan::of(context, &broker.image(), asked);
    if !plan.wanted.is_empty() {
        let topics = plan.wanted.clone();
        let outcomes = match broker.decide(Command::DeleteTopics { topics }).await {
            Outcome::TopicsDeleted(results) => results,
            other => {
                let failure = failure::of_all(other);
                plan.wanted.iter().map(|_| Err(failure.clone())).collect()
            }
        };
        let gone: Vec<TopicId> = outcomes.iter().flatten().map(|(_, id)| *id).collect();
        wait::until(broker, limit, |image| {
            gone.iter().all(|id| image.topics.get(id).is_none())
        })
        .await;
        plan.settle(outcomes);
    }
    DeleteTopicsResponse::default().with_responses(plan.answers)
}

/// A topic as the request names it: by name, by id, by both, or not at all.
type Asked = (Option<String>, Uuid);

fn asked(version: i16, request: DeleteTopicsRequest) -> Vec<Asked> {
    if version < IDS_FROM {
        let names = request.topic_names.into_iter();
        return names
            .map(|name| (Some(name.to_string()), Uuid::nil()))
            .collect();
    }
    let topics = request.topics.into_iter();
    topics
        .map(|topic| (topic.name.map(|name| name.to_string()), topic.topic_id))
        .collect()
}

/// A request sorted into what the controller is asked and what is answered already.
#[derive(Debug)]
struct Plan {
    wanted: Vec<TopicReference>,
    answers: Vec<DeletableTopicResult>,
}

impl Plan {
    fn of(context: &RequestContext, image: &ClusterImage, asked: Vec<Asked>) -> Self {
        let names_twice: HashSet<String> =
            repeated(asked.iter().filter_map(|(name, _)| name.clone()));
        let ids = asked
            .iter()
            .filter(|(name, id)| name.is_none() && !id.is_nil());
        let ids_twice: HashSet<Uuid> = repeated(ids.clone().map(|(_, id)| *id));
        // A topic named once by each way would be deleted under one and missing under the other.
        let named_by_id: HashSet<&str> = ids
            .filter_map(|(_, id)| Some(&*image.topics.get(&TopicId(*id))?.name))
            .collect();
        let mut told: HashSet<Asked> = HashSet::new();
        let mut plan = Self {
            wanted: Vec::new(),
            answers: Vec::new(),
        };
        for (name, id) in asked {
            let invalid = match &name {
                Some(_) if !id.is_nil() => {
                    Some("You may not specify both topic name and topic id.")
                }
                None if id.is_nil() => Some("Neither topic name nor id were specified."),
                Some(name) if names_twice.contains(name) => Some("Duplicate topic name."),
                None if ids_twice.contains(&id) => Some("Duplicate topic id."),
                Some(name) if named_by_id.contains(&**name) => {
                    Some("The provided topic name maps to an ID that was already supplied.")
                }
                Some(_) | None => None,
            };
            if let Some(message) = invalid {
                if told.insert((name.clone(), id)) {
                    let failure = Failure::new(ErrorCode::InvalidRequest, message);
                    plan.answers.push(refused(name.as_deref(), id, &failure));
                }
                continue;
            }
            plan.want(context, image, name, id);
        }
        plan
    }

    fn want(
        &mut self,
        context: &RequestContext,
        image: &ClusterImage,
        name: Option<String>,
        id: Uuid,
    ) {
        let known = match &name {
            Some(name) => Some(name.as_str()),
            None => image.topics.get(&TopicId(id)).map(|topic| &*topic.name),
        };
        if known.is_some_and(|known| !context.authorize(Operation::Delete, known)) {
            self.answers
                .push(refused(name.as_deref(), id, &failure::topic_denied()));
            return;
        }
        self.wanted.push(match name {
            Some(name) => TopicReference::Name(name),
            None => TopicReference::Id(TopicId(id)),
        });
    }

    fn settle(&mut self, outcomes: Vec<Result<(String, TopicId), Failure>>) {
        for (wanted, outcome) in self.wanted.iter().zip(outcomes) {
            self.answers.push(match (outcome, wanted) {
                (Ok((name, id)), _) => DeletableTopicResult::default()
                    .with_name(Some(topic_name(&name)))
                    .with_topic_id(id.0)
                    .with_error_message(None),
                (Err(failure), TopicReference::Name(name)) => {
                    refused(Some(name), Uuid::nil(), &failure)
                }
                (Err(failure), TopicReference::Id(id)) => refused(None, id.0, &failure),
            });
        }
    }
}

fn refused(name: Option<&str>, id: Uuid, failure: &Failure) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(name.map(topic_name))
        .with_topic_id(id)
        .with_error_code(failure.code.code())
        .with_error_message(Some(text(&failure.message)))
}

#[cfg(test)]
mod tests {
    use holdfast_wire::messages::delete_topics_request::DeleteTopicState;
    use holdfast_wire::{Api, response};

    use super::super::testing::{context, image, put_topic, topic_id};
    use super::*;

    fn by_name(name: &str) -> Asked {
        (Some(name.to_owned()), Uuid::nil())
    }

    fn by_id(id: u128) -> Asked {
        (None, topic_id(id).0)
    }

    #[test]
    fn a_topic_may_be_named_in_one_way_and_once() {
        let mut image = image();
        put_topic(&mut image, 1, "one", 1);
        put_topic(&mut image, 2, "two", 1);
        put_topic(&mut image, 3, "three", 1);
        let asked = vec![
            by_name("one"),
            by_id(1),
            by_name("two"),
            by_name("two"),
            (Some("three".to_owned()), topic_id(3).0),
            (None, Uuid::nil()),
            by_id(9),
            by_id(9),
            by_id(3),
            by_name("gone"),
        ];
        let plan = Plan::of(&context(), &image, asked);
        assert_eq!(
            plan.wanted,
            [
                TopicReference::Id(topic_id(1)),
                TopicReference::Id(topic_id(3)),
                TopicReference::Name("gone".to_owned()),
            ]
        );
        let invalid = ErrorCode::InvalidRequest.code();
        let messages: Vec<&str> = plan
            .answers
            .iter()
            .filter(|answer| answer.error_code == invalid)
            .map(|answer| &**answer.error_message.as_ref().unwrap())
            .collect();
        assert_eq!(
            messages,
            [
                "The provided topic name maps to an ID that was already supplied.",
                "Duplicate topic name.",
                "You may not specify both topic name and topic id.",
                "Neither topic name nor id were specified.",
                "Duplicate topic id.",
            ]
        );
    }

    #[test]
    fn old_versions_bring_names_and_answers_fit_every_version() {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name("a")])
            .with_topics(vec![
                DeleteTopicState::default().with_name(Some(topic_name("b"))),
            ]);
        assert_eq!(asked(5, request.clone()), [by_name("a")]);
        assert_eq!(asked(6, request), [by_name("b")]);
        for version in Api::DeleteTopics.served() {
            let mut plan = Plan::of(&context(), &image(), vec![by_name("a"), by_name("b")]);
            let unknown = Failure::new(ErrorCode::UnknownTopicOrPartition, "not here");
            plan.settle(vec![Ok(("a".to_owned(), topic_id(1))), Err(unknown)]);
            let answer = DeleteTopicsResponse::default().with_responses(plan.answers);
            response::encode_message(1, Api::DeleteTopics, version, &answer).unwrap();
            assert_eq!(answer.responses[0].topic_id, topic_id(1).0);
            assert_eq!(answer.responses[1].error_code, 3);
        }
    }
}
