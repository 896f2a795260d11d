//! Heartbeat: a member lives, and hears whether it must join again.

use std::sync::Arc;

use holdfast_kernel::group::MemberHeartbeat;
use holdfast_model::ErrorCode;
use holdfast_wire::messages::{HeartbeatRequest, HeartbeatResponse};

use super::super::RequestContext;
use super::{desk_of_members, optional_shared, shared};
use crate::state::BrokerState;

/// Answers at once.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: HeartbeatRequest,
) -> HeartbeatResponse {
    let code = match beat(broker, context, request).await {
        Ok(code) | Err(code) => code,
    };
    HeartbeatResponse::default().with_error_code(code.code())
}

async fn beat(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: HeartbeatRequest,
) -> Result<ErrorCode, ErrorCode> {
    let desk = desk_of_members(broker, context, &request.group_id)?;
    let group = shared(&request.group_id);
    let beat = MemberHeartbeat {
        member: shared(&request.member_id),
        instance: optional_shared(request.group_instance_id.as_ref()),
        generation: request.generation_id,
    };
    let image = broker.image();
    desk.look(move |turn| {
        let (now, shard) = (turn.now, &mut turn.shard);
        shard.heartbeat(now, &group, &beat, &*image, turn.effects)
    })
    .await
}
