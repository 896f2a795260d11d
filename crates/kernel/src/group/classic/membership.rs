//! Who is in the group: the maps that go together.

use std::sync::Arc;

use holdfast_model::{ErrorCode, Monotonic};

use super::super::{Answer, JoinAnswer, Member, MemberId, Protocol, SyncAnswer};
use super::{ClassicGroup, LeavingMember, Now, State, Steps};

impl ClassicGroup {
    /// Whether a member is who it says.
    pub(super) fn check(&self, member: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(known) if &**known != member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) {
            Ok(())
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    /// Whether a member could take part with what it knows.
    pub(super) fn could_take(&self, kind: &str, protocols: &[Protocol]) -> bool {
        if self.members.is_empty() {
            return !kind.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(kind)
            && protocols
                .iter()
                .any(|offered| self.known.get(&offered.name) == Some(&self.members.len()))
    }

    /// Adds a member; it must not be there.
    pub(super) fn insert(&mut self, id: &MemberId, member: Member) {
        if let Some(instance) = &member.instance {
            self.instances.insert(Arc::clone(instance), Arc::clone(id));
        }
        self.count(&member, 1);
        self.waiting += usize::from(member.join.is_some());
        self.leader.get_or_insert_with(|| Arc::clone(id));
        self.members.insert(Arc::clone(id), member);
    }

    /// Takes a member out, with everything that names it.
    pub(super) fn take(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        if let Some(instance) = &member.instance
            && self
                .instances
                .get(instance)
                .is_some_and(|known| &**known == id)
        {
            self.instances.remove(instance);
        }
        self.count(&member, -1);
        self.waiting -= usize::from(member.join.is_some());
        if let Some(deadline) = member.deadline {
            self.sessions.remove(&(deadline, Arc::from(id)));
        }
        self.unsynced.remove(id);
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    fn count(&mut self, member: &Member, by: isize) {
        // A protocol that is named twice is known once.
        let mut names: Vec<_> = member.protocols.iter().map(|known| &known.name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let count = self.known.entry(Arc::clone(name)).or_default();
            *count = count.saturating_add_signed(by);
            if *count == 0 {
                self.known.remove(name);
            }
        }
    }

    /// Changes what a member knows.
    pub(super) fn set_protocols(&mut self, id: &str, protocols: Vec<Protocol>) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        self.count(&member, -1);
        member.protocols = protocols;
        self.count(&member, 1);
        self.members.insert(Arc::from(id), member);
    }

    /// The session of a member begins again, unless it waits for an answer: then its connection is
    /// its life.
    pub(super) fn restart_session(&mut self, id: &str, now: Monotonic) {
        let Some(member) = self.members.get(id) else {
            return;
        };
        if member.join.is_none() && member.sync.is_none() {
            let deadline = now.plus(member.session_timeout);
            self.set_deadline(id, Some(deadline));
        }
    }

    /// When a member's session ends; none while it waits for an answer.
    pub(super) fn set_deadline(&mut self, id: &str, deadline: Option<Monotonic>) {
        let Some((id, member)) = self.members.get_key_value(id) else {
            return;
        };
        let id = Arc::clone(id);
        if let Some(before) = member.deadline {
            self.sessions.remove(&(before, Arc::clone(&id)));
        }
        if let Some(deadline) = deadline {
            self.sessions.insert((deadline, Arc::clone(&id)));
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.deadline = deadline;
        }
    }

    /// Somebody was given an id and is to join with it.
    pub(super) fn expect(&mut self, id: &MemberId, until: Monotonic) {
        self.sessions.insert((until, Arc::clone(id)));
        self.expected.insert(Arc::clone(id), until);
    }

    /// Nobody is waited for under this id any more.
    pub(super) fn forget_expected(&mut self, id: &str) -> bool {
        let Some((id, until)) = self.expected.remove_entry(id) else {
            return false;
        };
        self.sessions.remove(&(until, id));
        true
    }

    /// A member is gone: the others divide its work.
    pub(super) fn remove(&mut self, now: Now, id: &MemberId, steps: &mut Steps) {
        let Some(member) = self.take(id) else {
            return;
        };
        answer_away(&member, id, ErrorCode::UnknownMemberId, steps);
        match self.state {
            State::Empty => {}
            State::CompletingRebalance | State::Stable => self.prepare(now, steps),
            State::PreparingRebalance => self.complete_if_all_joined(now, steps),
        }
    }

    /// Somebody else coordinates now: everybody who waits is sent there.
    pub(in super::super) fn give_up(&self, code: ErrorCode, steps: &mut Steps) {
        for (id, member) in &self.members {
            answer_away(member, id, code, steps);
        }
    }

    /// LeaveGroup: an outcome for each.
    pub(in super::super) fn leave(
        &mut self,
        now: Now,
        leaving: &[LeavingMember],
        steps: &mut Steps,
    ) -> Vec<ErrorCode> {
        leaving
            .iter()
            .map(|one| match self.leaver(one) {
                Err(code) => code,
                Ok(id) => {
                    if self.forget_expected(&id) {
                        self.complete_if_all_joined(now, steps);
                    } else {
                        self.remove(now, &id, steps);
                    }
                    ErrorCode::None
                }
            })
            .collect()
    }

    /// The id of who leaves. A static member may be removed by its name alone.
    fn leaver(&self, leaving: &LeavingMember) -> Result<MemberId, ErrorCode> {
        let by_name = leaving.instance.as_ref();
        if leaving.member.is_empty() {
            return by_name
                .and_then(|name| self.instances.get(name))
                .map(Arc::clone)
                .ok_or(ErrorCode::UnknownMemberId);
        }
        if by_name.is_none() && self.expected.contains_key(&leaving.member) {
            return Ok(Arc::clone(&leaving.member));
        }
        self.check(&leaving.member, by_name.map(|name| &**name))?;
        Ok(Arc::clone(&leaving.member))
    }
}

/// Answers what a member that is no more one waits for.
pub(super) fn answer_away(member: &Member, id: &MemberId, code: ErrorCode, steps: &mut Steps) {
    if let Some(ticket) = member.join {
        let answer = JoinAnswer::refused(code, id);
        steps.answers.push((ticket, Answer::Join(answer)));
    }
    if let Some(ticket) = member.sync {
        let answer = SyncAnswer::refused(code);
        steps.answers.push((ticket, Answer::Sync(answer)));
    }
}
