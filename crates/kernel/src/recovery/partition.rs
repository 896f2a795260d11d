//! What becomes of each partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_model::{
    BrokerEpoch, LeaderEpoch, Offset, PartitionEpoch, ReplicaId, TopicId, TopicPartition,
};

use super::{Copy, Description, EPOCH_MARGIN, Fate, Verdict};
use crate::image::{ClusterImage, IsrMember, PartitionRecord};

/// The disks that are there and what they hold.
pub(super) struct Evidence<'a> {
    here: &'a BTreeSet<ReplicaId>,
    copies: BTreeMap<(TopicPartition, ReplicaId), &'a Copy>,
    /// The highest leader and partition epoch seen of each partition.
    epochs: BTreeMap<TopicPartition, (LeaderEpoch, PartitionEpoch)>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(descriptions: &'a [Description], here: &'a BTreeSet<ReplicaId>) -> Self {
        let mut copies = BTreeMap::new();
        let mut epochs = BTreeMap::<TopicPartition, (LeaderEpoch, PartitionEpoch)>::new();
        let mut see = |at, leader: LeaderEpoch, partition: PartitionEpoch| {
            let seen = epochs.entry(at).or_default();
            *seen = (seen.0.max(leader), seen.1.max(partition));
        };
        for one in descriptions {
            for copy in &one.copies {
                let leader = copy.last_epoch.max(copy.accepted_epoch);
                see(copy.at, leader, PartitionEpoch::default());
                copies.insert((copy.at, one.replica), copy);
            }
            for (topic, record) in one.image.topics.iter() {
                for (index, record) in record.partitions.iter().enumerate() {
                    see(
                        at(*topic, index),
                        record.leader_epoch,
                        record.partition_epoch,
                    );
                }
            }
        }
        Self {
            here,
            copies,
            epochs,
        }
    }

    /// How far a disk's copy reaches; an ISR member without a log has an empty one.
    fn reach(&self, at: TopicPartition, replica: ReplicaId) -> (LeaderEpoch, Offset) {
        let copy = self.copies.get(&(at, replica));
        copy.map_or((LeaderEpoch::UNKNOWN, Offset::ZERO), |copy| {
            (copy.last_epoch, copy.log_end)
        })
    }

    fn known_high_watermark(&self, at: TopicPartition, replica: ReplicaId) -> Offset {
        let copy = self.copies.get(&(at, replica));
        copy.map_or(Offset::ZERO, |copy| copy.known_high_watermark)
    }
}

fn at(topic: TopicId, index: usize) -> TopicPartition {
    TopicPartition {
        topic,
        partition: index as i32,
    }
}

/// Sets every partition's record right and says what it keeps, ascending by topic name and index.
pub(super) fn decide(image: &mut ClusterImage, evidence: &Evidence<'_>) -> Vec<Fate> {
    let registrations: BTreeMap<ReplicaId, BrokerEpoch> = image
        .brokers
        .values()
        .map(|record| (record.replica(), record.epoch))
        .collect();
    let mut topics: Vec<(String, TopicId)> = image
        .topics
        .iter()
        .map(|(id, topic)| (topic.name.clone(), *id))
        .collect();
    topics.sort_unstable();
    let mut fates = Vec::new();
    for (name, id) in topics {
        let Some(topic) = image.topics.get_mut(&id) else {
            continue;
        };
        for (index, record) in Arc::make_mut(topic).partitions.iter_mut().enumerate() {
            let at = at(id, index);
            fates.push(settle(at, &name, record, evidence, &registrations));
        }
    }
    fates
}

fn settle(
    at: TopicPartition,
    topic: &str,
    record: &mut PartitionRecord,
    evidence: &Evidence<'_>,
    registrations: &BTreeMap<ReplicaId, BrokerEpoch>,
) -> Fate {
    // A member counts only as the disk that is registered: one that was replaced is somebody else.
    let is_here = |member: &IsrMember| {
        evidence.here.contains(&member.replica) && registrations.contains_key(&member.replica)
    };
    record.isr.retain(is_here);
    record.elr.retain(is_here);
    let copies: Vec<ReplicaId> = evidence
        .copies
        .keys()
        .filter(|(of, replica)| *of == at && record.replicas.contains(&replica.broker))
        .map(|(_, replica)| *replica)
        .collect();
    let (verdict, source) = choose(at, record, &copies, evidence);
    if let (Verdict::MayLose, Some(best)) = (verdict, source) {
        record.isr = vec![IsrMember {
            replica: best,
            epoch: registrations.get(&best).copied().unwrap_or_default(),
        }];
        record.elr.clear();
    }
    raise_epochs(
        record,
        evidence.epochs.get(&at).copied().unwrap_or_default(),
    );
    let log_end = source.map_or(Offset::ZERO, |source| evidence.reach(at, source).1);
    // Of a copy out of sync only what it knew to be acknowledged is sure to be the true record.
    let may_lose_from = source
        .filter(|_| verdict == Verdict::MayLose)
        .map(|source| evidence.known_high_watermark(at, source).min(log_end));
    let offline = copies
        .into_iter()
        .filter(|copy| source.is_some() && evidence.known_high_watermark(at, *copy) > log_end);
    Fate {
        at,
        topic: topic.to_owned(),
        verdict,
        source,
        log_end,
        may_lose_from,
        offline: offline.collect(),
    }
}

/// The copy with which a partition goes on, and what it is worth. The record holds only members that
/// are there.
fn choose(
    at: TopicPartition,
    record: &PartitionRecord,
    copies: &[ReplicaId],
    evidence: &Evidence<'_>,
) -> (Verdict, Option<ReplicaId>) {
    let furthest = |of: &mut dyn DoubleEndedIterator<Item = ReplicaId>| {
        of.rev().max_by_key(|replica| evidence.reach(at, *replica))
    };
    // Metadata that has not heard that a member left may call a copy complete of which another copy
    // knows better.
    let is_complete = |source: &ReplicaId| {
        let end = evidence.reach(at, *source).1;
        copies
            .iter()
            .all(|copy| evidence.known_high_watermark(at, *copy) <= end)
    };
    let (verdict, members) = if record.isr.is_empty() {
        (Verdict::CompleteEligible, &record.elr)
    } else {
        (Verdict::Complete, &record.isr)
    };
    let member = furthest(&mut members.iter().map(|member| member.replica));
    if let Some(source) = member.filter(is_complete) {
        return (verdict, Some(source));
    }
    match furthest(&mut copies.iter().copied()) {
        Some(best) => (Verdict::MayLose, Some(best)),
        None => (Verdict::Lost, None),
    }
}

/// Nobody leads until the controller elects, under epochs that nobody has seen.
fn raise_epochs(record: &mut PartitionRecord, seen: (LeaderEpoch, PartitionEpoch)) {
    let leader = seen.0.max(record.leader_epoch);
    let partition = seen.1.max(record.partition_epoch);
    record.leader = None;
    record.leader_epoch = LeaderEpoch(leader.0.saturating_add(EPOCH_MARGIN));
    record.partition_epoch = PartitionEpoch(partition.0.saturating_add(EPOCH_MARGIN));
}
