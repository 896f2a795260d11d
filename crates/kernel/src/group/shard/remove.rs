//! DeleteGroups, OffsetDelete, and what expires.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_model::{ErrorCode, TopicId};

use super::super::classic::{Now, Steps};
use super::super::membership::Membership;
use super::super::{
    Answer, CONSUMER_PROTOCOL, CommittedOffset, Effects, GroupId, GroupState, OffsetRow, Ticket,
};
use super::{Group, Shard};

impl Shard {
    /// Deletes a group that has no members. Answered with the ticket.
    pub fn delete(&mut self, now: Now, id: &GroupId, ticket: Ticket, effects: &mut Effects) {
        let code = match self.groups.get(id) {
            None => ErrorCode::GroupIdNotFound,
            Some(group) if group.members.state() != GroupState::Empty => ErrorCode::NonEmptyGroup,
            Some(_) => ErrorCode::None,
        };
        if code != ErrorCode::None {
            effects.answers.push((ticket, Answer::Done(code)));
            return;
        }
        let rows = self.groups.get(id).map(all_rows).unwrap_or_default();
        self.change(now, id, Some(ticket), rows, true, effects);
    }

    /// Whether offsets of a group may be deleted, all in all.
    ///
    /// # Errors
    /// The group does not exist, or has members that are no consumers.
    pub fn may_delete_offsets(&self, id: &str) -> Result<(), ErrorCode> {
        let group = self.groups.get(id).ok_or(ErrorCode::GroupIdNotFound)?;
        let consumers = &*group.members.protocol_type() == CONSUMER_PROTOCOL;
        if group.members.state() != GroupState::Empty && !consumers {
            return Err(ErrorCode::NonEmptyGroup);
        }
        Ok(())
    }

    /// Whether members of a group read a topic, so that its offsets must stay.
    pub fn reads(&self, id: &str, topic: &str) -> bool {
        self.groups
            .get(id)
            .is_some_and(|group| group.members.reads(topic))
    }

    /// Deletes offsets of a group, which the caller checked. Answered with the ticket.
    pub fn delete_offsets(
        &mut self,
        now: Now,
        id: &GroupId,
        ticket: Ticket,
        partitions: &[(Arc<str>, i32)],
        effects: &mut Effects,
    ) {
        let rows: Vec<OffsetRow> = partitions
            .iter()
            .map(|(topic, partition)| removed(topic, *partition))
            .collect();
        if rows.is_empty() {
            let answer = Answer::Done(ErrorCode::None);
            effects.answers.push((ticket, answer));
            return;
        }
        self.change(now, id, Some(ticket), rows, false, effects);
    }

    /// Removes offsets whose time is over, those of deleted topics, and groups with nothing left.
    /// The wall time is one that the caller trusts. At most `most` offsets go at once.
    pub fn expire(
        &mut self,
        now: Now,
        is_deleted: impl Fn(&str, TopicId) -> bool,
        most: usize,
        effects: &mut Effects,
    ) {
        let retention = self.options.retention_ms;
        let mut ends: Vec<(GroupId, Vec<OffsetRow>, bool)> = Vec::new();
        let mut unwritten: Vec<GroupId> = Vec::new();
        let mut left = most;
        for (id, group) in &self.groups {
            if left == 0 {
                break;
            }
            let rows: Vec<OffsetRow> = group
                .offsets
                .iter()
                .filter(|(topic, partition, value)| {
                    !group.offsets.is_unwritten(topic, *partition)
                        && (is_deleted(topic, value.topic_id)
                            || group.expires(topic, value, retention, now))
                })
                .map(|(topic, partition, _)| removed(topic, partition))
                .take(left)
                .collect();
            left -= rows.len();
            let last = rows.len() == group.offsets.len() && group.offsets.is_settled();
            let forget = last && group.has_records() && group.members.is_unused();
            if !rows.is_empty() || forget {
                ends.push((Arc::clone(id), rows, forget));
            } else if group.keys.is_dirty() {
                unwritten.push(Arc::clone(id));
            }
        }
        for (id, rows, forget) in ends {
            self.change(now, &id, None, rows, forget, effects);
            self.after(&id, now, Steps::default(), effects);
        }
        for id in unwritten {
            self.flush(&id, now, effects);
        }
    }
}

impl Group {
    /// Whether the time of an offset is over: Kafka's rules.
    fn expires(&self, topic: &str, value: &CommittedOffset, retention: i64, now: Now) -> bool {
        let over = |since: i64| match value.expires_ms {
            Some(expires) => now.wall_ms >= expires,
            None => now.wall_ms.saturating_sub(since) >= retention,
        };
        let kind = self.members.protocol_type();
        let state = self.members.state();
        let Membership::Classic(classic) = &self.members else {
            // Whether somebody reads it is asked last: that goes through all members.
            return over(value.committed_ms) && !self.members.reads(topic);
        };
        match state {
            GroupState::Empty if kind.is_empty() => over(value.committed_ms),
            // A group that has been empty for long.
            GroupState::Empty => over(classic.changed_ms().max(value.committed_ms)),
            GroupState::Stable if &*kind == CONSUMER_PROTOCOL => {
                over(value.committed_ms) && !self.members.reads(topic)
            }
            _ => false,
        }
    }

    /// Whether the log says anything of its members, and nothing of that is about to change.
    fn has_records(&self) -> bool {
        let classic = self.stored.is_some() && self.unstored == 0;
        let modern = self.keys.present().next().is_some() && self.keys.is_settled();
        (classic || modern) && self.unstored == 0
    }
}

fn removed(topic: &Arc<str>, partition: i32) -> OffsetRow {
    OffsetRow {
        topic: Arc::clone(topic),
        partition,
        value: None,
    }
}

/// Every offset of a group, those under way included.
fn all_rows(group: &Group) -> Vec<OffsetRow> {
    let known = group
        .offsets
        .iter()
        .map(|(topic, partition, _)| (Arc::clone(topic), partition));
    let under_way = group.offsets.unwritten().cloned();
    let keys: BTreeSet<(Arc<str>, i32)> = known.chain(under_way).collect();
    keys.iter()
        .map(|(topic, partition)| removed(topic, *partition))
        .collect()
}
