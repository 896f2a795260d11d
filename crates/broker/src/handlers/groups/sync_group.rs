//! SyncGroup: a member wants its assignment; the leader brings everybody's.

use std::sync::Arc;

use holdfast_kernel::group::{Answer, SyncAnswer, SyncRequest};
use holdfast_model::ErrorCode;
use holdfast_wire::messages::{SyncGroupRequest, SyncGroupResponse};

use super::super::RequestContext;
use super::{blob, desk_of_members, optional_shared, optional_text, shared};
use crate::coordinator::Turn;
use crate::state::BrokerState;

/// From this version on a client says which protocol it was told.
const PROTOCOL_FROM: i16 = 5;

/// Answers once the assignment is committed.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    let answer = match sync(broker, context, version, request).await {
        Ok(Answer::Sync(answer)) => answer,
        Ok(Answer::Join(_) | Answer::Done(_) | Answer::Heartbeat(_)) => {
            SyncAnswer::refused(ErrorCode::UnknownServerError)
        }
        Err(code) => SyncAnswer::refused(code),
    };
    let response = SyncGroupResponse::default()
        .with_error_code(answer.code.code())
        .with_assignment(blob(&answer.assignment));
    if version < PROTOCOL_FROM {
        return response;
    }
    response
        .with_protocol_type(optional_text(answer.protocol_type.as_ref()))
        .with_protocol_name(optional_text(answer.protocol.as_ref()))
}

async fn sync(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: SyncGroupRequest,
) -> Result<Answer, ErrorCode> {
    let desk = desk_of_members(broker, context, &request.group_id)?;
    let says = request.protocol_type.is_some() && request.protocol_name.is_some();
    if version >= PROTOCOL_FROM && !says {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    let group = shared(&request.group_id);
    let assignments = request.assignments.iter().map(|one| {
        let assignment: Arc<[u8]> = Arc::from(&one.assignment[..]);
        (shared(&one.member_id), assignment)
    });
    let sync = SyncRequest {
        member: shared(&request.member_id),
        instance: optional_shared(request.group_instance_id.as_ref()),
        generation: request.generation_id,
        protocol_type: optional_shared(request.protocol_type.as_ref()),
        protocol: optional_shared(request.protocol_name.as_ref()),
        assignments: assignments.collect(),
    };
    let image = broker.image();
    let act = move |turn: &mut Turn<'_>, ticket| {
        let (now, shard) = (turn.now, &mut turn.shard);
        shard.sync(now, &group, ticket, sync, &*image, turn.effects);
    };
    desk.wait(act).await
}
