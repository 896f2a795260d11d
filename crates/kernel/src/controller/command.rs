//! What the controller is asked, and what it answers.

use std::collections::BTreeMap;

use holdfast_model::{
    BrokerEpoch, BrokerId, ErrorCode, Incarnation, LeaderEpoch, Offset, ReplicaId, StartNumber,
    TopicId, TopicPartition,
};
use serde::{Deserialize, Serialize};

use super::permit::{PermitObstacle, PermitRequest};
use crate::image::{Endpoint, PermitEnd, PermitId, PermitRecord, QuotaEntity, level_one};
use crate::replica::IsrProposal;

/// A request to the controller. Ids and randomness come with it: the controller adds none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// A process started.
    Register(Registration),
    /// A leader asks for other ISRs.
    AlterIsr {
        /// The leader.
        broker: BrokerId,
        /// Its registration.
        broker_epoch: BrokerEpoch,
        /// The wishes.
        proposals: Vec<(TopicPartition, IsrProposal)>,
    },
    /// A broker is about to stop: its leaderships move first.
    Shutdown {
        /// The broker.
        broker: BrokerId,
        /// Its registration.
        broker_epoch: BrokerEpoch,
    },
    /// A leader gives partitions away, because its own disk is too slow or damaged.
    Resign {
        /// The leader.
        broker: BrokerId,
        /// Its registration.
        broker_epoch: BrokerEpoch,
        /// The partitions, with the leader epochs it gives up.
        partitions: Vec<(TopicPartition, LeaderEpoch)>,
    },
    /// New topics.
    CreateTopics {
        /// One by one.
        topics: Vec<NewTopic>,
        /// Only check.
        validate_only: bool,
    },
    /// Topics to delete.
    DeleteTopics {
        /// One by one.
        topics: Vec<TopicReference>,
    },
    /// More partitions.
    CreatePartitions {
        /// One by one.
        topics: Vec<CreatePartitionsRequest>,
        /// Only check.
        validate_only: bool,
    },
    /// Other settings.
    AlterConfigs {
        /// One by one.
        alterations: Vec<AlterConfig>,
        /// Only check.
        validate_only: bool,
    },
    /// A block of producer ids.
    AllocateProducerIds {
        /// For this broker.
        broker: BrokerId,
        /// Its registration.
        broker_epoch: BrokerEpoch,
        /// How many.
        count: u32,
    },
    /// A disk may take a broker's place.
    Admit(ReplicaId),
    /// Somebody wants to stop brokers on purpose. Asked again by the same holder for the same
    /// brokers, it answers how far the permit has come.
    AcquirePermit(PermitRequest),
    /// A holder is done with its permit.
    EndPermit {
        /// Which one.
        id: PermitId,
        /// Who says so; must be its holder, unless by force.
        holder: String,
        /// Whether to free the slot at once, whoever holds it and whoever is not back.
        force: bool,
    },
    /// New formats may be written from now on. There is no way back.
    RaiseFeatureLevel {
        /// The level to reach.
        level: u32,
    },
    /// Somebody wants leaders to be elected now rather than when the controller would by itself.
    ElectLeaders {
        /// Of these partitions; of all if not given.
        partitions: Option<Vec<TopicPartition>>,
        /// Whether a partition has a leader is all that matters, not which.
        any: bool,
    },
    /// Other quotas of clients.
    AlterClientQuotas {
        /// One by one.
        alterations: Vec<AlterQuotas>,
        /// Only check.
        validate_only: bool,
    },
}

/// What is to be changed of one entity's quotas: all of it, or nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlterQuotas {
    /// Whose.
    pub entity: QuotaEntity,
    /// Each quota's new value; none removes it.
    pub values: BTreeMap<String, Option<f64>>,
}

