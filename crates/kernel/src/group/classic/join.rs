//! JoinGroup.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::ErrorCode;

use super::super::{Answer, GroupOptions, JoinAnswer, Member, MemberId, SyncAnswer, Ticket};
use super::membership::answer_away;
use super::{ClassicGroup, JoinRequest, Now, State, Steps, Store};

/// How long a member that joined for the first time may wait for its generation: longer than any
/// client waits for the answer.
const FIRST_JOIN: Duration = Duration::from_mins(5);

impl ClassicGroup {
    /// A member joins, or joins again.
    pub(in super::super) fn join(
        &mut self,
        now: Now,
        ticket: Ticket,
        request: JoinRequest,
        options: &GroupOptions,
        steps: &mut Steps,
    ) {
        let id = request.member.clone().unwrap_or_else(|| Arc::from(""));
        let refuse = |code, steps: &mut Steps| {
            let answer = JoinAnswer::refused(code, &id);
            steps.answers.push((ticket, Answer::Join(answer)));
        };
        if !self.has_room(&request, options) {
            if self.members.contains_key(&id) {
                self.remove(now, &id, steps);
            }
            self.forget_expected(&id);
            return refuse(ErrorCode::GroupMaxSizeReached, steps);
        }
        if !self.could_take(&request.protocol_type, &request.protocols) {
            return refuse(ErrorCode::InconsistentGroupProtocol, steps);
        }
        let outcome = match request.member {
            None => {
                self.join_unknown(now, ticket, request, options, steps);
                Ok(())
            }
            Some(_) => self.join_known(now, ticket, request, options, steps),
        };
        match outcome {
            Err(code) => refuse(code, steps),
            Ok(()) => self.complete_if_all_joined(now, steps),
        }
    }

    fn has_room(&self, request: &JoinRequest, options: &GroupOptions) -> bool {
        let id = request.member.as_deref().unwrap_or("");
        let instance = request.instance.as_ref();
        let stays = instance.is_some_and(|name| self.instances.contains_key(name))
            || self.expected.contains_key(id);
        match self.state {
            State::Empty | State::CompletingRebalance | State::Stable => {
                let count = self.members.len() + self.expected.len();
                stays || self.members.contains_key(id) || count < options.max_size
            }
            // A group that was loaded and is too large shrinks to who comes first.
            State::PreparingRebalance => {
                let waits = self
                    .members
                    .get(id)
                    .is_some_and(|known| known.join.is_some());
                waits || self.waiting + self.expected.len() < options.max_size + usize::from(stays)
            }
        }
    }

    fn join_unknown(
        &mut self,
        now: Now,
        ticket: Ticket,
        request: JoinRequest,
        options: &GroupOptions,
        steps: &mut Steps,
    ) {
        let id = Arc::clone(&request.fresh);
        if let Some(instance) = &request.instance {
            match self.instances.get(instance).map(Arc::clone) {
                Some(before) => self.replace(now, ticket, &before, request, steps),
                None => self.add(now, ticket, &id, request, options, steps),
            }
            return;
        }
        if request.takes_id_first {
            self.expect(&id, now.monotonic.plus(request.session_timeout));
            let answer = JoinAnswer::refused(ErrorCode::MemberIdRequired, &id);
            steps.answers.push((ticket, Answer::Join(answer)));
        } else {
            self.add(now, ticket, &id, request, options, steps);
        }
    }

