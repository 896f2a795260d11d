//! The cluster image: everything the quorum has agreed on, and the changes that make it.

mod change;
mod permit;
mod quota;
mod record;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use holdfast_model::{
    BrokerEpoch, BrokerId, ClusterId, Incarnation, ReplicaId, StartNumber, TopicId, TopicPartition,
    invariant,
};
use serde::{Deserialize, Serialize};

pub use change::{CHANGE_FORMAT, Change, ChangeBatch, change_format};
pub use permit::{
    MAX_PERMIT_BROKERS, MAX_PERMIT_HOLDER, MAX_PERMIT_REASON, MAX_PERMIT_TOPICS,
    PERMIT_FEATURE_LEVEL, PERMIT_HISTORY, PermitBroker, PermitEnd, PermitId, PermitOutcome,
    PermitPurpose, PermitRecord, PermitStage,
};
pub use quota::{
    EntityKind, EntityName, MAX_QUOTA_ENTITIES, MAX_QUOTA_NAME, QuotaEntity, QuotaValue,
    check_quota,
};
pub(crate) use record::level_one;
pub use record::{BrokerRecord, Endpoint, IsrMember, PartitionRecord, TopicRecord};

use crate::planted::Planted;
use crate::sharded::ShardedMap;

/// Deleted topics whose ids the image remembers, so that a broker that comes back knows that its
/// copy was deleted on purpose. The oldest are forgotten; their data then stays as strays.
const TOMBSTONES: usize = 100_000;

/// The newest feature level that this build knows. New formats are written only at their level.
///
/// 1: what the first release wrote. 2: restart permits, groups of the consumer protocol, quotas of clients.
pub const FEATURE_LEVEL: u32 = 2;

/// The level from which on groups of the consumer protocol are served: an older version does not know
/// their records.
pub const CONSUMER_PROTOCOL_LEVEL: u32 = 2;

/// The level from which on quotas of clients are kept.
pub const QUOTA_FEATURE_LEVEL: u32 = 2;

/// What an image says of a topic that a disk has replicas of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there.
    Known,
    /// It was deleted: so are its replicas.
    Deleted,
    /// Nothing is known of it. The image may be too old, or what it was made from damaged: replicas are kept.
    Unknown,
}

/// The state that the quorum agreed on. A clone shares its structure with the original.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterImage {
    /// The cluster's identity; set by the first change.
    pub cluster_id: Option<ClusterId>,
    /// Counts the change batches applied: a batch names the count it was decided on.
    pub version: u64,
    /// The finalised feature level.
    pub feature_level: u32,
    /// The broker epoch of the next registration.
    pub next_broker_epoch: BrokerEpoch,
    /// The first producer id that was never handed out.
    pub next_producer_id: i64,
    /// Every broker that ever registered and was not removed.
    pub brokers: BTreeMap<BrokerId, BrokerRecord>,
    /// The disk that may register under each broker id: named at formation, or admitted since.
    pub admitted: BTreeMap<BrokerId, Incarnation>,
    /// Incarnations that were replaced; they never return.
    pub retired: BTreeMap<ReplicaId, StartNumber>,
    /// The topics.
    pub topics: ShardedMap<TopicId, Arc<TopicRecord>>,
    /// Their names.
    pub names: ShardedMap<String, TopicId>,
    /// Deleted topics, with the image version of their deletion.
    pub deleted: Arc<BTreeMap<TopicId, u64>>,
    /// Cluster-wide broker settings changed at run time.
    pub cluster_configs: BTreeMap<String, String>,
    /// Settings of single brokers changed at run time.
    pub broker_configs: BTreeMap<BrokerId, BTreeMap<String, String>>,
    /// The restart permit, if somebody has it.
    #[serde(default)]
    pub permit: Option<Arc<PermitRecord>>,
    /// The number of the next permit.
    #[serde(default)]
    pub next_permit: u64,
    /// The permits that ended last, the newest at the end.
    #[serde(default)]
    pub permit_history: Arc<VecDeque<PermitEnd>>,
    /// Quotas of clients, by whose they are.
    #[serde(default)]
    pub client_quotas: Arc<BTreeMap<QuotaEntity, BTreeMap<String, QuotaValue>>>,
}

impl ClusterImage {
    /// How a topic stands. Absence is not deletion: only the record of a deletion is.
    pub fn standing(&self, topic: TopicId, planted: Planted) -> Standing {
        if self.deleted.contains_key(&topic) {
            Standing::Deleted
        } else if self.topics.get(&topic).is_some() {
            Standing::Known
        } else if planted == Planted::AbsenceIsDeletion {
            Standing::Deleted
        } else {
            Standing::Unknown
        }
    }

    /// The topic with a name.
    pub fn topic_by_name(&self, name: &str) -> Option<&Arc<TopicRecord>> {
        self.topics.get(self.names.get(name)?)
    }

