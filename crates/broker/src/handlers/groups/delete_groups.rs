//! DeleteGroups: groups without members go, with their offsets.

use std::sync::Arc;

use holdfast_model::ErrorCode;
use holdfast_wire::messages::delete_groups_response::DeletableGroupResult;
use holdfast_wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};

use super::super::{Operation, RequestContext};
use super::{desk, distinct, shared};
use crate::state::BrokerState;

/// Deletes each group once, and answers once that is committed.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group in distinct(request.groups_names) {
        let code = match delete(broker, context, &group).await {
            Ok(code) | Err(code) => code,
        };
        let result = DeletableGroupResult::default()
            .with_group_id(group)
            .with_error_code(code.code());
        results.push(result);
    }
    DeleteGroupsResponse::default().with_results(results)
}

async fn delete(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    group: &GroupId,
) -> Result<ErrorCode, ErrorCode> {
    let desk = desk(broker, context, Operation::Delete, group)?;
    let group = shared(group);
    let act = move |turn: &mut crate::coordinator::Turn<'_>, ticket| {
        turn.shard.delete(turn.now, &group, ticket, turn.effects);
    };
    Ok(desk.done(act).await)
}