    fn join_known(
        &mut self,
        now: Now,
        ticket: Ticket,
        request: JoinRequest,
        options: &GroupOptions,
        steps: &mut Steps,
    ) -> Result<(), ErrorCode> {
        let Some(id) = request.member.clone() else {
            return Err(ErrorCode::UnknownMemberId);
        };
        if request.instance.is_none() && self.forget_expected(&id) {
            self.add(now, ticket, &id, request, options, steps);
            return Ok(());
        }
        self.check(&id, request.instance.as_deref())?;
        let same = self
            .members
            .get(&id)
            .is_some_and(|known| known.protocols == request.protocols);
        let leads = self.leader.as_ref() == Some(&id);
        match self.state {
            State::Empty => return Err(ErrorCode::UnknownMemberId),
            // Its answer was lost: it gets the same again.
            State::CompletingRebalance if same => self.repeat(ticket, &id, leads, now, steps),
            State::Stable if same && !leads => self.repeat(ticket, &id, false, now, steps),
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                self.update(now, ticket, &id, request, steps);
                if self.state != State::PreparingRebalance {
                    self.prepare(now, steps);
                }
            }
        }
        Ok(())
    }

    fn repeat(&mut self, ticket: Ticket, id: &MemberId, whole: bool, now: Now, steps: &mut Steps) {
        let answer = self.joined(id, whole);
        steps.answers.push((ticket, Answer::Join(answer)));
        self.restart_session(id, now.monotonic);
    }

    fn add(
        &mut self,
        now: Now,
        ticket: Ticket,
        id: &MemberId,
        request: JoinRequest,
        options: &GroupOptions,
        steps: &mut Steps,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(Arc::clone(&request.protocol_type));
        }
        let member = Member {
            join: Some(ticket),
            ..Member::of_request(request)
        };
        self.insert(id, member);
        self.set_deadline(id, Some(now.monotonic.plus(FIRST_JOIN)));
        self.grew = true;
        match self.state {
            State::Empty => self.begin_first(now, options),
            State::CompletingRebalance | State::Stable => self.prepare(now, steps),
            State::PreparingRebalance => {}
        }
    }

    fn update(
        &mut self,
        now: Now,
        ticket: Ticket,
        id: &MemberId,
        request: JoinRequest,
        steps: &mut Steps,
    ) {
        self.set_protocols(id, request.protocols);
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        member.session_timeout = request.session_timeout;
        member.rebalance_timeout = request.rebalance_timeout;
        member.client_id = request.client_id;
        member.client_host = request.client_host;
        match member.join.replace(ticket) {
            None => self.waiting += 1,
            // Only its newest request is waited for.
            Some(older) => {
                let answer = JoinAnswer::refused(ErrorCode::RebalanceInProgress, id);
                steps.answers.push((older, Answer::Join(answer)));
            }
        }
        if let Some(sync) = member.sync.take() {
            let answer = SyncAnswer::refused(ErrorCode::RebalanceInProgress);
            steps.answers.push((sync, Answer::Sync(answer)));
        }
        // While it waits, its connection is its life.
        let first = member.is_new.then(|| now.monotonic.plus(FIRST_JOIN));
        self.set_deadline(id, first);
    }

    /// A static member came back without its id.
    fn replace(
        &mut self,
        now: Now,
        ticket: Ticket,
        before: &MemberId,
        request: JoinRequest,
        steps: &mut Steps,
    ) {
        let led = self.leader.as_ref() == Some(before);
        let Some(mut member) = self.take(before) else {
            return;
        };
        answer_away(&member, before, ErrorCode::FencedInstanceId, steps);
        let id = Arc::clone(&request.fresh);
        let skips = request.skips_assignment;
        member.join = None;
        member.sync = None;
        member.deadline = None;
        self.insert(&id, member);
        if led {
            self.leader = Some(Arc::clone(&id));
        }
        self.update(now, ticket, &id, request, steps);
        match self.state {
            State::Stable if self.protocol == self.choose() => {
                self.finish_join(&id);
                self.restart_session(&id, now.monotonic);
                let mut answer = self.joined(&id, led && skips);
                answer.skip_assignment = led && skips;
                if led && !skips {
                    // An older client that believes that it leads would compute an assignment that
                    // nobody asks for.
                    answer.leader = Arc::clone(before);
                }
                steps.stores.push(Store::Replaced {
                    ticket,
                    answer: Box::new(answer),
                    value: self.value(now, &self.assignments()),
                });
            }
            State::Stable | State::CompletingRebalance => self.prepare(now, steps),
            State::Empty | State::PreparingRebalance => {}
        }
    }

    /// Its JoinGroup is answered, or about to be.
    pub(super) fn finish_join(&mut self, id: &str) -> Option<Ticket> {
        let member = self.members.get_mut(id)?;
        member.is_new = false;
        let ticket = member.join.take();
        self.waiting -= usize::from(ticket.is_some());
        ticket
    }
}
