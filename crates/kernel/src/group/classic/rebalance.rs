//! From one generation to the next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::ErrorCode;

use super::super::member::millis_of;
use super::super::{
    Answer, GroupOptions, GroupValue, JoinAnswer, JoinedMember, MemberId, StoredMember,
};
use super::{ClassicGroup, JoinPhase, Now, State, Steps, Store};

impl ClassicGroup {
    /// The first members of a group that was empty: others are probably on their way.
    pub(super) fn begin_first(&mut self, now: Now, options: &GroupOptions) {
        let delay = options.initial_rebalance_delay;
        self.enter(State::PreparingRebalance, now);
        self.grew = false;
        self.join_phase = Some(JoinPhase {
            deadline: now.monotonic.plus(delay),
            extension: Some(self.rebalance_timeout().saturating_sub(delay)),
        });
    }

    /// Asks everybody to join again.
    pub(in super::super) fn prepare(&mut self, now: Now, steps: &mut Steps) {
        self.proposal = None;
        self.fail_syncs(now, ErrorCode::RebalanceInProgress, steps);
        self.sync_deadline = None;
        self.unsynced.clear();
        self.enter(State::PreparingRebalance, now);
        self.join_phase = Some(JoinPhase {
            deadline: now.monotonic.plus(self.rebalance_timeout()),
            extension: None,
        });
        self.complete_if_all_joined(now, steps);
    }

    /// Ends the join phase if nobody is waited for. A group that was empty waits all the same.
    pub(super) fn complete_if_all_joined(&mut self, now: Now, steps: &mut Steps) {
        let everybody = self.waiting == self.members.len() && self.expected.is_empty();
        let early = self
            .join_phase
            .is_some_and(|phase| phase.extension.is_none());
        if self.state == State::PreparingRebalance && early && everybody {
            self.complete(now, steps);
        }
    }

    /// Ends the join phase: who joined is in the next generation.
    pub(super) fn complete(&mut self, now: Now, steps: &mut Steps) {
        let late: Vec<MemberId> = self
            .members
            .iter()
            .filter(|(_, member)| member.join.is_none() && member.instance.is_none())
            .map(|(id, _)| Arc::clone(id))
            .collect();
        for id in late {
            self.take(&id);
        }
        if !self.members.is_empty() && !self.elect() {
            // Only static members that have not come back: they are waited for once more.
            self.join_phase = Some(JoinPhase {
                deadline: now.monotonic.plus(self.rebalance_timeout()),
                extension: None,
            });
            return;
        }
        self.join_phase = None;
        // Clients keep it in 31 bits.
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.enter(State::Empty, now);
            self.protocol = None;
            let value = self.value(now, &BTreeMap::new());
            steps.stores.push(Store::Emptied(value));
            return;
        }
        self.protocol = self.choose();
        self.enter(State::CompletingRebalance, now);
        self.unsynced = self.members.keys().cloned().collect();
        self.sync_deadline = Some(now.monotonic.plus(self.rebalance_timeout()));
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in &ids {
            if let Some(ticket) = self.finish_join(id) {
                let whole = self.leader.as_ref() == Some(id);
                let answer = self.joined(id, whole);
                steps.answers.push((ticket, Answer::Join(answer)));
            }
            self.restart_session(id, now.monotonic);
        }
    }

    /// Sees to it that the leader is one who joined.
    fn elect(&mut self) -> bool {
        let joined = |id: &MemberId| self.members.get(id).is_some_and(|m| m.join.is_some());
        if self.leader.as_ref().is_some_and(joined) {
            return true;
        }
        let next = self.members.keys().find(|id| joined(id)).cloned();
        let found = next.is_some();
        if found {
            self.leader = next;
        }
        found
    }

    /// The protocol that everybody knows and most prefer.
    pub(super) fn choose(&self) -> Option<Arc<str>> {
        let all = self.members.len();
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            let names = member.protocols.iter().map(|known| &known.name);
            if let Some(best) = names.into_iter().find(|n| self.known.get(*n) == Some(&all)) {
                *votes.entry(best).or_default() += 1;
            }
        }
        let most = votes.values().max().copied()?;
        let chosen = votes.into_iter().find(|(_, count)| *count == most);
        chosen.map(|(name, _)| Arc::clone(name))
    }

    /// The longest time that a member may take to join again.
    fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or_default()
    }

    /// The answer to a member that is in the present generation.
    pub(super) fn joined(&self, id: &MemberId, whole: bool) -> JoinAnswer {
        let protocol = self.protocol.as_deref().unwrap_or("");
        let members = self.members.iter().map(|(id, member)| JoinedMember {
            id: Arc::clone(id),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        });
        JoinAnswer {
            code: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| Arc::from("")),
            member: Arc::clone(id),
            members: if whole { members.collect() } else { Vec::new() },
            skip_assignment: false,
        }
    }

    pub(super) fn enter(&mut self, state: State, now: Now) {
        self.state = state;
        self.changed_ms = now.wall_ms;
    }

    /// What everybody has now.
    pub(in super::super) fn assignments(&self) -> BTreeMap<MemberId, Arc<[u8]>> {
        let members = self.members.iter();
        members
            .map(|(id, member)| (Arc::clone(id), Arc::clone(&member.assignment)))
            .collect()
    }

    /// The group as it is written.
    pub(in super::super) fn value(
        &self,
        now: Now,
        assignments: &BTreeMap<MemberId, Arc<[u8]>>,
    ) -> GroupValue {
        let name = self.protocol.as_deref().unwrap_or("");
        let members = self.members.iter().map(|(id, member)| StoredMember {
            id: Arc::clone(id),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            rebalance_timeout_ms: millis_of(member.rebalance_timeout),
            session_timeout_ms: millis_of(member.session_timeout),
            subscription: member.metadata(name),
            topics: member
                .protocol(name)
                .map_or_else(|| Arc::from([]), |known| Arc::clone(&known.topics)),
            assignment: assignments
                .get(id)
                .map_or_else(|| Arc::from([]), Arc::clone),
        });
        GroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| Arc::from("")),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            changed_ms: now.wall_ms,
            members: members.collect(),
        }
    }
}
