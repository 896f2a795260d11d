//! A member says that it lives, and is told what to read.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::ErrorCode;

use super::super::{GroupOptions, MemberId, Now};
use super::reconcile::share_any;
use super::request::Refusal;
use super::{
    Current, HeartbeatAnswer, HeartbeatRequest, LEFT_FOR_A_WHILE, MemberState, MemberValue,
    ModernGroup, ModernKey, Partitions, Subscription, Topics, epoch,
};

impl ModernGroup {
    /// A heartbeat of a member that stays.
    pub(in super::super) fn heartbeat(
        &mut self,
        now: Now,
        request: &HeartbeatRequest,
        topics: &dyn Topics,
        options: &GroupOptions,
    ) -> Result<HeartbeatAnswer, Refusal> {
        let was_to_be_classic = request.epoch == 0 && self.is_to_be_classic();
        self.admit(request, options)?;
        let id = &request.member;
        let resubscribed = self.update(id, request);
        if was_to_be_classic {
            // What members left behind was for the generation that does not come now.
            self.bump();
        }
        self.keep_up(now, topics, resubscribed);
        let is_of_now = self.is_of_now(request);
        let owned = request.owned.as_ref().filter(|_| is_of_now);
        let before = self.step(id, owned);
        if before.is_some() {
            self.restart_patience(id, now);
        }
        self.restart_session(id, now, options.modern_session_timeout);
        let member = self.members.get(id).ok_or_else(|| unknown(id))?;
        let current = &member.current;
        let moved = before.is_some_and(|before| before.assigned != current.assigned);
        // Whoever says that it reads what it is to give up may not have been told: a late copy of an earlier
        // word of its was answered instead.
        let keeps = request.owned.as_ref();
        let told = moved || keeps.is_some_and(|owned| share_any(owned, &current.revoking));
        // Whoever has not heard of its epoch has not heard what to read in it either.
        let is_full = request.epoch != current.epoch
            || (request.rebalance_timeout_ms.is_some()
                && (request.topics.is_some() || request.regex.is_some())
                && request.owned.is_some());
        Ok(HeartbeatAnswer {
            code: ErrorCode::None,
            message: None,
            member: Arc::clone(id),
            epoch: current.epoch,
            assignment: (is_full || told).then(|| current.assigned.clone()),
        })
    }

    /// Whether what a member says that it reads is evidence of what it gave up. What is said from an epoch before may
    /// have been said before the answer that went beyond it, and so may what arrives at last on a connection that
    /// the member left for a newer one.
    fn is_of_now(&mut self, request: &HeartbeatRequest) -> bool {
        let Some(member) = self.members.get_mut(&request.member) else {
            return false;
        };
        let is_newest = request.connection >= member.heard_on;
        member.heard_on = member.heard_on.max(request.connection);
        is_newest && request.epoch == member.current.epoch
    }

    /// Lets a member in, or finds it, if it may speak.
    fn admit(&mut self, request: &HeartbeatRequest, options: &GroupOptions) -> Result<(), Refusal> {
        let id = &request.member;
        let joins = request.epoch == 0;
        let known = self.members.contains_key(id);
        if let Some(instance) = &request.instance {
            let holder = self.instances.get(instance).cloned();
            match holder {
                Some(holder) if joins => {
                    if holder != *id {
                        if known {
                            return Err(unknown(id));
                        }
                        self.check_released(instance, &holder, id)?;
                        self.replace(&holder, id);
                        return Ok(());
                    }
                    // It is back under the same id.
                    if self.is_away(id) {
                        self.return_home(id);
                        return Ok(());
                    }
                }
                Some(_) | None if !joins => self.check_instance(instance, id)?,
                Some(_) | None => {}
            }
        }
        let owned = request.owned.as_ref();
        match self.members.get(id) {
            Some(member) => epoch::check(&member.current, request.epoch, owned),
            None if !joins => Err(unknown(id)),
            None if self.members.len() >= options.modern_max_size => {
                let most = options.modern_max_size;
                let message = format!(
                    "The consumer group has reached its maximum capacity of {most} members."
                );
                Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message))
            }
            None => {
                self.begin(id, request.instance.as_ref());
                Ok(())
            }
        }
    }

    /// A member that has said nothing yet.
    pub(super) fn begin(&mut self, id: &MemberId, instance: Option<&Arc<str>>) {
        let value = MemberValue {
            instance: instance.map(Arc::clone),
            rack: None,
            client_id: Arc::from(""),
            client_host: Arc::from(""),
            rebalance_timeout_ms: 0,
            subscription: Subscription::default(),
            assignor: None,
            classic: None,
        };
        self.insert(id, value);
        self.dirty.insert(ModernKey::Current(Arc::clone(id)));
    }

    fn is_away(&self, id: &MemberId) -> bool {
        let member = self.members.get(id);
        member.is_some_and(|member| member.current.epoch == LEFT_FOR_A_WHILE)
    }

    /// A static member comes back under another id, to what it had.
    pub(super) fn replace(&mut self, holder: &MemberId, id: &MemberId) {
        let Some(before) = self.take_out(holder) else {
            return;
        };
        self.insert(id, before.value);
        if let Some(member) = self.members.get_mut(id) {
            member.target = before.target;
        }
        self.dirty.insert(ModernKey::Target(Arc::clone(id)));
        self.put_current(id, back(before.current));
    }

    fn return_home(&mut self, id: &MemberId) {
        if let Some(member) = self.members.get(id) {
            let current = back(member.current.clone());
            self.put_current(id, current);
        }
    }

    /// What has changed of what a member says; whether it wants to read other topics.
    fn update(&mut self, id: &MemberId, request: &HeartbeatRequest) -> bool {
        let Some(member) = self.members.get(id) else {
            return false;
        };
        let mut value = member.value.clone();
        value.client_id = Arc::clone(&request.client_id);
        value.client_host = Arc::clone(&request.client_host);
        if request.rack.is_some() {
            value.rack.clone_from(&request.rack);
        }
        if let Some(timeout) = request.rebalance_timeout_ms {
            value.rebalance_timeout_ms = timeout;
        }
        if request.assignor.is_some() {
            value.assignor.clone_from(&request.assignor);
        }
        if let Some(names) = &request.topics {
            let mut names = names.clone();
            names.sort();
            names.dedup();
            value.subscription.topics = names.into();
        }
        if let Some(regex) = &request.regex {
            value.subscription.regex = Some(regex)
                .filter(|regex| !regex.is_empty())
                .map(Arc::clone);
        }
        // It may have spoken the other protocol before.
        value.classic = None;
        self.set_value(id, value)
    }

    /// Who has something to give up has so long for it.
    pub(super) fn restart_patience(&mut self, id: &MemberId, now: Now) {
        let deadline = self.members.get(id).and_then(|member| {
            let timeout = member.value.rebalance_timeout_ms.max(0).unsigned_abs();
            let timeout = Duration::from_millis(u64::from(timeout));
            (member.current.state == MemberState::Unrevoked).then(|| now.monotonic.plus(timeout))
        });
        self.set_patience(id, deadline);
    }
}

/// Where a static member is that was away: it has what it had, and knows nothing of it.
fn back(current: Current) -> Current {
    // It may hold what it is to have. What it had to give up, it did by leaving.
    Current {
        epoch: 0,
        previous_epoch: 0,
        state: MemberState::Unreleased,
        assigned: current.assigned,
        revoking: Partitions::new(),
    }
}

fn unknown(id: &MemberId) -> Refusal {
    let message = format!("Member {id} is not a member of the group.");
    Refusal::new(ErrorCode::UnknownMemberId, message)
}
