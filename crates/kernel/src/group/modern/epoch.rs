//! Who may speak: epochs, and the names of static members.

use holdfast_model::ErrorCode;

use super::super::Planted;
use super::reconcile::is_subset;
use super::request::Refusal;
use super::{Current, LEFT_FOR_A_WHILE, MemberId, ModernGroup, ModernMember, Partitions};

/// Whether a member may speak from an epoch.
pub(super) fn check(
    current: &Current,
    received: i32,
    owned: Option<&Partitions>,
) -> Result<(), Refusal> {
    let known = current.epoch;
    if received == known {
        return Ok(());
    }
    // The answer that told it of its epoch may have been lost: it reads nothing that is not its own.
    let lost_answer = received == current.previous_epoch
        && received < known
        && owned.is_some_and(|owned| is_subset(owned, &current.assigned));
    if lost_answer {
        return Ok(());
    }
    let relation = if received > known {
        "greater"
    } else {
        "smaller"
    };
    let message = format!(
        "The consumer group member has a {relation} member epoch ({received}) than the one known by the \
         group coordinator ({known}). The member must abandon all its partitions and rejoin."
    );
    Err(Refusal::new(ErrorCode::FencedMemberEpoch, message))
}

impl ModernGroup {
    /// Whether a member, or somebody outside of any epoch (-1), may commit or ask for offsets.
    pub(in super::super) fn check_offsets(
        &self,
        member: &str,
        epoch: i32,
        writes: bool,
    ) -> Result<(), ErrorCode> {
        if epoch < 0 && (!writes || self.members.is_empty()) && member.is_empty() {
            return Ok(());
        }
        if epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        let known = self.members.get(member).ok_or(ErrorCode::UnknownMemberId)?;
        let careless = self.planted == Planted::OldGenerationCommits;
        if known.current.epoch == epoch || careless {
            Ok(())
        } else if known.value.classic.is_some() {
            Err(ErrorCode::IllegalGeneration)
        } else {
            Err(ErrorCode::StaleMemberEpoch)
        }
    }

    /// The static member with a name, if `member` is who it is now.
    pub(super) fn check_instance(&self, instance: &str, member: &MemberId) -> Result<(), Refusal> {
        match self.instances.get(instance) {
            None => {
                let message = format!("Instance id {instance} is unknown.");
                Err(Refusal::new(ErrorCode::UnknownMemberId, message))
            }
            Some(known) if known == member => Ok(()),
            Some(known) => {
                let message = format!(
                    "Static member {member} with instance id {instance} was fenced by member {known}."
                );
                Err(Refusal::new(ErrorCode::FencedInstanceId, message))
            }
        }
    }

    /// Whether the name of a static member is free for another one: whoever had it has left, or spoke the
    /// classic protocol, in which nobody says so.
    pub(super) fn check_released(
        &self,
        instance: &str,
        holder: &MemberId,
        member: &MemberId,
    ) -> Result<(), Refusal> {
        let held = self.members.get(holder);
        let is_free = |held: &ModernMember| {
            held.current.epoch == LEFT_FOR_A_WHILE || held.value.classic.is_some()
        };
        if held.is_none_or(is_free) {
            return Ok(());
        }
        let message = format!(
            "Static member {member} with instance id {instance} cannot join the group because the \
             instance id is owned by {holder} member."
        );
        Err(Refusal::new(ErrorCode::UnreleasedInstanceId, message))
    }
}
