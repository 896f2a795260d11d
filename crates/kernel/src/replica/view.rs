//! What a replica needs of the cluster image.

use holdfast_model::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, ReplicaId, TopicPartition,
};

use crate::image::{ClusterImage, PartitionRecord};
use crate::log::ReplicaLog;

/// One assigned replica as the image shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaView {
    /// The disk that is registered under the broker id.
    pub replica: ReplicaId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// Registered, unfenced and not stopping.
    pub countable: bool,
    /// In the committed ISR with this disk.
    pub in_isr: bool,
    /// In the committed ISR under an earlier registration: it has restarted and was not taken out,
    /// because the controller of that moment had not heard from the leader yet.
    pub restarted: bool,
}

/// One partition as the image shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// Which partition.
    pub at: TopicPartition,
    /// The leader, with the registration under which it was elected.
    pub leader: Option<(BrokerId, BrokerEpoch)>,
    /// The leadership.
    pub leader_epoch: LeaderEpoch,
    /// The version of the record.
    pub partition_epoch: PartitionEpoch,
    /// How many countable members the committed ISR needs.
    pub min_isr: u32,
    /// The assigned replicas whose brokers are registered.
    pub replicas: Vec<ReplicaView>,
    /// The committed ISR, also where the member's disk is no longer registered.
    pub isr: Vec<ReplicaId>,
}

impl PartitionView {
    /// The view of one partition.
    pub fn of(image: &ClusterImage, at: TopicPartition) -> Option<Self> {
        image
            .partition(at)
            .map(|record| Self::build(image, at, record))
    }

    fn build(image: &ClusterImage, at: TopicPartition, record: &PartitionRecord) -> Self {
        let replicas = record
            .replicas
            .iter()
            .filter_map(|id| image.brokers.get(id))
            .map(|broker| {
                let mut isr = record.isr.iter();
                let member = isr.find(|member| member.replica == broker.replica());
                ReplicaView {
                    replica: broker.replica(),
                    broker_epoch: broker.epoch,
                    countable: broker.is_countable(),
                    in_isr: member.is_some(),
                    restarted: member.is_some_and(|member| member.epoch != broker.epoch),
                }
            })
            .collect();
        Self {
            at,
            leader: record
                .leader
                .map(|leader| (leader, record.leader_registration)),
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            min_isr: record.min_isr,
            replicas,
            isr: record.isr.iter().map(|member| member.replica).collect(),
        }
    }

    /// An assigned replica on a broker.
    pub fn replica(&self, broker: BrokerId) -> Option<&ReplicaView> {
        self.replicas
            .iter()
            .find(|view| view.replica.broker == broker)
    }

    /// Whether a replica with this registration leads by this view. A log that has accepted a newer
    /// epoch does not: the view is older than what another leader has said already, and the next
    /// one will name that leader.
    pub fn leads(&self, broker: BrokerId, registration: BrokerEpoch, log: &ReplicaLog) -> bool {
        self.leader == Some((broker, registration)) && self.leader_epoch >= log.leader_epoch()
    }

    /// How many members of the committed ISR may be counted.
    pub fn countable_isr(&self) -> usize {
        self.replicas
            .iter()
            .filter(|view| view.in_isr && view.countable)
            .count()
    }
}
