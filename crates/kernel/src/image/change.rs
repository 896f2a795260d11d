//! The changes that make a cluster image: plain assignments, decided by the leading controller.

use std::collections::BTreeMap;

use holdfast_model::{
    BrokerEpoch, BrokerId, ClusterId, ReplicaId, StartNumber, TopicId, TopicPartition,
};
use serde::{Deserialize, Serialize};

use super::{
    BrokerRecord, PERMIT_FEATURE_LEVEL, PartitionRecord, PermitId, PermitOutcome, PermitRecord,
    QuotaEntity, QuotaValue,
};

/// One assignment. All decisions were made before; applying it needs none, so that brokers of two
/// versions compute the same image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The cluster's identity, once.
    SetClusterId(ClusterId),
    /// The finalised feature level.
    SetFeatureLevel(u32),
    /// The broker epoch of the next registration.
    SetNextBrokerEpoch(BrokerEpoch),
    /// Everything below is handed out.
    SetNextProducerId(i64),
    /// A broker's new record.
    PutBroker(BrokerRecord),
    /// This disk may register under its broker id.
    Admit(ReplicaId),
    /// An incarnation that never returns, and its last start.
    Retire {
        /// The disk.
        replica: ReplicaId,
        /// The last start seen of it.
        start: StartNumber,
    },
    /// A topic, new or with other settings.
    PutTopic {
        /// Its identity.
        id: TopicId,
        /// Its name.
        name: String,
        /// All of its own settings.
        configs: BTreeMap<String, String>,
    },
    /// A partition's new record.
    PutPartition {
        /// Which one.
        at: TopicPartition,
        /// Its record.
        record: PartitionRecord,
    },
    /// A topic and its partitions are gone; brokers may delete its data.
    DeleteTopic(TopicId),
    /// A cluster-wide setting; none removes it.
    SetClusterConfig {
        /// Its name.
        key: String,
        /// Its value.
        value: Option<String>,
    },
    /// A setting of one broker; none removes it.
    SetBrokerConfig {
        /// The broker.
        broker: BrokerId,
        /// Its name.
        key: String,
        /// Its value.
        value: Option<String>,
    },
    /// The restart permit, new or changed. Written from feature level 2 on.
    PutPermit(PermitRecord),
    /// The restart permit is given up: the slot is free.
    EndPermit {
        /// Which one.
        id: PermitId,
        /// What became of it.
        end: PermitOutcome,
        /// Why the controller cancelled it, in sentences.
        because: Vec<String>,
    },
    /// A quota of some clients; none removes it. Written from feature level 2 on.
    SetClientQuota {
        /// Whose.
        entity: QuotaEntity,
        /// Of what.
        key: String,
        /// How much.
        value: Option<QuotaValue>,
    },
}

/// What one quorum entry carries: changes decided together on one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeBatch {
    /// Format of the changes, see [`change_format`].
    pub format: u16,
    /// The image version that the decisions were made on. A batch decided on another version than
    /// the one it meets is skipped as a whole: its decisions may not hold there.
    pub decided_on: u64,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// The newest format that this build reads.
pub const CHANGE_FORMAT: u16 = 2;

/// The format of changes that leave the cluster at a feature level.
///
/// Level 1 was written by a program that did not compare the level in the image with its own. The
/// number tells it at the very entry that raises the level that it must not go on: it would not see
/// permits, and could become the controller.
pub fn change_format(feature_level: u32) -> u16 {
    if feature_level < PERMIT_FEATURE_LEVEL {
        1
    } else {
        2
    }
}

impl super::ClusterImage {
    /// Applies a committed batch; false if it was decided on another version and is skipped.
    pub fn apply_batch(&mut self, batch: &ChangeBatch) -> bool {
        if batch.decided_on != self.version {
            return false;
        }
        for change in &batch.changes {
            self.apply(change);
        }
        self.version += 1;
        true
    }
}
