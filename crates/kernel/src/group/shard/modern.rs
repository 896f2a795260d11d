//! Groups of the consumer protocol: ConsumerGroupHeartbeat.

use std::sync::Arc;

use holdfast_model::ErrorCode;

use super::super::classic::Now;
use super::super::membership::Membership;
use super::super::modern::Refusal;
use super::super::{
    Answer, Effects, GroupId, GroupValue, HeartbeatAnswer, HeartbeatRequest, JoinAnswer,
    ModernDescription, Planted, Record, SyncAnswer, Ticket, Topics,
};
use super::{Classic, Group, Shard, Then};

/// An answer that waits for a write.
pub(super) type Told = (Ticket, Answer);

impl Shard {
    /// A member of the consumer protocol joins, lives or leaves. Answered with the ticket, once all
    /// that the answer says is committed.
    pub fn consumer_heartbeat(
        &mut self,
        now: Now,
        id: &GroupId,
        ticket: Ticket,
        request: &HeartbeatRequest,
        topics: &dyn Topics,
        effects: &mut Effects,
    ) {
        match self.beat(now, id, request, topics, effects) {
            Err(refusal) => {
                let answer = HeartbeatAnswer::refused(&refusal);
                effects.answers.push((ticket, Answer::Heartbeat(answer)));
            }
            Ok(answer) => {
                self.flush(id, now, effects);
                self.tell(now, id, (ticket, Answer::Heartbeat(answer)), effects);
            }
        }
        self.after(id, now, super::Steps::default(), effects);
    }

    fn beat(
        &mut self,
        now: Now,
        id: &GroupId,
        request: &HeartbeatRequest,
        topics: &dyn Topics,
        effects: &mut Effects,
    ) -> Result<HeartbeatAnswer, Refusal> {
        request.check()?;
        let options = self.options;
        if request.epoch == 0
            && let Some(mut candidate) = self.candidate(id, now, topics)?
        {
            // One that refuses it does not become another.
            let answer = candidate.heartbeat(now, request, topics, &options)?;
            self.go_over(id, candidate, effects);
            return Ok(answer);
        }
        let group = self.groups.get_mut(id);
        let group = group.and_then(|group| group.members.modern_mut());
        let group = group.ok_or_else(|| not_found(id))?;
        if request.epoch < 0 {
            group.leave(request)
        } else {
            group.heartbeat(now, request, topics, &options)
        }
    }

    /// Writes what has changed of a group.
    pub(super) fn flush(&mut self, id: &GroupId, now: Now, effects: &mut Effects) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        let (keys, mut records) = group.changes(id);
        if keys.is_empty() {
            return;
        }
        let classic = group.classic_beside(now);
        let record = |value| Record::Group {
            group: Arc::clone(id),
            value,
        };
        match &classic {
            Classic::Same => {}
            Classic::Gone => records.push(record(None)),
            // What it becomes comes first: at no record of the log is it nothing.
            Classic::Is(value) => records.insert(0, record(Some(Arc::clone(value)))),
        }
        group.unstored += u32::from(!matches!(classic, Classic::Same));
        let then = Then::Modern { keys, classic };
        let write = self.write(id, now, None, records, then, effects);
        if let Some(group) = self.groups.get_mut(id) {
            group.last_write = write;
        }
    }

    /// Answers once what is under way of the group is committed.
    pub(super) fn tell(&mut self, now: Now, id: &GroupId, told: Told, effects: &mut Effects) {
        let write = self.groups.get(id).map(|group| group.last_write);
        let careless = self.planted == Planted::AssignmentBeforeWritten;
        let write = write.filter(|_| !careless).unwrap_or_default();
        let Some(pending) = self.pending.get_mut(&write) else {
            effects.answers.push(told);
            return;
        };
        pending.told.push(told);
        if pending.patience.is_none() {
            let deadline = now.monotonic.plus(self.options.commit_timeout);
            pending.patience = Some(deadline);
            self.patience.insert((deadline, write));
        }
    }

    /// Whether a member may ask for offsets, or somebody who is none (-1).
    ///
    /// # Errors
    /// It is no member, or of another epoch.
    pub fn check_fetch(&self, id: &str, member: &str, epoch: i32) -> Result<(), ErrorCode> {
        if member.is_empty() && epoch < 0 {
            return Ok(());
        }
        let group = self.groups.get(id).ok_or(ErrorCode::GroupIdNotFound)?;
        group
            .members
            .modern()
            .map_or(Ok(()), |group| group.check_offsets(member, epoch, false))
    }

    /// A group of the consumer protocol in full.
    pub fn describe_modern(&self, id: &str) -> Option<ModernDescription> {
        let group = self.groups.get(id)?.members.modern()?;
        Some(group.describe())
    }

    /// How far members are, in their order.
    #[cfg(test)]
    pub(in super::super) fn member_states(&self, id: &str) -> Vec<super::super::MemberState> {
        let group = self.groups.get(id).and_then(|group| group.members.modern());
        group.map_or_else(Vec::new, super::ModernGroup::member_states)
    }

    /// Whether changes wait that could not be written.
    pub(in super::super) fn has_unwritten_changes(&self) -> bool {
        self.groups.values().any(|group| group.keys.is_dirty())
    }
}

impl Group {
    /// The records of what has changed.
    pub(super) fn changes(&mut self, id: &GroupId) -> (Vec<super::ModernKey>, Vec<Record>) {
        if let Some(modern) = self.members.modern_mut() {
            let dirty = modern.take_dirty();
            self.keys.mark(dirty);
        }
        self.keys.begin(id, self.members.modern())
    }

    /// The group is of the other protocol, or of none, from now on.
    pub(super) fn become_classic(&mut self, now: Now, planted: Planted) {
        if let Some(modern) = self.members.modern() {
            let generation = modern.epoch();
            self.keys.mark_all();
            let classic = super::ClassicGroup::after(generation, now.wall_ms, planted);
            self.members = Membership::Classic(classic);
        }
    }

    /// What the log is to say of members of the classic protocol, beside what changes of the others'. Of the
    /// two kinds it knows one at a time.
    fn classic_beside(&self, now: Now) -> Classic {
        let is_said = self.stored.is_some() || self.unstored > 0;
        match &self.members {
            Membership::Modern(_) if is_said => Classic::Gone,
            Membership::Classic(classic) if !is_said => {
                // Without a leader: whoever reads this has everybody join.
                let value = GroupValue {
                    leader: None,
                    ..classic.value(now, &classic.assignments())
                };
                Classic::Is(Arc::new(value))
            }
            Membership::Modern(_) | Membership::Classic(_) => Classic::Same,
        }
    }
}

/// Answers whose write came to nothing.
pub(super) fn refuse_told(told: Vec<Told>, code: ErrorCode, effects: &mut Vec<Told>) {
    effects.extend(
        told.into_iter()
            .map(|(ticket, answer)| (ticket, refused(answer, code))),
    );
}

fn refused(answer: Answer, code: ErrorCode) -> Answer {
    match answer {
        Answer::Join(answer) => Answer::Join(JoinAnswer::refused(code, &answer.member)),
        Answer::Sync(_) => Answer::Sync(SyncAnswer::refused(code)),
        Answer::Heartbeat(_) => {
            let refusal = Refusal::new(code, "The group's state could not be written.");
            Answer::Heartbeat(HeartbeatAnswer::refused(&refusal))
        }
        Answer::Done(_) => Answer::Done(code),
    }
}

pub(super) fn not_found(id: &str) -> Refusal {
    let message = format!("Group {id} is not a consumer group.");
    Refusal::new(ErrorCode::GroupIdNotFound, message)
}
