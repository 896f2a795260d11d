//! What runs come to, by name: faults that never lead anywhere would prove little.

use holdfast_kernel::image::{ClusterImage, PartitionRecord};

/// Something that a run may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Situation {
    /// A replica leads with a high watermark below the start of its epoch.
    LedBelowEpochStart,
    /// Producers that waited are told that their leader is gone.
    WaitersFailed,
    /// Nothing is taken, because too few are in sync.
    TooFewInSync,
    /// A batch that is in the log comes again.
    Retried,
    /// A batch comes whose predecessor is missing.
    OutOfOrder,
    /// A follower cuts its log.
    LogCut,
    /// Batches are lost with it, which were never committed.
    BatchesGivenUp,
    /// A follower's log begins anew, at its leader's log start.
    LogBegunAnew,
    /// A follower refuses a leader of an older epoch.
    LeaderFenced,
    /// A log start is inside a batch.
    StartInsideBatch,
    /// A change of the ISR is refused for good.
    WishRefused,
    /// The ISR shrinks.
    IsrShrank,
    /// The ISR grows.
    IsrGrew,
    /// Somebody becomes an eligible leader.
    BecameEligible,
    /// Nobody leads.
    Vacant,
    /// Somebody is elected that was only eligible.
    EligibleElected,
    /// Every member restarted, and one of them is elected.
    RestartedElected,
    /// The minimum changes while others are eligible.
    MinimumWithEligible,
    /// A controller goes, and what it was about to decide is agreed on.
    DecidedByTheGone,
    /// A controller goes, and what it was about to decide is lost.
    DecisionLost,
    /// A replica's bytes are damaged, and it leaves service.
    ReplicaOffline,
    /// A damaged leader is mended before another was elected, and goes on.
    SameLeaderAgain,
}

/// Every situation.
pub const SITUATIONS: &[Situation] = &[
    Situation::LedBelowEpochStart,
    Situation::WaitersFailed,
    Situation::TooFewInSync,
    Situation::Retried,
    Situation::OutOfOrder,
    Situation::LogCut,
    Situation::BatchesGivenUp,
    Situation::LogBegunAnew,
    Situation::LeaderFenced,
    Situation::StartInsideBatch,
    Situation::WishRefused,
    Situation::IsrShrank,
    Situation::IsrGrew,
    Situation::BecameEligible,
    Situation::Vacant,
    Situation::EligibleElected,
    Situation::RestartedElected,
    Situation::MinimumWithEligible,
    Situation::DecidedByTheGone,
    Situation::DecisionLost,
    Situation::ReplicaOffline,
    Situation::SameLeaderAgain,
];

/// How often each was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage([u64; SITUATIONS.len()]);

impl Coverage {
    /// A situation is seen.
    pub fn saw(&mut self, situation: Situation) {
        self.0[situation as usize] += 1;
    }

    /// How often a situation was seen.
    pub fn of(&self, situation: Situation) -> u64 {
        self.0[situation as usize]
    }

    /// Counts a run: each situation that it came to, once.
    pub fn count(&mut self, run: &Self) {
        for (runs, seen) in self.0.iter_mut().zip(run.0) {
            *runs += u64::from(seen > 0);
        }
    }

    /// What the change of a partition's record shows.
    pub(crate) fn changed(
        &mut self,
        image: &ClusterImage,
        before: &PartitionRecord,
        after: &PartitionRecord,
    ) {
        let lacks = |list: &PartitionRecord, member: &holdfast_kernel::image::IsrMember| {
            !list.isr.iter().any(|other| other.replica == member.replica)
        };
        let mut saw = |situation, seen: bool| {
            if seen {
                self.saw(situation);
            }
        };
        saw(
            Situation::IsrShrank,
            before.isr.iter().any(|member| lacks(after, member)),
        );
        saw(
            Situation::IsrGrew,
            after.isr.iter().any(|member| lacks(before, member)),
        );
        let eligible = |record: &PartitionRecord| record.elr.len();
        saw(
            Situation::BecameEligible,
            eligible(after) > eligible(before),
        );
        saw(
            Situation::Vacant,
            before.leader.is_some() && after.leader.is_none(),
        );
        saw(
            Situation::MinimumWithEligible,
            before.min_isr != after.min_isr && eligible(before) > 0,
        );
        let elected = after
            .leader
            .filter(|_| after.leader_epoch > before.leader_epoch)
            .and_then(|leader| image.brokers.get(&leader));
        let Some(leader) = elected.map(|broker| (broker.replica(), broker.epoch)) else {
            return;
        };
        let member = before.isr.iter().find(|m| m.replica == leader.0);
        saw(
            Situation::EligibleElected,
            member.is_none() && before.elr.iter().any(|m| m.replica == leader.0),
        );
        saw(
            Situation::RestartedElected,
            member.is_some_and(|member| member.epoch != leader.1),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_situation_has_its_own_place() {
        for (place, situation) in SITUATIONS.iter().enumerate() {
            assert_eq!(*situation as usize, place);
        }
    }

    #[test]
    fn runs_are_counted_and_not_what_each_saw() {
        let mut run = Coverage::default();
        run.saw(Situation::LogCut);
        run.saw(Situation::LogCut);
        let mut runs = Coverage::default();
        runs.count(&run);
        runs.count(&Coverage::default());
        assert_eq!(runs.of(Situation::LogCut), 1);
        assert_eq!(runs.of(Situation::IsrGrew), 0);
    }
}
