//! Topics come, grow and go.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_model::internal_topic::CONSUMER_OFFSETS;
use holdfast_model::{
    BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Monotonic, PartitionEpoch, TopicPartition,
    limits,
};

use super::command::{CreatePartitionsRequest, NewTopic, TopicCreated, TopicReference};
use super::placement::Placement;
use super::{Controller, Draft, Failure, Outcome};
use crate::config;
use crate::image::{BrokerRecord, Change, ClusterImage, IsrMember, PartitionRecord};

impl Controller {
    pub(super) fn create_topics(
        &mut self,
        draft: &mut Draft,
        topics: &[NewTopic],
        now: Monotonic,
    ) -> Outcome {
        let mut placement = Placement::new(draft.image());
        let mut budget = limits::PARTITIONS_PER_REQUEST;
        let results = topics
            .iter()
            .map(|topic| self.create_topic(draft, topic, &mut placement, &mut budget, now))
            .collect();
        Outcome::TopicsCreated(results)
    }

    fn create_topic(
        &mut self,
        draft: &mut Draft,
        topic: &NewTopic,
        placement: &mut Placement,
        budget: &mut usize,
        now: Monotonic,
    ) -> Result<TopicCreated, Failure> {
        check_name(draft.image(), &topic.name)?;
        let configs = configs_of(topic)?;
        let assignments = self.assignments(draft.image(), topic, placement, budget)?;
        let created = TopicCreated {
            id: topic.id,
            partitions: assignments.len() as i32,
            replication_factor: assignments.first().map_or(0, Vec::len) as i16,
        };
        draft.put(Change::PutTopic {
            id: topic.id,
            name: topic.name.clone(),
            configs,
        });
        for (index, replicas) in assignments.into_iter().enumerate() {
            let at = TopicPartition {
                topic: topic.id,
                partition: index as i32,
            };
            self.put_new_partition(draft, at, replicas, now);
        }
        Ok(created)
    }

    fn assignments(
        &self,
        image: &ClusterImage,
        topic: &NewTopic,
        placement: &mut Placement,
        budget: &mut usize,
    ) -> Result<Vec<Vec<BrokerId>>, Failure> {
        if !topic.assignments.is_empty() {
            if topic.partitions.is_some() || topic.replication_factor.is_some() {
                return Err(Failure::new(
                    ErrorCode::InvalidRequest,
                    "with replica assignments, partitions and replication factor must be -1",
                ));
            }
            let expected = (0..).zip(topic.assignments.keys());
            if expected
                .into_iter()
                .any(|(index, partition): (i32, _)| index != *partition)
            {
                return Err(Failure::new(
                    ErrorCode::InvalidReplicaAssignment,
                    "partitions must be numbered from 0 without gaps",
                ));
            }
            let lists: Vec<Vec<BrokerId>> = topic.assignments.values().cloned().collect();
            spend(budget, lists.len())?;
            check_assignments(image, &lists, lists[0].len())?;
            return Ok(lists);
        }
        let partitions = topic.partitions.unwrap_or(self.options.default_partitions);
        if !(1..=limits::PARTITIONS_PER_TOPIC).contains(&partitions) {
            return Err(Failure::new(
                ErrorCode::InvalidPartitions,
                format!(
                    "number of partitions must be from 1 to {}",
                    limits::PARTITIONS_PER_TOPIC
                ),
            ));
        }
        let factor = topic
            .replication_factor
            .unwrap_or(self.options.default_replication_factor);
        if factor < 1 {
            return Err(Failure::new(
                ErrorCode::InvalidReplicationFactor,
                "replication factor must be larger than 0, or -1 to use the default value",
            ));
        }
        place(placement, partitions as usize, factor as usize, budget)
    }

    fn put_new_partition(
        &mut self,
        draft: &mut Draft,
        at: TopicPartition,
        replicas: Vec<BrokerId>,
        now: Monotonic,
    ) {
        let image = draft.image();
        let min_isr = effective_min_isr(self, image, at, replicas.len());
        let isr: Vec<IsrMember> = replicas
            .iter()
            .filter_map(|id| image.brokers.get(id))
            .filter(|broker| broker.is_countable())
            .map(|broker| IsrMember {
                replica: broker.replica(),
                epoch: broker.epoch,
            })
            .collect();
        let live = isr.iter().filter(|member| {
            image
                .brokers
                .get(&member.replica.broker)
                .is_some_and(|b| self.is_live(b, now))
        });
        let leader = live.min_by_key(|member| image.is_under_permit(member.replica.broker));
        let leader = leader.or(isr.first()).copied();
        let record = PartitionRecord {
            replicas,
            leader: leader.map(|member| member.replica.broker),
            leader_registration: leader.map_or(BrokerEpoch(0), |member| member.epoch),
            leader_epoch: LeaderEpoch(0),
            isr,
            elr: Vec::new(),
            min_isr,
            partition_epoch: PartitionEpoch(0),
        };
        draft.put_partition(at, record);
    }

