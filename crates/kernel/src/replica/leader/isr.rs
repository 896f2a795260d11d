//! The leader's side of the ISR: committed, in flight, and what to propose.

use std::collections::BTreeSet;

use holdfast_model::{BrokerId, Monotonic, PartitionEpoch, ReplicaId, invariant};

use super::Leader;
use crate::planted::Planted;
use crate::replica::message::{IsrProposal, ProposedMember};
use crate::replica::view::{PartitionView, ReplicaView};

/// The committed ISR and the one change that may be in flight.
#[derive(Clone, Debug)]
pub(super) struct IsrState {
    view: PartitionView,
    pending: Option<IsrProposal>,
    /// Members of every proposal sent on top of the present record. A refused or timed-out copy may
    /// still commit, so they count for the maximal ISR until a newer record settles all of them.
    at_risk: BTreeSet<ReplicaId>,
}

impl IsrState {
    pub(super) fn new(view: &PartitionView) -> Self {
        Self {
            view: view.clone(),
            pending: None,
            at_risk: BTreeSet::new(),
        }
    }

    pub(super) fn committed(&self) -> &[ReplicaId] {
        &self.view.isr
    }

    pub(super) fn min_isr(&self) -> usize {
        self.view.min_isr as usize
    }

    pub(super) fn replica(&self, broker: BrokerId) -> Option<&ReplicaView> {
        self.view.replica(broker)
    }

    /// How many members count toward the minimum: of the *committed* ISR, registered, unfenced and
    /// not stopping.
    pub(super) fn countable(&self, planted: Planted) -> usize {
        if planted == Planted::PendingIsrCounted {
            return self.maximal().len();
        }
        self.view.countable_isr()
    }

    /// Committed members together with those of the change in flight.
    pub(super) fn maximal(&self) -> BTreeSet<ReplicaId> {
        self.view.isr.iter().chain(&self.at_risk).copied().collect()
    }
}

impl Leader {
    /// The image has another record of this partition, or of the brokers that hold it. A change in
    /// flight is settled by a record with a higher partition epoch and by nothing else. True if the
    /// high watermark moved.
    pub fn on_view(&mut self, view: &PartitionView) -> bool {
        if view.leader_epoch != self.epoch || view.partition_epoch < self.isr.view.partition_epoch {
            return false;
        }
        let settled = self
            .isr
            .pending
            .as_ref()
            .is_some_and(|pending| pending.partition_epoch < view.partition_epoch);
        if settled {
            self.isr.pending = None;
            self.isr.at_risk.clear();
        }
        self.isr.view = view.clone();
        self.followers.retain(|broker, progress| {
            view.replica(*broker).is_some_and(|replica| {
                replica.replica == progress.replica && replica.broker_epoch == progress.broker_epoch
            })
        });
        self.advance()
    }

    /// The version of the partition record that is known.
    pub fn partition_epoch(&self) -> PartitionEpoch {
        self.isr.view.partition_epoch
    }

    /// The partition as the image showed it last.
    pub fn view(&self) -> &PartitionView {
        &self.isr.view
    }

    /// The change in flight: sent again until a record settles it.
    pub fn pending(&self) -> Option<&IsrProposal> {
        self.isr.pending.as_ref()
    }

    /// The controller refused the change in flight for a reason that will not pass. An earlier copy
    /// of it may still commit, so its members stay at risk: what surely can be committed is proposed
    /// on top of the same record, and whichever commits settles both. Members that may not be
    /// counted are left out: one that restarted while the controller did not hear this leader would
    /// be refused again and again.
    pub fn on_refused_proposal(&mut self) {
        let Some(pending) = &self.isr.pending else {
            return;
        };
        if self.options.planted == Planted::WishSettledByRefusal {
            self.isr.pending = None;
            self.isr.at_risk.clear();
            return;
        }
        let me = self.options.replica;
        let countable = |member: &ReplicaId| {
            *member == me
                || self
                    .isr
                    .replica(member.broker)
                    .is_some_and(|view| view.countable)
        };
        let committed = self.proposed(self.isr.view.isr.iter().copied().filter(countable));
        self.isr.pending = Some(IsrProposal {
            isr: committed,
            ..pending.clone()
        });
    }

    /// The ISR that this leader wishes, if it is not the committed one and no change is in flight. A
    /// member that restarted joins anew, under its present registration: until then nobody elects it
    /// or counts it as one that ran through.
    pub fn propose(&mut self, now: Monotonic) -> Option<IsrProposal> {
        if self.isr.pending.is_some() {
            return None;
        }
        let stays =
            |member: &ReplicaId| *member == self.options.replica || !self.is_lagging(*member, now);
        let kept: BTreeSet<ReplicaId> = self.isr.view.isr.iter().copied().filter(stays).collect();
        let joining: Vec<ReplicaId> = self
            .isr
            .view
            .replicas
            .iter()
            .filter(|view| !view.in_isr || view.restarted)
            .filter(|view| view.countable && self.may_join(view.replica))
            .map(|view| view.replica)
            .collect();
        if kept.len() == self.isr.view.isr.len() && joining.is_empty() {
            return None;
        }
        for member in &joining {
            let progress = self.current_progress(*member);
            invariant!(
                "INV-JOIN-CAUGHT-UP",
                self.options.planted != Planted::None
                    || progress.is_some_and(|p| {
                        p.synced_end >= self.high_watermark && p.synced_end >= self.epoch_start
                    }),
                "{member}"
            );
        }
        invariant!("INV-ONE-CHANGE", self.isr.pending.is_none());
        let rest = kept.iter().filter(|member| !joining.contains(member));
        let proposal = IsrProposal {
            leader_epoch: self.epoch,
            partition_epoch: self.isr.view.partition_epoch,
            isr: self.proposed(rest.chain(&joining).copied()),
        };
        self.isr
            .at_risk
            .extend(proposal.isr.iter().map(|member| member.replica));
        self.isr.pending = Some(proposal.clone());
        Some(proposal)
    }

    fn proposed(&self, members: impl Iterator<Item = ReplicaId>) -> Vec<ProposedMember> {
        members
            .filter_map(|replica| {
                let view = self.isr.replica(replica.broker)?;
                (view.replica == replica).then_some(ProposedMember {
                    replica,
                    broker_epoch: view.broker_epoch,
                })
            })
            .collect()
    }

    pub(super) fn is_lagging(&self, member: ReplicaId, now: Monotonic) -> bool {
        let caught_up = self
            .followers
            .get(&member.broker)
            .filter(|progress| progress.replica == member)
            .map_or(self.began, |progress| progress.last_caught_up);
        now.since(caught_up) > self.options.lag_max
    }

    fn may_join(&self, member: ReplicaId) -> bool {
        self.current_progress(member).is_some_and(|progress| {
            let floor = if self.options.planted == Planted::JoinBelowEpochStart {
                self.high_watermark
            } else {
                self.high_watermark.max(self.epoch_start)
            };
            let reached = if self.options.planted == Planted::JoinUnsynced {
                progress.log_end
            } else {
                progress.synced_end
            };
            reached >= floor
        })
    }
}
