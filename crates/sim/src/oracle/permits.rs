//! What a restart permit promises, judged from what the quorum agreed on and from nothing else.

use std::collections::BTreeSet;

use holdfast_kernel::controller::QuorumView;
use holdfast_kernel::image::{
    BrokerRecord, Change, ChangeBatch, ClusterImage, PartitionRecord, PermitId, PermitOutcome,
    PermitRecord, PermitStage,
};
use holdfast_model::{BrokerId, TopicPartition};

/// An invariant's name, and what was seen.
type Breach = (&'static str, String);

/// The image as the oracle computes it itself, and what came of permits.
#[derive(Debug, Default)]
pub(super) struct Permits {
    image: ClusterImage,
    /// Partitions that had all their replicas in sync once.
    whole: BTreeSet<TopicPartition>,
    pub(super) granted: u64,
    pub(super) completed: u64,
}

impl Permits {
    pub(super) fn begin(&mut self, image: &ClusterImage) {
        self.image = image.clone();
    }

    /// The quorum has agreed on changes that were decided while these voters answered.
    pub(super) fn agreed(&mut self, batch: &ChangeBatch, voters: &QuorumView) -> Option<Breach> {
        let before = granted(&self.image);
        let mut breach = None;
        for change in &batch.changes {
            breach = breach.or_else(|| self.judge(change));
            self.image.apply(change);
        }
        let after = granted(&self.image);
        if let Some(permit) = self.image.permit.clone()
            && after != before
            && after.is_some()
        {
            self.granted += 1;
            breach = breach.or_else(|| self.judge_grant(&permit, voters));
        }
        breach
    }

    fn judge(&mut self, change: &Change) -> Option<Breach> {
        let held = self.image.permit.as_deref();
        match change {
            Change::PutPermit(record) => {
                let other = held.filter(|held| held.id != record.id)?;
                let text = format!("{record:?} while {other:?} has the slot");
                Some(("INV-PERMIT-SLOT", text))
            }
            Change::EndPermit { id, end, because } => {
                let Some(held) = held.filter(|held| held.id == *id) else {
                    return Some(("INV-PERMIT-SLOT", format!("{id} ends and has no slot")));
                };
                let done = matches!(end, PermitOutcome::Completed | PermitOutcome::Parked);
                self.completed += u64::from(done);
                let taken_back = !because.is_empty() && held.stage == PermitStage::Draining;
                if *end == PermitOutcome::Broken || taken_back {
                    return None;
                }
                let missing = held
                    .brokers
                    .iter()
                    .find(|named| !self.may_end(named.broker, *end))?;
                let text = format!("{end} without {missing:?}: {held:?}");
                Some(("INV-PERMIT-CAUGHT-UP", text))
            }
            _ => None,
        }
    }

    /// Whether a permit may end as far as this broker goes: caught up, or stopped as was meant.
    fn may_end(&self, id: BrokerId, end: PermitOutcome) -> bool {
        let Some(broker) = self.image.brokers.get(&id) else {
            return false;
        };
        if end == PermitOutcome::Parked && !broker.is_countable() {
            return true;
        }
        let behind = |record: &PartitionRecord| {
            record.replicas.contains(&id) && !counted(&self.image, record).contains(&id)
        };
        broker.is_countable() && !partitions(&self.image).any(|(_, record)| behind(record))
    }

    fn judge_grant(&self, permit: &PermitRecord, voters: &QuorumView) -> Option<Breach> {
        if permit.force {
            return None;
        }
        let stops = |id: &BrokerId| permit.brokers.iter().any(|named| named.broker == *id);
        let serving: Vec<BrokerId> = self
            .image
            .brokers
            .values()
            .filter(|broker| broker.is_countable() && stops(&broker.id))
            .map(|broker| broker.id)
            .collect();
        for (at, record) in partitions(&self.image) {
            let topic = self.image.topics.get(&at.topic);
            let allowed = topic.is_some_and(|t| permit.allow_unavailable.contains(&t.name));
            let touched = record.replicas.iter().any(|id| serving.contains(id));
            let left = counted(&self.image, record);
            if !allowed && touched && left.iter().filter(|id| !stops(id)).count() < needed(record) {
                let text = format!("{at}: {record:?} is left with too few by {permit:?}");
                return Some(("INV-PERMIT-MIN", text));
            }
        }
        let answering = voters.voters.iter().filter(|(voter, answers)| {
            let stays = !stops(&voter.broker);
            *answers && stays
        });
        (answering.count() * 2 <= voters.voters.len()).then(|| {
            let text = format!("{permit:?} leaves no majority of {voters:?}");
            ("INV-PERMIT-QUORUM", text)
        })
    }

    /// In a run in which nothing happens but rolls: a partition that lacks in-sync replicas.
    pub(super) fn unavailable(&mut self) -> Option<Breach> {
        let mut lacking = None;
        for (at, record) in partitions(&self.image) {
            let counted = counted(&self.image, record);
            if counted.len() == record.replicas.len() {
                self.whole.insert(at);
            } else if self.whole.contains(&at) && counted.len() < needed(record) {
                lacking = Some(format!(
                    "{at}: {record:?} while {:?} has the slot",
                    self.image.permit
                ));
            }
        }
        lacking.map(|text| ("AVAILABILITY", text))
    }
}

fn granted(image: &ClusterImage) -> Option<PermitId> {
    let permit = image.permit.as_ref()?;
    (permit.stage == PermitStage::Granted).then_some(permit.id)
}

fn partitions(image: &ClusterImage) -> impl Iterator<Item = (TopicPartition, &PartitionRecord)> {
    image.topics.iter().flat_map(|(topic, record)| {
        record
            .partitions
            .iter()
            .enumerate()
            .map(|(index, partition)| {
                let at = TopicPartition {
                    topic: *topic,
                    partition: index as i32,
                };
                (at, partition)
            })
    })
}

/// Members of an ISR that count: of the present disk and process, unfenced and not stopping.
fn counted(image: &ClusterImage, record: &PartitionRecord) -> Vec<BrokerId> {
    let known = |broker: &BrokerRecord| {
        let member = record.isr.iter().find(|m| m.replica == broker.replica());
        member.is_some_and(|member| member.epoch == broker.epoch)
    };
    let brokers = image.brokers.values();
    brokers
        .filter(|broker| broker.is_countable() && known(broker))
        .map(|broker| broker.id)
        .collect()
}

fn needed(record: &PartitionRecord) -> usize {
    record.replicas.len().min(record.min_isr as usize)
}