    /// The record of a partition.
    pub fn partition(&self, at: TopicPartition) -> Option<&PartitionRecord> {
        let topic = self.topics.get(&at.topic)?;
        topic.partitions.get(usize::try_from(at.partition).ok()?)
    }

    /// A broker's record, if its current disk is this incarnation.
    pub fn replica(&self, id: ReplicaId) -> Option<&BrokerRecord> {
        self.brokers
            .get(&id.broker)
            .filter(|broker| broker.incarnation == id.incarnation)
    }

    /// The incarnation under which a broker is registered now.
    pub fn incarnation(&self, broker: BrokerId) -> Option<Incarnation> {
        self.brokers.get(&broker).map(|record| record.incarnation)
    }

    /// How many partitions all topics have together.
    pub fn partition_count(&self) -> usize {
        self.topics
            .iter()
            .map(|(_, topic)| topic.partitions.len())
            .sum()
    }

    /// Applies one change. The quorum calls it with committed changes only, in order.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::SetClusterId(id) => self.cluster_id = Some(*id),
            Change::SetFeatureLevel(level) => self.feature_level = *level,
            Change::SetNextBrokerEpoch(epoch) => self.next_broker_epoch = *epoch,
            Change::SetNextProducerId(id) => {
                invariant!(
                    "INV-EPOCH-GROWS",
                    *id >= self.next_producer_id,
                    "producer id {id}"
                );
                self.next_producer_id = *id;
            }
            Change::PutBroker(record) => {
                self.brokers.insert(record.id, record.clone());
            }
            Change::Admit(replica) => {
                self.admitted.insert(replica.broker, replica.incarnation);
            }
            Change::Retire { replica, start } => {
                self.retired.insert(*replica, *start);
            }
            Change::PutTopic { id, name, configs } => self.put_topic(*id, name, configs),
            Change::PutPartition { at, record } => self.put_partition(*at, record),
            Change::DeleteTopic(id) => self.delete_topic(*id),
            Change::SetClusterConfig { key, value } => {
                set_or_remove(&mut self.cluster_configs, key, value.as_ref());
            }
            Change::SetBrokerConfig { broker, key, value } => {
                let configs = self.broker_configs.entry(*broker).or_default();
                set_or_remove(configs, key, value.as_ref());
            }
            Change::PutPermit(record) => self.put_permit(record),
            Change::EndPermit { id, end, because } => self.end_permit(*id, *end, because),
            Change::SetClientQuota { entity, key, value } => {
                self.set_client_quota(entity, key, *value);
            }
        }
    }

    fn put_topic(&mut self, id: TopicId, name: &str, configs: &BTreeMap<String, String>) {
        self.names.insert(name.to_owned(), id);
        if let Some(topic) = self.topics.get_mut(&id) {
            Arc::make_mut(topic).configs.clone_from(configs);
            return;
        }
        let record = TopicRecord {
            id,
            name: name.to_owned(),
            configs: configs.clone(),
            partitions: Vec::new(),
        };
        self.topics.insert(id, Arc::new(record));
    }

    fn put_partition(&mut self, at: TopicPartition, record: &PartitionRecord) {
        let Some(topic) = self.topics.get_mut(&at.topic) else {
            return;
        };
        let topic = Arc::make_mut(topic);
        let Ok(index) = usize::try_from(at.partition) else {
            return;
        };
        let count = topic.partitions.len();
        match topic.partitions.get_mut(index) {
            Some(old) => {
                invariant!(
                    "INV-EPOCH-GROWS",
                    record.leader_epoch >= old.leader_epoch
                        && record.partition_epoch > old.partition_epoch,
                    "{at}: {old:?} -> {record:?}"
                );
                *old = record.clone();
            }
            None if index == count => topic.partitions.push(record.clone()),
            None => {}
        }
    }

    fn set_client_quota(&mut self, entity: &QuotaEntity, key: &str, value: Option<QuotaValue>) {
        let quotas = Arc::make_mut(&mut self.client_quotas);
        let of_entity = quotas.entry(entity.clone()).or_default();
        match value {
            Some(value) => of_entity.insert(key.to_owned(), value),
            None => of_entity.remove(key),
        };
        if of_entity.is_empty() {
            quotas.remove(entity);
        }
    }

    fn delete_topic(&mut self, id: TopicId) {
        let Some(topic) = self.topics.remove(&id) else {
            return;
        };
        if self.names.get(&topic.name) == Some(&id) {
            self.names.remove(&topic.name);
        }
        let deleted = Arc::make_mut(&mut self.deleted);
        deleted.insert(id, self.version);
        while deleted.len() > TOMBSTONES {
            let oldest = deleted
                .iter()
                .min_by_key(|(_, version)| **version)
                .map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                deleted.remove(&oldest);
            }
        }
    }
}

fn set_or_remove(map: &mut BTreeMap<String, String>, key: &str, value: Option<&String>) {
    match value {
        Some(value) => map.insert(key.to_owned(), value.clone()),
        None => map.remove(key),
    };
}