    pub(super) fn delete_topics(draft: &mut Draft, topics: &[TopicReference]) -> Outcome {
        let results = topics
            .iter()
            .map(|reference| {
                let found = match reference {
                    TopicReference::Name(name) => draft.image().topic_by_name(name).ok_or((
                        ErrorCode::UnknownTopicOrPartition,
                        "this server does not host this topic",
                    )),
                    TopicReference::Id(id) => draft
                        .image()
                        .topics
                        .get(id)
                        .ok_or((ErrorCode::UnknownTopicId, "no topic has this id")),
                };
                let (name, id) = found
                    .map(|topic| (topic.name.clone(), topic.id))
                    .map_err(|(code, message)| Failure::new(code, message))?;
                draft.put(Change::DeleteTopic(id));
                Ok((name, id))
            })
            .collect();
        Outcome::TopicsDeleted(results)
    }

    pub(super) fn create_partitions(
        &mut self,
        draft: &mut Draft,
        topics: &[CreatePartitionsRequest],
        now: Monotonic,
    ) -> Outcome {
        let mut placement = Placement::new(draft.image());
        let mut budget = limits::PARTITIONS_PER_REQUEST;
        let results = topics
            .iter()
            .map(|request| self.grow(draft, request, &mut placement, &mut budget, now))
            .collect();
        Outcome::PartitionsCreated(results)
    }

    fn grow(
        &mut self,
        draft: &mut Draft,
        request: &CreatePartitionsRequest,
        placement: &mut Placement,
        budget: &mut usize,
        now: Monotonic,
    ) -> Result<(), Failure> {
        if request.name == CONSUMER_OFFSETS {
            return Err(Failure::new(
                ErrorCode::InvalidRequest,
                "the partition of a group follows from their number: groups would lose their offsets",
            ));
        }
        let topic = draft
            .image()
            .topic_by_name(&request.name)
            .cloned()
            .ok_or_else(|| {
                Failure::new(
                    ErrorCode::UnknownTopicOrPartition,
                    "this server does not host this topic",
                )
            })?;
        let present = topic.partitions.len() as i32;
        let invalid = |message: String| Err(Failure::new(ErrorCode::InvalidPartitions, message));
        if request.count == present {
            return invalid(format!("topic already has {present} partition(s)"));
        }
        if request.count < present {
            return invalid(format!(
                "the topic currently has {present} partition(s); {} would not be an increase",
                request.count
            ));
        }
        if request.count > limits::PARTITIONS_PER_TOPIC {
            return invalid(format!(
                "at most {} partitions",
                limits::PARTITIONS_PER_TOPIC
            ));
        }
        let more = (request.count - present) as usize;
        let factor = topic
            .partitions
            .first()
            .map_or(1, |record| record.replicas.len());
        let lists = match &request.assignments {
            Some(lists) => {
                if lists.len() != more {
                    return Err(Failure::new(
                        ErrorCode::InvalidReplicaAssignment,
                        format!("{more} new partition(s), but {} assignment(s)", lists.len()),
                    ));
                }
                spend(budget, more)?;
                check_assignments(draft.image(), lists, factor)?;
                lists.clone()
            }
            None => place(placement, more, factor, budget)?,
        };
        for (index, replicas) in (present..).zip(lists) {
            let at = TopicPartition {
                topic: topic.id,
                partition: index,
            };
            self.put_new_partition(draft, at, replicas, now);
        }
        Ok(())
    }
}

/// The settings of a new topic. The brokers' own has its own, whoever makes it.
fn configs_of(topic: &NewTopic) -> Result<BTreeMap<String, String>, Failure> {
    let mut configs = topic.configs.clone();
    if topic.name == CONSUMER_OFFSETS {
        for (key, value) in config::CONSUMER_OFFSETS_CONFIGS {
            let default = || (*value).to_owned();
            configs.entry((*key).to_owned()).or_insert_with(default);
        }
    }
    for (key, value) in &configs {
        config::check_of(&topic.name, key, value)
            .map_err(|error| Failure::new(ErrorCode::InvalidConfig, error.to_string()))?;
    }
    Ok(configs)
}

