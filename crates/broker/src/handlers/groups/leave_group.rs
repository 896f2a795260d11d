//! LeaveGroup: members go, or are removed by somebody who administers.

use std::sync::Arc;

use holdfast_kernel::group::{LeaveAnswer, LeavingMember};
use holdfast_model::ErrorCode;
use holdfast_wire::messages::leave_group_response::MemberResponse;
use holdfast_wire::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::super::RequestContext;
use super::{desk_of_members, optional_shared, shared};
use crate::state::BrokerState;

/// From this version on a request names many members.
const MANY_FROM: i16 = 3;

/// Answers at once: what leaving changes is written later, and leaving again changes nothing.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let leaving: Vec<LeavingMember> = if version < MANY_FROM {
        vec![LeavingMember {
            member: shared(&request.member_id),
            instance: None,
        }]
    } else {
        let members = request.members.iter();
        let members = members.map(|one| LeavingMember {
            member: shared(&one.member_id),
            instance: optional_shared(one.group_instance_id.as_ref()),
        });
        members.collect()
    };
    let answer = leave(broker, context, &request, leaving).await;
    let answer = answer.unwrap_or_else(|code| LeaveAnswer {
        code,
        members: Vec::new(),
    });
    if version < MANY_FROM {
        let code = answer.members.first().copied().unwrap_or(answer.code);
        return LeaveGroupResponse::default().with_error_code(code.code());
    }
    let members = request.members.into_iter().zip(&answer.members);
    let members = members.map(|(one, code)| {
        MemberResponse::default()
            .with_member_id(one.member_id)
            .with_group_instance_id(one.group_instance_id)
            .with_error_code(code.code())
    });
    let (code, members) = match answer.code {
        ErrorCode::None => (ErrorCode::None, members.collect()),
        code => (code, Vec::new()),
    };
    LeaveGroupResponse::default()
        .with_error_code(code.code())
        .with_members(members)
}

async fn leave(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: &LeaveGroupRequest,
    leaving: Vec<LeavingMember>,
) -> Result<LeaveAnswer, ErrorCode> {
    let desk = desk_of_members(broker, context, &request.group_id)?;
    let group = shared(&request.group_id);
    let image = broker.image();
    desk.look(move |turn| {
        let (now, shard) = (turn.now, &mut turn.shard);
        shard.leave(now, &group, &leaving, &*image, turn.effects)
    })
    .await
}
