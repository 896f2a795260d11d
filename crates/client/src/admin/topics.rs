//! Creating, growing and deleting topics.

use holdfast_model::TopicId;
use holdfast_wire::messages::create_partitions_request::CreatePartitionsTopic;
use holdfast_wire::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use holdfast_wire::messages::delete_topics_request::DeleteTopicState;
use holdfast_wire::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
};

use super::{Admin, CHANGE_TIMEOUT_MS, CreatedTopic, single, text, topic_name};
use crate::Error;

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Its partitions; -1 for the cluster's default.
    pub partitions: i32,
    /// The replicas of each partition; -1 for the cluster's default.
    pub replication_factor: i16,
    /// The brokers of each partition, in order of preference, by hand; empty lets the cluster
    /// place them. Then `partitions` and `replication_factor` must be -1.
    pub assignment: Vec<Vec<i32>>,
    /// Settings by Kafka's names.
    pub configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic with the cluster's defaults for everything.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: -1,
            replication_factor: -1,
            assignment: Vec::new(),
            configs: Vec::new(),
        }
    }
}

impl Admin {
    /// Creates a topic; `validate_only` only says whether that would work.
    ///
    /// # Errors
    /// The cluster's answer for the topic.
    pub async fn create_topic(
        &self,
        topic: &NewTopic,
        validate_only: bool,
    ) -> Result<CreatedTopic, Error> {
        let assignment = |(index, brokers): (usize, &Vec<i32>)| {
            CreatableReplicaAssignment::default()
                .with_partition_index(index as i32)
                .with_broker_ids(brokers.iter().copied().map(BrokerId).collect())
        };
        let config = |(name, value): &(String, String)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        };
        let row = CreatableTopic::default()
            .with_name(topic_name(&topic.name))
            .with_num_partitions(topic.partitions)
            .with_replication_factor(topic.replication_factor)
            .with_assignments(
                topic
                    .assignment
                    .iter()
                    .enumerate()
                    .map(assignment)
                    .collect(),
            )
            .with_configs(topic.configs.iter().map(config).collect());
        let body = CreateTopicsRequest::default()
            .with_topics(vec![row])
            .with_timeout_ms(CHANGE_TIMEOUT_MS)
            .with_validate_only(validate_only);
        let what = format!("create topic {}", topic.name);
        self.client
            .call_any(&body, |answer| {
                let row = single(answer.topics, &what)?;
                Error::check(row.error_code, row.error_message.as_deref(), || {
                    what.clone()
                })?;
                Ok(CreatedTopic {
                    name: topic.name.clone(),
                    id: TopicId(row.topic_id),
                })
            })
            .await
    }

    /// Deletes a topic and all its records.
    ///
    /// # Errors
    /// The cluster's answer for the topic.
    pub async fn delete_topic(&self, name: &str) -> Result<(), Error> {
        // The old versions read one list, the new ones the other, and neither takes both.
        let old = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(name)])
            .with_timeout_ms(CHANGE_TIMEOUT_MS);
        let new = DeleteTopicsRequest::default()
            .with_topics(vec![
                DeleteTopicState::default().with_name(Some(topic_name(name))),
            ])
            .with_timeout_ms(CHANGE_TIMEOUT_MS);
        let what = format!("delete topic {name}");
        self.client
            .retry(|| async {
                let connection = self.client.any_broker().await?;
                let by_state = connection.version(holdfast_wire::Api::DeleteTopics)? >= 6;
                let body = if by_state { &new } else { &old };
                let row = single(connection.call(body).await?.responses, &what)?;
                Error::check(row.error_code, row.error_message.as_deref(), || {
                    what.clone()
                })
            })
            .await
    }

    /// Raises the number of a topic's partitions to `count`.
    ///
    /// # Errors
    /// The cluster's answer for the topic.
    pub async fn create_partitions(&self, name: &str, count: i32) -> Result<(), Error> {
        let row = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None);
        let body = CreatePartitionsRequest::default()
            .with_topics(vec![row])
            .with_timeout_ms(CHANGE_TIMEOUT_MS);
        let what = format!("create partitions of {name}");
        self.client
            .call_any(&body, |answer| {
                let row = single(answer.results, &what)?;
                Error::check(row.error_code, row.error_message.as_deref(), || {
                    what.clone()
                })
            })
            .await
    }
}
