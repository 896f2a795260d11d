//! Members leave, or are taken to have left.

use std::sync::Arc;

use holdfast_model::ErrorCode;

use super::super::{MemberId, Now, Planted};
use super::request::Refusal;
use super::{
    HeartbeatAnswer, HeartbeatRequest, LEFT, LEFT_FOR_A_WHILE, ModernGroup, ModernKey, Partitions,
};

impl ModernGroup {
    /// The last heartbeat of a member: it leaves for good, or (a static one) for a while.
    pub(in super::super) fn leave(
        &mut self,
        request: &HeartbeatRequest,
    ) -> Result<HeartbeatAnswer, Refusal> {
        let id = &request.member;
        if let Some(instance) = &request.instance {
            self.check_instance(instance, id)?;
        }
        let Some(member) = self.members.get(id) else {
            let message = format!("Member {id} is not a member of the group.");
            return Err(Refusal::new(ErrorCode::UnknownMemberId, message));
        };
        if request.epoch == LEFT_FOR_A_WHILE && member.value.instance.is_some() {
            // It keeps what it had until its session ends; what it had to give up, it has.
            let mut current = member.current.clone();
            current.previous_epoch = current.epoch;
            current.epoch = LEFT_FOR_A_WHILE;
            current.revoking = Partitions::new();
            self.put_current(id, current);
            self.set_patience(id, None);
        } else {
            self.remove(id);
        }
        Ok(HeartbeatAnswer {
            code: ErrorCode::None,
            message: None,
            member: Arc::clone(id),
            epoch: request.epoch.min(LEFT),
            assignment: None,
        })
    }

    /// Removes a member. What it was to read is given to others with the next heartbeat of any.
    pub(super) fn remove(&mut self, id: &MemberId) {
        // Whoever is left and speaks the classic protocol begins a new generation in a group of theirs.
        if self.take_out(id).is_some() && !self.is_to_be_classic() {
            self.bump();
        }
        // Nobody is left to compute a target for.
        if self.members.is_empty() {
            self.target_epoch = self.epoch;
            self.dirty.insert(ModernKey::TargetEpoch);
        }
    }

    /// Removes whose session is over, and who did not give up in time what it had to.
    pub(in super::super) fn tick(&mut self, now: Now) {
        while let Some((deadline, id)) = self.deadlines.first().cloned() {
            if deadline > now.monotonic {
                return;
            }
            if self.planted == Planted::SessionsNeverEnd {
                self.deadlines.pop_first();
                continue;
            }
            self.remove(&id);
        }
    }
}
