//! What happens when nobody asks for anything.

use std::sync::Arc;

use holdfast_model::Monotonic;

use super::super::{GroupOptions, MemberId, Planted};
use super::{ClassicGroup, JoinPhase, Now, State, Steps};

impl ClassicGroup {
    /// When it must be looked at.
    pub(in super::super) fn next_deadline(&self) -> Option<Monotonic> {
        let session = self.sessions.first().map(|(deadline, _)| *deadline);
        let join = self.join_phase.map(|phase| phase.deadline);
        [session, join, self.sync_deadline]
            .into_iter()
            .flatten()
            .min()
    }

    /// Ends what is over.
    pub(in super::super) fn tick(&mut self, now: Now, options: &GroupOptions, steps: &mut Steps) {
        self.end_sessions(now, steps);
        self.end_sync(now, steps);
        self.end_join_phase(now, options, steps);
    }

    fn end_sessions(&mut self, now: Now, steps: &mut Steps) {
        while let Some((deadline, id)) = self.sessions.first().cloned() {
            if deadline > now.monotonic {
                break;
            }
            self.sessions.pop_first();
            if self.expected.remove(&id).is_some() {
                self.complete_if_all_joined(now, steps);
                continue;
            }
            if let Some(member) = self.members.get_mut(&id) {
                member.deadline = None;
            }
            if self.planted != Planted::SessionsNeverEnd {
                self.remove(now, &id, steps);
            }
        }
    }

    fn end_sync(&mut self, now: Now, steps: &mut Steps) {
        if self
            .sync_deadline
            .is_none_or(|deadline| deadline > now.monotonic)
        {
            return;
        }
        self.sync_deadline = None;
        let silent: Vec<MemberId> = std::mem::take(&mut self.unsynced).into_iter().collect();
        let waits = matches!(self.state, State::CompletingRebalance | State::Stable);
        if !waits || silent.is_empty() {
            return;
        }
        for id in silent {
            if let Some(member) = self.take(&id) {
                super::membership::answer_away(
                    &member,
                    &id,
                    holdfast_model::ErrorCode::UnknownMemberId,
                    steps,
                );
            }
        }
        self.prepare(now, steps);
    }

    fn end_join_phase(&mut self, now: Now, options: &GroupOptions, steps: &mut Steps) {
        let Some(phase) = self.join_phase else {
            return;
        };
        if phase.deadline > now.monotonic {
            return;
        }
        let more = phase.extension.unwrap_or_default();
        if self.grew && !more.is_zero() {
            self.grew = false;
            let step = options.initial_rebalance_delay.min(more);
            self.join_phase = Some(JoinPhase {
                deadline: now.monotonic.plus(step),
                extension: Some(more.saturating_sub(step)),
            });
            return;
        }
        // Who has an id and never joined is not waited for any longer.
        let ids: Vec<MemberId> = self.expected.keys().map(Arc::clone).collect();
        for id in ids {
            self.forget_expected(&id);
        }
        self.complete(now, steps);
    }
}
