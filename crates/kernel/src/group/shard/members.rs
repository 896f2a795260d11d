//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use std::sync::Arc;

use holdfast_model::ErrorCode;

use super::super::classic::{Now, Steps};
use super::super::{
    Answer, ClassicGroup, Effects, GroupId, JoinAnswer, JoinRequest, LeaveAnswer, LeavingMember,
    SyncAnswer, SyncRequest, Ticket,
};
use super::Shard;

impl Shard {
    /// The members of a group of the classic protocol.
    fn classic(&mut self, id: &GroupId) -> Option<&mut ClassicGroup> {
        self.groups.get_mut(id)?.members.classic()
    }

    /// A member joins. Answered with the ticket, at once or when the generation is complete.
    pub fn join(
        &mut self,
        now: Now,
        id: &GroupId,
        ticket: Ticket,
        request: JoinRequest,
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
        // Only who has no id yet may begin a group.
        if !self.groups.contains_key(id) && request.member.is_some() {
            return refuse(ErrorCode::UnknownMemberId, effects);
        }
        let (options, planted) = (self.options, self.planted);
        let group = match self.group_or_new(id, now) {
            Ok(group) => group,
            Err(code) => return refuse(code, effects),
        };
        // A group of the consumer protocol that has no members becomes one of this one.
        if group.members.is_unused() {
            group.become_classic(now, planted);
        }
        let Some(members) = group.members.classic() else {
            return refuse(ErrorCode::InconsistentGroupProtocol, effects);
        };
        let mut steps = Steps::default();
        members.join(now, ticket, request, &options, &mut steps);
        self.flush(id, now, effects);
        self.after(id, now, steps, effects);
    }

    /// A member asks for its assignment. Answered with the ticket.
    pub fn sync(
        &mut self,
        now: Now,
        id: &GroupId,
        ticket: Ticket,
        request: SyncRequest,
        effects: &mut Effects,
    ) {
        let Some(members) = self.classic(id) else {
            let answer = SyncAnswer::refused(ErrorCode::UnknownMemberId);
            effects.answers.push((ticket, Answer::Sync(answer)));
            return;
        };
        let mut steps = Steps::default();
        members.sync(now, ticket, request, &mut steps);
        self.after(id, now, steps, effects);
    }

    /// A member says that it lives.
    pub fn heartbeat(
        &mut self,
        now: Now,
        id: &GroupId,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> ErrorCode {
        let Some(members) = self.classic(id) else {
            return ErrorCode::UnknownMemberId;
        };
        let code = members.heartbeat(now, member, instance, generation);
        self.after(id, now, Steps::default(), &mut Effects::default());
        code
    }

    /// Members leave.
    pub fn leave(
        &mut self,
        now: Now,
        id: &GroupId,
        leaving: &[LeavingMember],
        effects: &mut Effects,
    ) -> LeaveAnswer {
        let Some(members) = self.classic(id) else {
            return LeaveAnswer {
                code: ErrorCode::UnknownMemberId,
                members: vec![ErrorCode::UnknownMemberId; leaving.len()],
            };
        };
        let mut steps = Steps::default();
        let members = members.leave(now, leaving, &mut steps);
        self.after(id, now, steps, effects);
        LeaveAnswer {
            code: ErrorCode::None,
            members,
        }
    }
}
