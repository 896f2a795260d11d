//! Who leads a partition that has no leader, or is losing the one it has.

use holdfast_model::{BrokerId, LeaderEpoch, Monotonic, Offset, TopicPartition, invariant};

use super::Controller;
use super::draft::Draft;
use crate::image::{BrokerRecord, ClusterImage, IsrMember, PartitionRecord};
use crate::planted::Planted;

/// Why a partition's leadership does not move to its preferred replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmoved {
    /// It leads.
    Leads(BrokerId),
    NoReplicas,
    Absent(BrokerId),
    Stopping(BrokerId),
    Behind(BrokerId),
}

/// How the controller sees a member of an ISR or eligible list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Heard from, in the registration under which it joined.
    RanThrough,
    /// Heard from, but its process restarted since it joined.
    Restarted,
    /// Not heard from.
    Absent,
}

impl Controller {
    /// Whether a broker may be given leaderships now.
    pub(super) fn is_live(&self, broker: &BrokerRecord, now: Monotonic) -> bool {
        broker.is_countable()
            && self.sessions.is_confirmed(
                broker.id,
                broker.epoch,
                self.options.session_timeout,
                now,
            )
    }

    /// Whether a broker has been unfenced for a while.
    pub(super) fn is_settled(&self, broker: BrokerId, now: Monotonic) -> bool {
        self.unfenced_since
            .get(&broker)
            .is_some_and(|since| now.since(*since) >= self.options.settle_time)
    }

    pub(super) fn standing(
        &self,
        image: &ClusterImage,
        member: &IsrMember,
        now: Monotonic,
    ) -> Standing {
        match image.replica(member.replica) {
            Some(broker) if self.is_live(broker, now) => {
                if broker.epoch == member.epoch {
                    Standing::RanThrough
                } else {
                    Standing::Restarted
                }
            }
            _ => Standing::Absent,
        }
    }

    /// The next record of a partition that needs a leader other than `not`; none if nobody may lead
    /// it now.
    pub(super) fn elect(
        &self,
        image: &ClusterImage,
        at: TopicPartition,
        record: &PartitionRecord,
        not: Option<BrokerId>,
        now: Monotonic,
    ) -> Option<PartitionRecord> {
        let among = |list: &[IsrMember]| -> Vec<IsrMember> {
            let order = |member: &IsrMember| {
                record
                    .replicas
                    .iter()
                    .position(|id| *id == member.replica.broker)
            };
            let mut members: Vec<IsrMember> = list
                .iter()
                .filter(|member| Some(member.replica.broker) != not && order(member).is_some())
                .copied()
                .collect();
            members.sort_by_key(order);
            members
        };
        let isr = among(&record.isr);
        let chosen = self.choose(image, at, &isr, now).or_else(|| {
            // Eligible replicas hold everything acknowledged, but the ISR may hold more: they come
            // in once no ISR member is left to wait for.
            let isr_gone = record.isr.iter().all(|member| {
                image
                    .replica(member.replica)
                    .is_none_or(|broker| broker.fenced)
                    || Some(member.replica.broker) == not
            });
            if isr_gone {
                self.choose(image, at, &among(&record.elr), now)
            } else {
                None
            }
        })?;
        invariant!(
            "INV-LEADER-ELIGIBLE",
            record
                .isr
                .iter()
                .chain(&record.elr)
                .any(|m| m.replica == chosen.replica),
            "{at}: {chosen:?}"
        );
        let ran_through = self.standing(image, &chosen, now) == Standing::RanThrough;
        let current = |member: &IsrMember| IsrMember {
            replica: member.replica,
            epoch: image
                .replica(member.replica)
                .map_or(member.epoch, |broker| broker.epoch),
        };
        // Members that ran through keep their place beside a leader that ran through. After a
        // restart of all, the leader begins alone: the others prove themselves by catching up.
        let new_isr: Vec<IsrMember> = isr
            .iter()
            .filter(|member| {
                member.replica == chosen.replica
                    || (ran_through && self.standing(image, member, now) == Standing::RanThrough)
            })
            .map(current)
            .collect();
        let new_isr = if new_isr.is_empty() {
            vec![current(&chosen)]
        } else {
            new_isr
        };
        let mut next = record.clone();
        next.leader = Some(chosen.replica.broker);
        next.leader_registration = image.replica(chosen.replica).map(|b| b.epoch)?;
        next.leader_epoch = record.leader_epoch.next();
        set_isr(&mut next, new_isr);
        Some(next)
    }

