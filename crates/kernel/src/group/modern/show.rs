//! A group as people see it.

use std::sync::Arc;

use super::super::{GroupState, MemberId};
use super::{Assignor, MemberValue, ModernGroup, Partitions};

/// A group of the consumer protocol in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModernDescription {
    /// What it does.
    pub state: GroupState,
    /// Its epoch.
    pub epoch: i32,
    /// The epoch of its target.
    pub target_epoch: i32,
    /// How it divides the work.
    pub assignor: Assignor,
    /// Its members.
    pub members: Vec<ModernMemberDescription>,
}

/// A member of it in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModernMemberDescription {
    /// Its id.
    pub id: MemberId,
    /// What it says of itself.
    pub value: MemberValue,
    /// Its epoch.
    pub epoch: i32,
    /// What it reads.
    pub assigned: Partitions,
    /// What it is to read.
    pub target: Partitions,
}

impl ModernGroup {
    /// What it does.
    pub(in super::super) fn state(&self) -> GroupState {
        let mut currents = self.members.values().map(|member| &member.current);
        if self.members.is_empty() {
            GroupState::Empty
        } else if self.epoch > self.target_epoch {
            GroupState::Assigning
        } else if currents.all(|current| current.has_arrived(self.target_epoch)) {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }

    #[cfg(test)]
    pub(in super::super) fn member_states(&self) -> Vec<super::MemberState> {
        let members = self.members.values();
        members.map(|member| member.current.state).collect()
    }

    /// The group in full.
    pub(in super::super) fn describe(&self) -> ModernDescription {
        let members = self
            .members
            .iter()
            .map(|(id, member)| ModernMemberDescription {
                id: Arc::clone(id),
                value: member.value.clone(),
                epoch: member.current.epoch,
                assigned: member.current.assigned.clone(),
                target: member.target.clone(),
            });
        ModernDescription {
            state: self.state(),
            epoch: self.epoch,
            target_epoch: self.target_epoch,
            assignor: self.assignor(),
            members: members.collect(),
        }
    }
}