/// What a process says of itself when it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// Its number.
    pub broker: BrokerId,
    /// Its disk.
    pub incarnation: Incarnation,
    /// The process start.
    pub start: StartNumber,
    /// Drawn at random by the process: tells its own repeated registration from that of another
    /// process that bears the same start number, because its disk was rolled back or cloned.
    pub process: u64,
    /// Its zone.
    pub rack: Option<String>,
    /// Its client listeners.
    pub endpoints: Vec<Endpoint>,
    /// Its address for other brokers.
    pub rpc: Endpoint,
    /// Where each of its logs ends: (last epoch, log end).
    pub logs: Vec<(TopicPartition, LeaderEpoch, Offset)>,
    /// The version of its program.
    #[serde(default)]
    pub version: String,
    /// The newest feature level that its program knows.
    #[serde(default = "level_one")]
    pub max_feature_level: u32,
}

/// Where the logs of a registered process end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaReport {
    /// The registration that said so.
    pub epoch: BrokerEpoch,
    /// (last epoch, log end) of each log.
    pub logs: BTreeMap<TopicPartition, (LeaderEpoch, Offset)>,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewTopic {
    /// Its identity, drawn by whoever took the request.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// How many partitions; none takes the default.
    pub partitions: Option<i32>,
    /// How many replicas; none takes the default.
    pub replication_factor: Option<i16>,
    /// Replicas by partition, where the client wants to say.
    pub assignments: BTreeMap<i32, Vec<BrokerId>>,
    /// Settings.
    pub configs: BTreeMap<String, String>,
}

/// A topic by name or id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TopicReference {
    /// By name.
    Name(String),
    /// By id.
    Id(TopicId),
}

/// More partitions for a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePartitionsRequest {
    /// The topic.
    pub name: String,
    /// How many it shall have.
    pub count: i32,
    /// Replicas of each new partition, where the client wants to say.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// Whose settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigResource {
    /// A topic's.
    Topic(String),
    /// One broker's.
    Broker(BrokerId),
    /// Every broker's.
    Cluster,
}

/// Other settings for one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterConfig {
    /// Whose.
    pub resource: ConfigResource,
    /// Whether settings that are not named fall back to their defaults (Kafka's AlterConfigs).
    pub replace_all: bool,
    /// The changes.
    pub operations: Vec<(String, ConfigOperation)>,
}

/// What happens to one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigOperation {
    /// A new value.
    Set(String),
    /// Back to the default.
    Delete,
    /// Words added to a list.
    Append(String),
    /// Words taken from a list.
    Subtract(String),
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Kafka's code.
    pub code: ErrorCode,
    /// A sentence for a person.
    pub message: String,
}

impl Failure {
    /// A refusal with a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// A topic as it was created, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicCreated {
    /// Its identity.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas each has.
    pub replication_factor: i16,
}

/// The answer to a command. Lists have the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The whole command was refused.
    Failed(Failure),
    /// The process is registered, still fenced.
    Registered(BrokerEpoch),
    /// What became of each ISR wish; no error means that it is committed with the answer.
    IsrAltered(Vec<(TopicPartition, ErrorCode)>),
    /// How many partitions the stopping broker still leads, for want of another.
    Stopping {
        /// Partitions that stay led by it.
        still_led: u32,
    },
    /// The partitions were given to others, as far as there were any.
    Resigned,
    /// Each topic.
    TopicsCreated(Vec<Result<TopicCreated, Failure>>),
    /// Each topic, with its name and id.
    TopicsDeleted(Vec<Result<(String, TopicId), Failure>>),
    /// Each topic.
    PartitionsCreated(Vec<Result<(), Failure>>),
    /// Each resource.
    ConfigsAltered(Vec<Result<(), Failure>>),
    /// The first of the block's ids.
    ProducerIds(i64),
    /// The disk is admitted.
    Admitted,
    /// The permit as it stands; its stage says whether brokers may be stopped.
    Permit(PermitRecord),
    /// The permit has ended.
    PermitEnded(PermitEnd),
    /// No permit; what stands against it.
    PermitRefused(Vec<PermitObstacle>),
    /// The feature level that is in force.
    FeatureLevel(u32),
    /// What became of each partition, in the order of the request; of those that needed something if
    /// all were asked for.
    LeadersElected(Vec<(TopicPartition, Result<(), Failure>)>),
    /// Each entity.
    QuotasAltered(Vec<Result<(), Failure>>),
}
