//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use std::sync::Arc;

use holdfast_model::ErrorCode;

use super::super::classic::{Now, Steps};
use super::super::membership::Membership;
use super::super::{
    Answer, Effects, GroupId, JoinAnswer, JoinRequest, LeaveAnswer, LeavingMember, MemberHeartbeat,
    SyncAnswer, SyncRequest, Ticket, Topics,
};
use super::Shard;

impl Shard {
    /// A member joins. Answered with the ticket, at once or when the generation is complete.
    pub fn join(
        &mut self,
        now: Now,
        id: &GroupId,
        ticket: Ticket,
        request: JoinRequest,
        topics: &dyn Topics,
        effects: &mut Effects,
    ) {
        let asked = request.member.clone().unwrap_or_else(|| Arc::from(""));
        let refuse = |code, effects: &mut Effects| {
            let answer = JoinAnswer::refused(code, &asked);
            effects.answers.push((ticket, Answer::Join(answer)));
        };
        let allowed = self.options.min_session_timeout..=self.options.max_session_timeout;
        if !allowed.contains(&request.session_timeout) {
            return refuse(ErrorCode::InvalidSessionTimeout, effects);
        }
        if !request.is_bounded() {
            return refuse(ErrorCode::InvalidRequest, effects);
        }
        // Only who has no id yet may begin a group.
        if !self.groups.contains_key(id) && request.member.is_some() {
            return refuse(ErrorCode::UnknownMemberId, effects);
        }
        self.go_back(now, id, topics, effects);
        let (options, planted) = (self.options, self.planted);
        let group = match self.group_or_new(id, now) {
            Ok(group) => group,
            Err(code) => return refuse(code, effects),
        };
        // A group of the consumer protocol that has no members becomes one of this one.
        if group.members.is_unused() {
            group.become_classic(now, planted);
        }
        let mut steps = Steps::default();
        match &mut group.members {
            Membership::Classic(members) => {
                members.join(now, ticket, request, &options, &mut steps);
                self.flush(id, now, effects);
            }
            Membership::Modern(members) => {
                let answer = members.join(now, &request, topics, &options);
                let answer = answer.unwrap_or_else(|code| JoinAnswer::refused(code, &asked));
                self.flush(id, now, effects);
                self.tell(now, id, (ticket, Answer::Join(answer)), effects);
            }
        }
        self.after(id, now, steps, effects);
    }

    /// A member asks for its assignment. Answered with the ticket.
    pub fn sync(
        &mut self,
        now: Now,
        id: &GroupId,
        ticket: Ticket,
        request: SyncRequest,
        topics: &dyn Topics,
        effects: &mut Effects,
    ) {
        self.go_back(now, id, topics, effects);
        let options = self.options;
        let mut steps = Steps::default();
        match self.groups.get_mut(id).map(|group| &mut group.members) {
            None => {
                let answer = SyncAnswer::refused(ErrorCode::UnknownMemberId);
                effects.answers.push((ticket, Answer::Sync(answer)));
            }
            Some(Membership::Classic(members)) => members.sync(now, ticket, request, &mut steps),
            Some(Membership::Modern(members)) => {
                let answer = members.sync(now, &request, topics, &options);
                let answer = answer.unwrap_or_else(SyncAnswer::refused);
                // It is told nothing that could not be written yet.
                self.flush(id, now, effects);
                self.tell(now, id, (ticket, Answer::Sync(answer)), effects);
            }
        }
        self.after(id, now, steps, effects);
    }

    /// A member says that it lives.
    pub fn heartbeat(
        &mut self,
        now: Now,
        id: &GroupId,
        request: &MemberHeartbeat,
        topics: &dyn Topics,
        effects: &mut Effects,
    ) -> ErrorCode {
        self.go_back(now, id, topics, effects);
        let options = self.options;
        let code = match self.groups.get_mut(id).map(|group| &mut group.members) {
            None => return ErrorCode::UnknownMemberId,
            Some(Membership::Classic(members)) => members.heartbeat(now, request),
            Some(Membership::Modern(members)) => members.classic_heartbeat(now, request, &options),
        };
        self.after(id, now, Steps::default(), effects);
        code
    }

    /// Members leave.
    pub fn leave(
        &mut self,
        now: Now,
        id: &GroupId,
        leaving: &[LeavingMember],
        topics: &dyn Topics,
        effects: &mut Effects,
    ) -> LeaveAnswer {
        self.go_back(now, id, topics, effects);
        let mut steps = Steps::default();
        let members = match self.groups.get_mut(id).map(|group| &mut group.members) {
            None => vec![ErrorCode::UnknownMemberId; leaving.len()],
            Some(Membership::Classic(members)) => members.leave(now, leaving, &mut steps),
            Some(Membership::Modern(members)) => members.leave_classic(leaving),
        };
        self.flush(id, now, effects);
        self.after(id, now, steps, effects);
        LeaveAnswer {
            code: ErrorCode::None,
            members,
        }
    }
}
