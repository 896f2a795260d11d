//! What becomes of writes.

use std::sync::Arc;

use holdfast_model::{ErrorCode, invariant};

use super::super::classic::{Now, Steps};
use super::super::{Answer, Effects, GroupId, GroupValue, WriteId};
use super::{Classic, Members, Pending, Shard, Then, refusal, refuse_told};

impl Shard {
    /// Every write up to this one is committed: below the high watermark.
    pub fn committed(&mut self, now: Now, up_to: WriteId, effects: &mut Effects) {
        let mut last = WriteId::default();
        while let Some(first) = self.pending.first_entry() {
            let id = *first.key();
            if id > up_to {
                break;
            }
            invariant!("INV-GROUP-ORDER", id > last, "{id:?} after {last:?}");
            last = id;
            let pending = first.remove();
            self.settled(id, &pending);
            self.take_effect(now, pending, effects);
        }
    }

    /// A write was not appended, and never will be. Neither may be any that was handed out before this was
    /// said: it says what follows from the first.
    pub fn refused(&mut self, now: Now, write: WriteId, code: ErrorCode, effects: &mut Effects) {
        let Some(mut pending) = self.pending.remove(&write) else {
            return;
        };
        self.settled(write, &pending);
        let id = Arc::clone(&pending.group);
        // Only a commit can be told that what it commits is too long.
        let code = match (code, &pending.then) {
            (ErrorCode::InvalidCommitOffsetSize, Then::Modern { .. } | Then::Members { .. }) => {
                ErrorCode::UnknownServerError
            }
            (code, _) => code,
        };
        if let Some(ticket) = pending.ticket.take() {
            let answer = refusal(&pending.then, code);
            effects.answers.push((ticket, answer));
        }
        refuse_told(
            std::mem::take(&mut pending.told),
            code,
            &mut effects.answers,
        );
        let mut steps = Steps::default();
        if let Some(group) = self.groups.get_mut(&id) {
            match pending.then {
                Then::Members {
                    what: Members::Assignment(generation),
                    ..
                } => {
                    if let Some(classic) = group.members.classic() {
                        classic.assignment_refused(now, generation, code, &mut steps);
                    }
                }
                Then::Modern { keys, .. } | Then::Offsets { keys, .. } => group.keys.refused(keys),
                Then::Members { .. } => {}
            }
        }
        self.after(&id, now, steps, effects);
    }

    /// A write is no longer under way.
    fn settled(&mut self, write: WriteId, pending: &Pending) {
        if let Some(deadline) = pending.patience {
            self.patience.remove(&(deadline, write));
        }
        let Some(group) = self.groups.get_mut(&pending.group) else {
            return;
        };
        match &pending.then {
            Then::Offsets { rows, forget, keys } => {
                for row in rows {
                    group.offsets.end(row);
                }
                group.keys.end(keys);
                group.unstored -= u32::from(*forget);
            }
            Then::Modern { keys, classic } => {
                group.keys.end(keys);
                group.unstored -= u32::from(!matches!(classic, Classic::Same));
            }
            Then::Members { .. } => group.unstored -= 1,
        }
    }

    fn take_effect(&mut self, now: Now, pending: Pending, effects: &mut Effects) {
        let Pending {
            group: id,
            ticket,
            told,
            then,
            ..
        } = pending;
        let mut steps = Steps::default();
        match then {
            Then::Modern { classic, .. } => {
                if let Some(group) = self.groups.get_mut(&id) {
                    match classic {
                        Classic::Same => {}
                        Classic::Gone => group.stored = None,
                        Classic::Is(value) => group.stored = Some(value),
                    }
                }
                effects.answers.extend(told);
            }
            Then::Offsets { rows, forget, .. } => {
                self.apply_rows(&id, now, &rows);
                if forget && let Some(group) = self.groups.get_mut(&id) {
                    group.stored = None;
                }
                if let Some(ticket) = ticket {
                    let answer = Answer::Done(ErrorCode::None);
                    effects.answers.push((ticket, answer));
                }
            }
            Then::Members { value, what } => {
                self.members_written(now, &id, value, &what, &mut steps);
                if let (Members::Replaced(answer), Some(ticket)) = (what, ticket) {
                    effects.answers.push((ticket, Answer::Join(*answer)));
                }
            }
        }
        self.after(&id, now, steps, effects);
    }

    fn members_written(
        &mut self,
        now: Now,
        id: &GroupId,
        value: Arc<GroupValue>,
        what: &Members,
        steps: &mut Steps,
    ) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        group.stored = Some(value);
        if let Members::Assignment(generation) = what
            && let Some(classic) = group.members.classic()
        {
            classic.assignment_written(now, *generation, steps);
        }
    }
}
