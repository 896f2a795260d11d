//! One topic: looked at, brought to what is asked for, deleted.

use std::collections::BTreeMap;

use holdfast_kernel::controller::{
    AlterConfig, Command, ConfigOperation, ConfigResource, CreatePartitionsRequest, Failure,
    NewTopic, Outcome, TopicReference,
};
use holdfast_kernel::image::{ClusterImage, TopicRecord};
use holdfast_model::{ErrorCode, TopicId};
use holdfast_rpc::Status;
use holdfast_rpc::proto::admin::{DeleteTopicReply, EnsureTopicReply, EnsureTopicRequest, Topic};
use uuid::Uuid;

use super::{AdminApi, cluster, odd, refusal};

/// Settings of one topic.
const SETTINGS: usize = 100;

/// Longest name of a topic.
const NAME_BYTES: usize = 249;

fn shown(image: &ClusterImage, topic: &TopicRecord) -> Topic {
    let below = topic
        .partitions
        .iter()
        .filter(|record| cluster::reliable(image, record) < record.needed());
    Topic {
        name: topic.name.clone(),
        id: topic.id.to_string(),
        partitions: topic.partitions.len() as i32,
        replicas: topic
            .partitions
            .first()
            .map_or(0, |first| first.replicas.len() as i32),
        settings: topic.configs.clone().into_iter().collect(),
        below_min: below.count() as u32,
    }
}

fn one<T>(results: Vec<Result<T, Failure>>) -> Result<T, Status> {
    match results.into_iter().next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(failure)) => Err(refusal(&failure)),
        None => Err(Status::internal("the controller answered nothing")),
    }
}

/// Why something was not done.
struct Refusal {
    status: Status,
    /// It may have been done already, and this broker's image may not show it yet.
    may_be_behind: bool,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self {
            status,
            may_be_behind: false,
        }
    }
}

/// The result. A failure with this code may mean that what is asked for is there.
fn decided<T>(results: Vec<Result<T, Failure>>, there: ErrorCode) -> Result<T, Refusal> {
    let first = results.first();
    let may_be_behind =
        first.is_some_and(|result| matches!(result, Err(failure) if failure.code == there));
    one(results).map_err(|status| Refusal {
        status,
        may_be_behind,
    })
}

impl AdminApi {
    pub(super) fn topic(&self, name: &str) -> Result<Topic, Status> {
        let image = self.state.image();
        let topic = image.topic_by_name(name);
        topic
            .map(|topic| shown(&image, topic))
            .ok_or_else(|| Status::not_found(format!("no topic '{name}'")))
    }

    pub(super) async fn ensure(
        &self,
        asked: EnsureTopicRequest,
    ) -> Result<EnsureTopicReply, Status> {
        if asked.name.len() > NAME_BYTES || asked.settings.len() > SETTINGS {
            return Err(Status::invalid_argument(
                "the name or the settings are too long",
            ));
        }
        let first = self.topic(&asked.name).ok();
        let changed = match self.bring(&asked, first.as_ref()).await {
            Err(refusal) if refusal.may_be_behind => {
                self.hear_of_more(&asked.name, first.as_ref()).await;
                let second = self.topic(&asked.name).ok();
                self.bring(&asked, second.as_ref()).await
            }
            other => other,
        };
        let changed = changed.map_err(|refusal| refusal.status)?;
        Ok(EnsureTopicReply {
            topic: Some(self.topic(&asked.name)?),
            changed,
        })
    }

    async fn bring(
        &self,
        asked: &EnsureTopicRequest,
        found: Option<&Topic>,
    ) -> Result<bool, Refusal> {
        match found {
            None => self.create(asked).await,
            Some(found) => self.adjust(asked, found).await,
        }
    }

    /// Waits, for a moment, until the topic has more partitions here than were found.
    async fn hear_of_more(&self, name: &str, found: Option<&Topic>) {
        let found = found.map_or(0, |found| found.partitions as usize);
        let has_more = |image: &ClusterImage| {
            let topic = image.topic_by_name(name);
            topic.is_some_and(|topic| topic.partitions.len() > found)
        };
        self.state.wait_until(has_more).await;
    }

