//! ListGroups: the groups that this broker coordinates. Clients ask every broker.

use std::sync::Arc;

use holdfast_kernel::group::ListedGroup as Listed;
use holdfast_model::ErrorCode;
use holdfast_wire::StrBytes;
use holdfast_wire::messages::list_groups_response::ListedGroup;
use holdfast_wire::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};

use super::super::text::text;
use super::super::{Operation, RequestContext};
use crate::state::BrokerState;

/// Kafka's names for the types of groups.
const CLASSIC: &str = "classic";
const CONSUMER: &str = "consumer";

/// Lists what the filters let through; an empty filter lets everything through.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: &ListGroupsRequest,
) -> ListGroupsResponse {
    let mut response = ListGroupsResponse::default();
    let types = &request.types_filter;
    let of_type = |group: &Listed| {
        let wanted = |kind: &StrBytes| kind.eq_ignore_ascii_case(type_of(group));
        types.is_empty() || types.iter().any(wanted)
    };
    let states: Vec<String> = request.states_filter.iter().map(|s| plain(s)).collect();
    let wanted = |group: &Listed| {
        of_type(group)
            && (states.is_empty() || states.contains(&plain(group.state.name())))
            && context.authorize(Operation::Describe, &group.group)
    };
    for desk in broker.offices.desks() {
        let listed = match desk {
            Ok(desk) => desk.look(|turn| turn.shard.list()).await,
            Err(code) => Err(code),
        };
        match listed {
            Ok(groups) => {
                let groups = groups.into_iter().filter(wanted);
                response.groups.extend(groups.map(|group| render(&group)));
            }
            // Another broker lists its groups.
            Err(ErrorCode::NotCoordinator) => {}
            Err(code) => return ListGroupsResponse::default().with_error_code(code.code()),
        }
    }
    response
}

/// States are written with and without capitals and underscores.
fn plain(state: &str) -> String {
    state.replace('_', "").to_ascii_lowercase()
}

fn type_of(group: &Listed) -> &'static str {
    if group.is_modern { CONSUMER } else { CLASSIC }
}

fn render(group: &Listed) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(text(&*group.group)))
        .with_protocol_type(text(&*group.protocol_type))
        .with_group_state(text(group.state.name()))
        .with_group_type(text(type_of(group)))
}
