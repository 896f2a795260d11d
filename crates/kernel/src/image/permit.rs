//! The restart permit: leave to stop brokers on purpose. One at a time in the whole cluster, as a
//! committed record, so that a change of controller forgets nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use holdfast_model::{BrokerEpoch, BrokerId, Incarnation, TopicPartition};
use serde::{Deserialize, Serialize};

use super::{BrokerRecord, ClusterImage};

/// Brokers that one permit names at most.
pub const MAX_PERMIT_BROKERS: usize = 100;

/// Topics that one permit allows to be without enough replicas, at most.
pub const MAX_PERMIT_TOPICS: usize = 1_000;

/// Bytes of a holder's name.
pub const MAX_PERMIT_HOLDER: usize = 128;

/// Bytes of a reason.
pub const MAX_PERMIT_REASON: usize = 512;

/// Ended permits that the image remembers; the oldest are forgotten.
pub const PERMIT_HISTORY: usize = 64;

/// The feature level from which permits can be written.
pub const PERMIT_FEATURE_LEVEL: u32 = 2;

/// The number of a permit; never given twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PermitId(pub u64);

/// What the holder is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PermitPurpose {
    /// Stop the brokers and start them again.
    Restart,
    /// Stop the brokers and leave them stopped.
    Park,
}

/// How far a permit has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PermitStage {
    /// Leaders are being moved away; nobody may stop yet.
    Draining,
    /// The brokers may be stopped.
    Granted,
    /// The holder said that it is done, or the permit ran out; the slot is free once all brokers are
    /// caught up.
    Ending,
}

/// A broker of a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitBroker {
    /// Its number.
    pub broker: BrokerId,
    /// Its disk at the grant.
    pub incarnation: Incarnation,
    /// Its registration at the grant: with a later one it has restarted.
    pub epoch: BrokerEpoch,
}

/// The permit that has the slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitRecord {
    /// Its number.
    pub id: PermitId,
    /// Who asked for it, and asks again.
    pub holder: String,
    /// Why, in the holder's words.
    pub reason: String,
    /// What for.
    pub purpose: PermitPurpose,
    /// Whom it is for, by number.
    pub brokers: Vec<PermitBroker>,
    /// How far it has come.
    pub stage: PermitStage,
    /// Topics that the holder allows to be without enough replicas meanwhile.
    pub allow_unavailable: BTreeSet<String>,
    /// It was asked for whatever the rules say.
    pub force: bool,
    /// The rules that spoke against it, in sentences; it was granted by force.
    pub forced: Vec<String>,
    /// How long after its grant it runs out, milliseconds.
    pub ttl_ms: u64,
    /// It ran out before the holder gave it back.
    pub ran_out: bool,
}

/// What became of a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PermitOutcome {
    /// The brokers restarted and are caught up.
    Completed,
    /// Nobody had stopped: it was given back, or the rules spoke against it once leaders had moved.
    Cancelled,
    /// It ran out, and nobody had stopped.
    Expired,
    /// The brokers are stopped, as was meant.
    Parked,
    /// Somebody freed the slot by force.
    Broken,
}

/// A permit that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitEnd {
    /// As it was at its end.
    pub permit: PermitRecord,
    /// What became of it.
    pub end: PermitOutcome,
    /// The rules that spoke against it after all, in sentences, if that is why it was cancelled.
    pub because: Vec<String>,
}

impl fmt::Display for PermitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for PermitStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draining => "draining",
            Self::Granted => "granted",
            Self::Ending => "ending",
        })
    }
}

impl fmt::Display for PermitPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restart => "restart",
            Self::Park => "park",
        })
    }
}

impl fmt::Display for PermitOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Parked => "parked",
            Self::Broken => "broken",
        })
    }
}

impl PermitRecord {
    /// Whether it is for a broker.
    pub fn covers(&self, broker: BrokerId) -> bool {
        let found = self
            .brokers
            .binary_search_by_key(&broker, |named| named.broker);
        found.is_ok()
    }

    /// Whether its brokers are about to stop or may stop.
    pub fn is_in_force(&self) -> bool {
        self.stage != PermitStage::Ending
    }

    /// Its brokers' numbers.
    pub fn broker_ids(&self) -> Vec<BrokerId> {
        self.brokers.iter().map(|named| named.broker).collect()
    }
}

impl ClusterImage {
    pub(super) fn put_permit(&mut self, record: &PermitRecord) {
        self.next_permit = self.next_permit.max(record.id.0 + 1);
        self.permit = Some(Arc::new(record.clone()));
    }

    pub(super) fn end_permit(&mut self, id: PermitId, end: PermitOutcome, because: &[String]) {
        let Some(permit) = self.permit.take_if(|permit| permit.id == id) else {
            return;
        };
        let history = Arc::make_mut(&mut self.permit_history);
        history.push_back(PermitEnd {
            permit: Arc::unwrap_or_clone(permit),
            end,
            because: because.to_vec(),
        });
        while history.len() > PERMIT_HISTORY {
            history.pop_front();
        }
    }

    /// Whether a broker is about to stop, or may stop, under the permit.
    pub fn is_under_permit(&self, broker: BrokerId) -> bool {
        self.permit
            .as_ref()
            .is_some_and(|permit| permit.is_in_force() && permit.covers(broker))
    }

    /// Whether a broker is in the ISR of every partition that has a replica on it, under its present
    /// registration.
    pub fn is_caught_up(&self, broker: &BrokerRecord) -> bool {
        self.topics.iter().all(|(_, topic)| {
            topic.partitions.iter().all(|record| {
                !record.replicas.contains(&broker.id)
                    || record.isr.iter().any(|member| {
                        member.replica == broker.replica() && member.epoch == broker.epoch
                    })
            })
        })
    }

    /// A partition that lacks in-sync replicas once the brokers of a permit have stopped, and that it
    /// does not allow to. The grant's own rules are stricter and ask sessions too: this looks at what
    /// is agreed alone, and shares no code with them, so that each is a check of the other.
    pub fn starved_by(&self, permit: &PermitRecord) -> Option<TopicPartition> {
        // Who is down already, or on its way, stops nothing more.
        let stops: BTreeSet<BrokerId> = self
            .brokers
            .values()
            .filter(|broker| broker.is_countable() && permit.covers(broker.id))
            .map(|broker| broker.id)
            .collect();
        for (id, topic) in self.topics.iter() {
            if permit.allow_unavailable.contains(&topic.name) {
                continue;
            }
            for (index, record) in topic.partitions.iter().enumerate() {
                let mut left = 0;
                for member in &record.isr {
                    let Some(broker) = self.brokers.get(&member.replica.broker) else {
                        continue;
                    };
                    let same = broker.incarnation == member.replica.incarnation
                        && broker.epoch == member.epoch;
                    if same && broker.is_countable() && !stops.contains(&broker.id) {
                        left += 1;
                    }
                }
                let needed = record.replicas.len().min(record.min_isr as usize);
                if left < needed && record.replicas.iter().any(|id| stops.contains(id)) {
                    return Some(TopicPartition {
                        topic: *id,
                        partition: index as i32,
                    });
                }
            }
        }
        None
    }
}
