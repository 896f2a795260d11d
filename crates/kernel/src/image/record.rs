//! The records of the cluster image.

use std::collections::BTreeMap;

use holdfast_model::{
    BrokerEpoch, BrokerId, Incarnation, LeaderEpoch, PartitionEpoch, ReplicaId, StartNumber,
    TopicId,
};
use serde::{Deserialize, Serialize};

/// Where a broker can be reached under one listener name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The listener's name, as clients' connections know it.
    pub listener: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A registered broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerRecord {
    /// Its number.
    pub id: BrokerId,
    /// The life of its disk.
    pub incarnation: Incarnation,
    /// The process start on that disk that is registered now.
    pub start: StartNumber,
    /// The number that the process drew for itself.
    #[serde(default)]
    pub process: u64,
    /// This registration.
    pub epoch: BrokerEpoch,
    /// Its zone, Kafka's rack.
    pub rack: Option<String>,
    /// Its client listeners.
    pub endpoints: Vec<Endpoint>,
    /// Host and port for other brokers.
    pub rpc: Endpoint,
    /// Not heard from, or not ready yet: leads nothing, is counted nowhere, is not shown to clients.
    pub fenced: bool,
    /// About to stop: leads nothing and is counted nowhere.
    #[serde(default)]
    pub stopping: bool,
    /// The version of its program.
    #[serde(default)]
    pub version: String,
    /// The newest feature level that its program knows.
    #[serde(default = "level_one")]
    pub max_feature_level: u32,
}

/// What a program knows that does not say which feature levels it knows.
pub(crate) fn level_one() -> u32 {
    1
}

/// A member of an ISR: a disk, and the registration under which it joined. A member whose broker
/// registered again since then has restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IsrMember {
    /// The disk.
    pub replica: ReplicaId,
    /// The registration under which it joined.
    pub epoch: BrokerEpoch,
}

/// The agreed state of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionRecord {
    /// Assigned brokers; the first is the preferred leader.
    pub replicas: Vec<BrokerId>,
    /// The leader, if there is one.
    pub leader: Option<BrokerId>,
    /// The registration of the leader: binds the epoch to one process start.
    pub leader_registration: BrokerEpoch,
    /// The leadership.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Vec<IsrMember>,
    /// Replicas outside the ISR that hold everything acknowledged.
    pub elr: Vec<IsrMember>,
    /// How many countable members the committed ISR needs before the high watermark moves.
    pub min_isr: u32,
    /// Counts the changes of this record.
    pub partition_epoch: PartitionEpoch,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// Its identity.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// Its own settings, by Kafka's names; others come from the cluster's defaults.
    pub configs: BTreeMap<String, String>,
    /// Its partitions, by index.
    pub partitions: Vec<PartitionRecord>,
}

impl BrokerRecord {
    /// The disk that is registered.
    pub fn replica(&self) -> ReplicaId {
        ReplicaId {
            broker: self.id,
            incarnation: self.incarnation,
        }
    }

    /// Whether it may lead, join and be counted.
    pub fn is_countable(&self) -> bool {
        !self.fenced && !self.stopping
    }

    /// The endpoint of a listener.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.listener == listener)
    }
}

impl PartitionRecord {
    /// How many in-sync replicas acknowledgements by all need.
    pub fn needed(&self) -> usize {
        (self.min_isr as usize).min(self.replicas.len())
    }

    /// The ISR member on a broker.
    pub fn isr_member(&self, broker: BrokerId) -> Option<&IsrMember> {
        self.isr
            .iter()
            .find(|member| member.replica.broker == broker)
    }

    /// The eligible leader replica on a broker.
    pub fn elr_member(&self, broker: BrokerId) -> Option<&IsrMember> {
        self.elr
            .iter()
            .find(|member| member.replica.broker == broker)
    }
}
