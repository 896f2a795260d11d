//! OffsetCommit and OffsetFetch.

use std::sync::Arc;

use holdfast_model::ErrorCode;

use super::super::classic::{Now, Steps};
use super::super::membership::Membership;
use super::super::{
    Answer, CommitRequest, CommittedOffset, Effects, OffsetRow, OffsetTable, Planted, Record,
    Ticket,
};
use super::{Shard, Then};

impl Shard {
    /// Commits offsets. Answered with the ticket, once they are committed in the log.
    pub fn commit(
        &mut self,
        now: Now,
        ticket: Ticket,
        request: CommitRequest,
        effects: &mut Effects,
    ) {
        let id = Arc::clone(&request.group);
        let outcome = self.may_commit(now, &request);
        let done = |code, effects: &mut Effects| {
            effects.answers.push((ticket, Answer::Done(code)));
        };
        match outcome {
            Err(code) => done(code, effects),
            Ok(()) if request.rows.is_empty() => done(ErrorCode::None, effects),
            Ok(()) if self.planted == Planted::CommitBeforeWritten => {
                self.apply_rows(&id, now, &request.rows);
                self.change(now, &id, None, request.rows, false, effects);
                done(ErrorCode::None, effects);
            }
            Ok(()) => self.change(now, &id, Some(ticket), request.rows, false, effects),
        }
        self.after(&id, now, Steps::default(), effects);
    }

    fn may_commit(&mut self, now: Now, request: &CommitRequest) -> Result<(), ErrorCode> {
        if !self.groups.contains_key(&request.group) && request.generation >= 0 {
            return Err(if request.knows_missing_groups {
                ErrorCode::GroupIdNotFound
            } else {
                ErrorCode::IllegalGeneration
            });
        }
        let most = self.options.max_offsets;
        let group = self.group_or_new(&request.group, now)?;
        match &mut group.members {
            Membership::Classic(members) => members.check_commit(
                now,
                &request.member,
                request.instance.as_deref(),
                request.generation,
            )?,
            Membership::Modern(members) => {
                members.check_offsets(&request.member, request.generation, true)?;
            }
        }
        let new = request.rows.iter().filter(|row| {
            group.offsets.get(&row.topic, row.partition).is_none()
                && !group.offsets.is_unwritten(&row.topic, row.partition)
        });
        if group.offsets.bound().saturating_add(new.count()) > most {
            return Err(ErrorCode::InvalidCommitOffsetSize);
        }
        Ok(())
    }

    /// Writes other offsets; with `forget`, that the group's members are gone too.
    pub(super) fn change(
        &mut self,
        now: Now,
        id: &super::GroupId,
        ticket: Option<Ticket>,
        rows: Vec<OffsetRow>,
        forget: bool,
        effects: &mut Effects,
    ) {
        let mut records: Vec<Record> = rows
            .iter()
            .map(|row| Record::Offset {
                group: Arc::clone(id),
                topic: Arc::clone(&row.topic),
                partition: row.partition,
                value: row.value.clone(),
            })
            .collect();
        let planted = self.planted;
        let mut keys = Vec::new();
        if let Some(group) = self.groups.get_mut(id) {
            for row in &rows {
                group.offsets.begin(row);
            }
            if forget {
                records.push(Record::Group {
                    group: Arc::clone(id),
                    value: None,
                });
                group.unstored += 1;
                group.become_classic(now, planted);
                let (gone, removals) = group.changes(id);
                keys = gone;
                records.extend(removals);
            }
        }
        let then = Then::Offsets { rows, forget, keys };
        self.write(id, now, ticket, records, then, effects);
    }

    /// Committed offsets take effect. A group that was deleted meanwhile begins anew.
    pub(super) fn apply_rows(&mut self, id: &super::GroupId, now: Now, rows: &[OffsetRow]) {
        let planted = self.planted;
        let group = self.groups.entry(Arc::clone(id));
        let group = group.or_insert_with(|| super::Group::empty(now, planted));
        for row in rows {
            let value = row.value.clone();
            group.offsets.apply(&row.topic, row.partition, value);
        }
    }

    /// The committed offset of a partition.
    pub fn offset(&self, id: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.groups.get(id)?.offsets.get(topic, partition)
    }

    /// Every committed offset of a group.
    pub fn offsets(&self, id: &str) -> Option<&OffsetTable> {
        self.groups.get(id).map(|group| &group.offsets)
    }
}
