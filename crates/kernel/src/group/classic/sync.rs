//! SyncGroup: the leader's assignment is written, then everybody gets it.

use std::sync::Arc;

use holdfast_model::{ErrorCode, invariant};

use super::super::{Answer, MemberId, Planted, SyncAnswer, Ticket};
use super::{ClassicGroup, Now, Proposal, State, Steps, Store, SyncRequest};

impl ClassicGroup {
    /// A member asks for its assignment; the leader brings everybody's.
    pub(in super::super) fn sync(
        &mut self,
        now: Now,
        ticket: Ticket,
        request: SyncRequest,
        steps: &mut Steps,
    ) {
        let refuse = |code, steps: &mut Steps| {
            let answer = SyncAnswer::refused(code);
            steps.answers.push((ticket, Answer::Sync(answer)));
        };
        if let Err(code) = self.check_sync(&request) {
            return refuse(code, steps);
        }
        let id = Arc::clone(&request.member);
        match self.state {
            State::Empty => refuse(ErrorCode::UnknownMemberId, steps),
            State::PreparingRebalance => refuse(ErrorCode::RebalanceInProgress, steps),
            State::Stable => {
                self.synced(&id);
                self.restart_session(&id, now.monotonic);
                let answer = self.assigned(&id);
                steps.answers.push((ticket, Answer::Sync(answer)));
            }
            State::CompletingRebalance => {
                self.synced(&id);
                let member = self.members.get_mut(&id);
                if let Some(older) = member.and_then(|member| member.sync.replace(ticket)) {
                    // Only its newest request is waited for.
                    let answer = SyncAnswer::refused(ErrorCode::RebalanceInProgress);
                    steps.answers.push((older, Answer::Sync(answer)));
                }
                self.set_deadline(&id, None);
                if self.leader.as_ref() == Some(&id) && self.proposal.is_none() {
                    self.propose(now, request, steps);
                }
            }
        }
    }

    fn check_sync(&self, request: &SyncRequest) -> Result<(), ErrorCode> {
        self.check(&request.member, request.instance.as_deref())?;
        if request.generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |said: &Option<Arc<str>>, known: &Option<Arc<str>>| {
            said.is_some() && known.is_some() && said != known
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn propose(&mut self, now: Now, request: SyncRequest, steps: &mut Steps) {
        let mut assignments: std::collections::BTreeMap<MemberId, Arc<[u8]>> =
            request.assignments.into_iter().collect();
        assignments.retain(|id, _| self.members.contains_key(id));
        let value = self.value(now, &assignments);
        let generation = self.generation;
        self.proposal = Some(Proposal {
            generation,
            assignments,
        });
        steps.stores.push(Store::Assignment { generation, value });
        if self.planted == Planted::AssignmentBeforeWritten {
            self.assignment_written(now, generation, steps);
        }
    }

    /// The assignment of a generation is committed.
    pub(in super::super) fn assignment_written(
        &mut self,
        now: Now,
        generation: i32,
        steps: &mut Steps,
    ) {
        if self.state != State::CompletingRebalance {
            return;
        }
        let Some(proposal) = self.proposal.take_if(|one| one.generation == generation) else {
            return;
        };
        invariant!(
            "INV-GROUP-ONE-ASSIGNMENT",
            generation == self.generation,
            "an assignment of generation {generation} in {}",
            self.generation
        );
        self.enter(State::Stable, now);
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in &ids {
            let assignment = proposal.assignments.get(id);
            let Some(member) = self.members.get_mut(id) else {
                continue;
            };
            member.assignment = assignment.map_or_else(|| Arc::from([]), Arc::clone);
            if let Some(ticket) = member.sync.take() {
                let answer = self.assigned(id);
                steps.answers.push((ticket, Answer::Sync(answer)));
                self.restart_session(id, now.monotonic);
            }
        }
    }

    /// The assignment of a generation could not be appended: everybody joins again.
    pub(in super::super) fn assignment_refused(
        &mut self,
        now: Now,
        generation: i32,
        code: ErrorCode,
        steps: &mut Steps,
    ) {
        let proposed = self.proposal.take_if(|one| one.generation == generation);
        if proposed.is_some() && self.state == State::CompletingRebalance {
            self.fail_syncs(now, code, steps);
            self.prepare(now, steps);
        }
    }

    /// Answers every SyncGroup that waits; from then on those members must be heard of again.
    pub(super) fn fail_syncs(&mut self, now: Now, code: ErrorCode, steps: &mut Steps) {
        let mut failed = Vec::new();
        for (id, member) in &mut self.members {
            if let Some(ticket) = member.sync.take() {
                let answer = SyncAnswer::refused(code);
                steps.answers.push((ticket, Answer::Sync(answer)));
                failed.push(Arc::clone(id));
            }
        }
        for id in &failed {
            self.restart_session(id, now.monotonic);
        }
    }

    fn synced(&mut self, id: &MemberId) {
        self.unsynced.remove(id);
        if self.unsynced.is_empty() {
            self.sync_deadline = None;
        }
    }

    fn assigned(&self, id: &MemberId) -> SyncAnswer {
        let member = self.members.get(id);
        SyncAnswer {
            code: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member.map_or_else(|| Arc::from([]), |one| Arc::clone(&one.assignment)),
        }
    }
}
