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
        let found = self.topic(&asked.name).ok();
        let changed = match &found {
            None => self.create(&asked).await?,
            Some(found) => self.adjust(&asked, found).await?,
        };
        Ok(EnsureTopicReply {
            topic: Some(self.topic(&asked.name)?),
            changed,
        })
    }

    async fn create(&self, asked: &EnsureTopicRequest) -> Result<bool, Status> {
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
                let created = one(results)?;
                self.state.wait_for_topics(&[created.id]).await;
                Ok(true)
            }
            Outcome::Failed(failure) => Err(refusal(&failure)),
            other => Err(odd(&other)),
        }
    }

    /// Brings an existing topic to what is asked for, as far as that loses nothing.
    async fn adjust(&self, asked: &EnsureTopicRequest, found: &Topic) -> Result<bool, Status> {
        if asked.partitions < found.partitions {
            return Err(Status::failed_precondition(format!(
                "topic {} has {} partitions and cannot shrink to {}: the records of those that go \
                 would be lost",
                asked.name, found.partitions, asked.partitions
            )));
        }
        if asked.replicas != found.replicas {
            return Err(Status::failed_precondition(format!(
                "topic {} is kept on {} brokers; moving it to {} is not possible yet",
                asked.name, found.replicas, asked.replicas
            )));
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

    async fn grow(&self, name: &str, count: i32) -> Result<(), Status> {
        let command = Command::CreatePartitions {
            topics: vec![CreatePartitionsRequest {
                name: name.to_owned(),
                count,
                assignments: None,
            }],
            validate_only: false,
        };
        match self.state.decide(command).await {
            Outcome::PartitionsCreated(results) => one(results),
            Outcome::Failed(failure) => Err(refusal(&failure)),
            other => Err(odd(&other)),
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