/// min(min.insync.replicas, replication factor), as the image's settings have it.
pub(super) fn effective_min_isr(
    controller: &Controller,
    image: &ClusterImage,
    at: TopicPartition,
    replication_factor: usize,
) -> u32 {
    let Some(topic) = image.topics.get(&at.topic) else {
        return replication_factor as u32;
    };
    let mut cluster = controller.options.topic_defaults.clone();
    cluster.extend(image.cluster_configs.clone());
    let resolved = config::resolve(&topic.configs, &cluster);
    resolved.min_insync_replicas.min(replication_factor as u32)
}

fn spend(budget: &mut usize, partitions: usize) -> Result<(), Failure> {
    if partitions > *budget {
        return Err(Failure::new(
            ErrorCode::PolicyViolation,
            format!(
                "one request creates at most {} partitions",
                limits::PARTITIONS_PER_REQUEST
            ),
        ));
    }
    *budget -= partitions;
    Ok(())
}

fn place(
    placement: &mut Placement,
    partitions: usize,
    factor: usize,
    budget: &mut usize,
) -> Result<Vec<Vec<BrokerId>>, Failure> {
    if factor > placement.len() {
        return Err(Failure::new(
            ErrorCode::InvalidReplicationFactor,
            format!(
                "replication factor {factor} is larger than the {} broker(s) that can take replicas",
                placement.len()
            ),
        ));
    }
    spend(budget, partitions)?;
    Ok((0..partitions).map(|_| placement.place(factor)).collect())
}

fn check_assignments(
    image: &ClusterImage,
    lists: &[Vec<BrokerId>],
    factor: usize,
) -> Result<(), Failure> {
    let invalid = |message: String| Err(Failure::new(ErrorCode::InvalidReplicaAssignment, message));
    for list in lists {
        let unique: BTreeSet<_> = list.iter().collect();
        if list.is_empty() || unique.len() != list.len() {
            return invalid("a replica list is empty or names a broker twice".to_owned());
        }
        if list.len() != factor {
            return invalid(format!(
                "a replica list has {} brokers, not {factor}",
                list.len()
            ));
        }
        if let Some(unknown) = list.iter().find(|id| !image.brokers.contains_key(id)) {
            return invalid(format!("broker {unknown} is not registered"));
        }
        // A partition whose first ISR is empty could never have a leader.
        let live = |id: &BrokerId| {
            image
                .brokers
                .get(id)
                .is_some_and(BrokerRecord::is_countable)
        };
        if !list.iter().any(live) {
            return invalid("every broker of a replica list is fenced or stopping".to_owned());
        }
    }
    Ok(())
}

/// Kafka's rules for topic names, and its rule that names may not differ in `.` and `_` alone.
fn check_name(image: &ClusterImage, name: &str) -> Result<(), Failure> {
    if let Some(reason) = name_fault(name) {
        return Err(Failure::new(ErrorCode::InvalidTopicException, reason));
    }
    if image.topic_by_name(name).is_some() {
        return Err(Failure::new(
            ErrorCode::TopicAlreadyExists,
            format!("topic '{name}' already exists"),
        ));
    }
    if name.contains(['.', '_']) {
        let folded = name.replace('.', "_");
        let twin = image
            .names
            .iter()
            .find(|(other, _)| other.replace('.', "_") == folded);
        if let Some((other, _)) = twin {
            return Err(Failure::new(
                ErrorCode::InvalidTopicException,
                format!("topic '{name}' collides with existing topic: {other}"),
            ));
        }
    }
    Ok(())
}

/// Whether Kafka takes a topic name.
pub fn is_topic_name(name: &str) -> bool {
    name_fault(name).is_none()
}

/// What is wrong with a topic name, if anything is.
fn name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("topic name is invalid: the empty string is not allowed".to_owned());
    }
    if name == "." || name == ".." {
        return Some("topic name is invalid: '.' and '..' are not allowed".to_owned());
    }
    if name.len() > limits::TOPIC_NAME_LENGTH {
        return Some(format!(
            "topic name is invalid: longer than {} characters",
            limits::TOPIC_NAME_LENGTH
        ));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.chars().all(legal) {
        return Some(
            "topic name is invalid: only ASCII letters, digits, '.', '_' and '-' are allowed"
                .to_owned(),
        );
    }
    None
}