    async fn create(&self, asked: &EnsureTopicRequest) -> Result<bool, Refusal> {
        let replicas = i16::try_from(asked.replicas)
            .map_err(|_large| Status::invalid_argument("too many replicas"))?;
        let command = Command::CreateTopics {
            topics: vec![NewTopic {
                id: TopicId(Uuid::new_v4()),
                name: asked.name.clone(),
                partitions: Some(asked.partitions),
                replication_factor: Some(replicas),
                assignments: BTreeMap::new(),
                configs: asked.settings.clone().into_iter().collect(),
            }],
            validate_only: false,
        };
        match self.state.decide(command).await {
            Outcome::TopicsCreated(results) => {
                let created = decided(results, ErrorCode::TopicAlreadyExists)?;
                self.state.wait_for_topics(&[created.id]).await;
                Ok(true)
            }
            Outcome::Failed(failure) => Err(refusal(&failure).into()),
            other => Err(odd(&other).into()),
        }
    }

    /// Brings an existing topic to what is asked for, as far as that loses nothing.
    async fn adjust(&self, asked: &EnsureTopicRequest, found: &Topic) -> Result<bool, Refusal> {
        let refused = |message: String| Err(Status::failed_precondition(message).into());
        if asked.partitions < found.partitions {
            return refused(format!(
                "topic {} has {} partitions and cannot shrink to {}: the records of those that go \
                 would be lost",
                asked.name, found.partitions, asked.partitions
            ));
        }
        if asked.replicas != found.replicas {
            return refused(format!(
                "topic {} is kept on {} brokers; moving it to {} is not possible yet",
                asked.name, found.replicas, asked.replicas
            ));
        }
        let mut changed = false;
        if asked.partitions > found.partitions {
            self.grow(&asked.name, asked.partitions).await?;
            changed = true;
        }
        if asked.settings != found.settings {
            self.configure(asked).await?;
            changed = true;
        }
        if changed {
            let settings: BTreeMap<_, _> = asked.settings.clone().into_iter().collect();
            let as_asked = |image: &ClusterImage| {
                image.topic_by_name(&asked.name).is_some_and(|topic| {
                    topic.partitions.len() >= asked.partitions as usize && topic.configs == settings
                })
            };
            self.state.wait_until(as_asked).await;
        }
        Ok(changed)
    }

    async fn grow(&self, name: &str, count: i32) -> Result<(), Refusal> {
        let command = Command::CreatePartitions {
            topics: vec![CreatePartitionsRequest {
                name: name.to_owned(),
                count,
                assignments: None,
            }],
            validate_only: false,
        };
        match self.state.decide(command).await {
            Outcome::PartitionsCreated(results) => decided(results, ErrorCode::InvalidPartitions),
            Outcome::Failed(failure) => Err(refusal(&failure).into()),
            other => Err(odd(&other).into()),
        }
    }

    async fn configure(&self, asked: &EnsureTopicRequest) -> Result<(), Status> {
        let operations = asked.settings.iter();
        let operations =
            operations.map(|(key, value)| (key.clone(), ConfigOperation::Set(value.clone())));
        let command = Command::AlterConfigs {
            alterations: vec![AlterConfig {
                resource: ConfigResource::Topic(asked.name.clone()),
                replace_all: true,
                operations: operations.collect(),
            }],
            validate_only: false,
        };
        match self.state.decide(command).await {
            Outcome::ConfigsAltered(results) => one(results),
            Outcome::Failed(failure) => Err(refusal(&failure)),
            other => Err(odd(&other)),
        }
    }

    pub(super) async fn delete(&self, name: String) -> Result<DeleteTopicReply, Status> {
        let command = Command::DeleteTopics {
            topics: vec![TopicReference::Name(name)],
        };
        match self.state.decide(command).await {
            Outcome::TopicsDeleted(results) => match results.into_iter().next() {
                Some(Err(failure)) if failure.code == ErrorCode::UnknownTopicOrPartition => {
                    Ok(DeleteTopicReply { deleted: false })
                }
                Some(Err(failure)) => Err(refusal(&failure)),
                Some(Ok(_)) | None => Ok(DeleteTopicReply { deleted: true }),
            },
            Outcome::Failed(failure) => Err(refusal(&failure)),
            other => Err(odd(&other)),
        }
    }
}
