//! A group goes from one protocol to the other while it has members: to the consumer protocol when its
//! first member of that comes, and back when the last one is gone.
//!
//! What the log says of it changes in one batch. Whoever waits for an answer is told to join again.

use std::sync::Arc;

use holdfast_model::ErrorCode;

use super::super::classic::{Now, Steps};
use super::super::membership::Membership;
use super::super::modern::{ModernGroup, Refusal};
use super::super::{Effects, GroupId, Record, Topics};
use super::modern::not_found;
use super::{Classic, Shard, Then};

impl Shard {
    /// The group of the consumer protocol with a name. One of the other protocol becomes one.
    pub(super) fn modern_or_new(
        &mut self,
        id: &GroupId,
        now: Now,
        topics: &dyn Topics,
        effects: &mut Effects,
    ) -> Result<&mut ModernGroup, Refusal> {
        let (options, planted) = (self.options, self.planted);
        let group = self.group_or_new(id, now).map_err(|code| {
            Refusal::new(code, "This coordinator has as many groups as it can have.")
        })?;
        if let Membership::Classic(classic) = &group.members {
            let modern = if classic.is_unused() {
                ModernGroup::after(classic.generation(), &options, planted)
            } else if options.migration.upgrades() {
                let moved = ModernGroup::of_classic(classic, now, topics, &options, planted);
                moved.map_err(|why| {
                    let message = format!("Group {id} cannot become a consumer group: {why}.");
                    Refusal::new(ErrorCode::GroupIdNotFound, message)
                })?
            } else {
                return Err(not_found(id));
            };
            let mut steps = Steps::default();
            classic.give_up(ErrorCode::RebalanceInProgress, &mut steps);
            effects.answers.extend(steps.answers);
            group.members = Membership::Modern(modern);
        }
        group.members.modern_mut().ok_or_else(|| not_found(id))
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
        let value = Arc::new(classic.value(now, &classic.assignments()));
        let mut steps = Steps::default();
        classic.prepare(now, &mut steps);
        group.members = Membership::Classic(classic);
        group.keys.mark_all();
        let (keys, gone) = group.changes(id);
        // What it becomes comes first: at no record of the log is it nothing.
        let mut records = vec![Record::Group {
            group: Arc::clone(id),
            value: Some(Arc::clone(&value)),
        }];
        records.extend(gone);
        group.unstored += 1;
        let classic = Classic::Is(value);
        let then = Then::Modern { keys, classic };
        self.write(id, now, None, records, then, effects);
        self.after(id, now, steps, effects);
    }
}
