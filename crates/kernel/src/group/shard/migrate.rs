//! A group goes from one protocol to the other while it has members: to the consumer protocol when its
//! first member of that comes, and back when the last one is gone.
//!
//! What the log says of it changes in one batch. Whoever waits for an answer is told to join again.

use holdfast_model::ErrorCode;

use super::super::classic::{Now, Steps};
use super::super::membership::Membership;
use super::super::modern::{ModernGroup, Refusal};
use super::super::{Effects, GroupId, Topics};
use super::Shard;
use super::modern::not_found;

impl Shard {
    /// A member of the consumer protocol joins: what its group is then, if it is not one of that protocol
    /// yet. Nothing has changed until the group [goes over](Self::go_over).
    pub(super) fn candidate(
        &mut self,
        id: &GroupId,
        now: Now,
        topics: &dyn Topics,
    ) -> Result<Option<ModernGroup>, Refusal> {
        let (options, planted) = (self.options, self.planted);
        let group = self.group_or_new(id, now).map_err(|code| {
            Refusal::new(code, "This coordinator has as many groups as it can have.")
        })?;
        let Membership::Classic(classic) = &group.members else {
            return Ok(None);
        };
        // Who only has an id is no member.
        if classic.members().is_empty() {
            let empty = ModernGroup::after(classic.generation(), &options, planted);
            return Ok(Some(empty));
        }
        if !options.migration.upgrades() {
            return Err(not_found(id));
        }
        let moved = ModernGroup::of_classic(classic, now, topics, &options, planted);
        moved.map(Some).map_err(|why| {
            let message = format!("Group {id} cannot become a consumer group: {why}.");
            Refusal::new(ErrorCode::GroupIdNotFound, message)
        })
    }

    /// A group is of the consumer protocol from now on. Whoever waits for an answer is told to join again.
    pub(super) fn go_over(&mut self, id: &GroupId, modern: ModernGroup, effects: &mut Effects) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut group.members, Membership::Modern(modern));
        let mut steps = Steps::default();
        before.give_up(ErrorCode::RebalanceInProgress, &mut steps);
        effects.answers.extend(steps.answers);
    }

    /// Before a member of the classic protocol is heard: if only such members are left, the group is one
    /// of theirs again, and asks them to join.
    pub(super) fn go_back(
        &mut self,
        now: Now,
        id: &GroupId,
        topics: &dyn Topics,
        effects: &mut Effects,
    ) {
        let planted = self.planted;
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        let modern = group
            .members
            .modern()
            .filter(|group| group.is_to_be_classic());
        let Some(modern) = modern else {
            return;
        };
        let mut classic = modern.to_classic(now, topics, planted);
        let mut steps = Steps::default();
        classic.prepare(now, &mut steps);
        group.members = Membership::Classic(classic);
        group.keys.mark_all();
        self.flush(id, now, effects);
        self.after(id, now, steps, effects);
    }
}