    /// The member to lead: one that ran through if there is one, rather one that stays, rather one
    /// that has been there for a while; else, once all are heard from or the wait is over, the one whose log reaches
    /// furthest.
    fn choose(
        &self,
        image: &ClusterImage,
        at: TopicPartition,
        members: &[IsrMember],
        now: Monotonic,
    ) -> Option<IsrMember> {
        let standing = |member: &IsrMember| self.standing(image, member, now);
        let ran_through = || {
            members
                .iter()
                .filter(|m| standing(m) == Standing::RanThrough)
        };
        // One that is about to stop would not lead for long. Clients that lost a broker a moment ago
        // wait longer and longer before they connect again: one that just came back would lead, but
        // many could not reach it yet.
        let leaves = |m: &&IsrMember| image.is_under_permit(m.replica.broker);
        let fresh = |m: &&IsrMember| !self.is_settled(m.replica.broker, now);
        if let Some(member) = ran_through().min_by_key(|m| (leaves(m), fresh(m))) {
            return Some(*member);
        }
        // Who did not say where its log ends cannot be compared: it is asked with its next heartbeat.
        let reported = |member: &IsrMember| {
            let known = self.reports.get(&member.replica.broker).map(|r| r.epoch);
            known.is_some() && known == image.replica(member.replica).map(|broker| broker.epoch)
        };
        let restarted: Vec<&IsrMember> = members
            .iter()
            .filter(|m| standing(m) == Standing::Restarted && reported(m))
            .collect();
        let complete = restarted.len() == members.len();
        let waited = self
            .vacant
            .get(&at)
            .is_some_and(|since| now.since(*since) >= self.options.election_wait);
        if !complete && !waited {
            return None;
        }
        let reach = |member: &IsrMember| {
            self.reports
                .get(&member.replica.broker)
                .filter(|_| self.options.planted != Planted::ReportsIgnored)
                .and_then(|report| report.logs.get(&at))
                .map_or((LeaderEpoch::UNKNOWN, Offset::ZERO), |log| *log)
        };
        let mut best: Option<&IsrMember> = None;
        for member in restarted {
            if best.is_none_or(|leading| reach(member) > reach(leading)) {
                best = Some(member);
            }
        }
        best.copied()
    }

    /// The preferred replica of a partition that somebody else leads, if it can take over now.
    pub(super) fn preferred<'a>(
        &self,
        image: &'a ClusterImage,
        record: &PartitionRecord,
        now: Monotonic,
    ) -> Result<&'a BrokerRecord, Unmoved> {
        let preferred = record.replicas.first().copied();
        let preferred = preferred.ok_or(Unmoved::NoReplicas)?;
        if record.leader == Some(preferred) {
            return Err(Unmoved::Leads(preferred));
        }
        if image.is_under_permit(preferred) {
            return Err(Unmoved::Stopping(preferred));
        }
        let broker = image.brokers.get(&preferred);
        let broker = broker.filter(|broker| self.is_live(broker, now));
        let broker = broker.ok_or(Unmoved::Absent(preferred))?;
        let mut isr = record.isr.iter();
        let in_sync = isr.any(|m| m.replica == broker.replica() && m.epoch == broker.epoch);
        // Without a leader there is nobody to take over from: that is an election.
        if in_sync && record.leader.is_some() {
            Ok(broker)
        } else {
            Err(Unmoved::Behind(preferred))
        }
    }

    /// Elects leaders for vacant partitions.
    pub(super) fn fill_vacancies(&self, draft: &mut Draft, most: usize, now: Monotonic) {
        let mut filled = 0;
        for at in self.vacant.keys() {
            if filled == most {
                break;
            }
            let Some(record) = draft.image().partition(*at).filter(|r| r.leader.is_none()) else {
                continue;
            };
            if let Some(next) = self.elect(draft.image(), *at, record, None, now) {
                draft.put_partition(*at, next);
                filled += 1;
            }
        }
    }
}

/// The next record of a partition whose leadership a member takes over while all others stay.
pub(super) fn hand_over(record: &PartitionRecord, to: &BrokerRecord) -> PartitionRecord {
    let mut next = record.clone();
    next.leader = Some(to.id);
    next.leader_registration = to.epoch;
    next.leader_epoch = record.leader_epoch.next();
    next
}

/// Sets a record's ISR and keeps its eligible list right: members that leave while the ISR is below
/// the minimum stay eligible, and the list is emptied once the minimum is reached.
pub(super) fn set_isr(record: &mut PartitionRecord, isr: Vec<IsrMember>) {
    if isr.len() >= record.min_isr as usize {
        record.elr.clear();
    } else {
        let mut elr: Vec<IsrMember> = record
            .isr
            .iter()
            .chain(&record.elr)
            .filter(|old| !isr.iter().any(|member| member.replica == old.replica))
            .copied()
            .collect();
        elr.sort_unstable();
        elr.dedup_by_key(|member| member.replica);
        record.elr = elr;
    }
    record.isr = isr;
}
