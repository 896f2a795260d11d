//! DescribeGroups: groups with their members.

use std::sync::Arc;

use holdfast_kernel::group::DescribedGroup as Described;
use holdfast_model::ErrorCode;
use holdfast_wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use holdfast_wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};

use super::super::text::text;
use super::super::{Operation, RequestContext};
use super::{blob, desk, distinct, optional_text, shared};
use crate::state::BrokerState;

/// From this version on a group that does not exist is an error; before, it is dead.
const MISSING_FROM: i16 = 6;

/// From this version on an answer says what the caller may do.
const OPERATIONS_FROM: i16 = 3;

/// What everybody may do to a group, as Kafka's bits: read, delete, describe, and their settings.
pub(super) const OPERATIONS: i32 = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11);

/// Kafka's name for a group that is not there.
const DEAD: &str = "Dead";

/// Describes each group once.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let operations = request.include_authorized_operations && version >= OPERATIONS_FROM;
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in distinct(request.groups) {
        let found = describe(broker, context, &group).await;
        let group = render(version, group, found);
        groups.push(if operations && group.error_code == 0 {
            group.with_authorized_operations(OPERATIONS)
        } else {
            group
        });
    }
    DescribeGroupsResponse::default().with_groups(groups)
}

async fn describe(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    group: &GroupId,
) -> Result<Option<Described>, ErrorCode> {
    let desk = desk(broker, context, Operation::Describe, group)?;
    let group = shared(group);
    desk.look(move |turn| turn.shard.describe(&group)).await
}

fn render(
    version: i16,
    id: GroupId,
    found: Result<Option<Described>, ErrorCode>,
) -> DescribedGroup {
    let answer = DescribedGroup::default();
    let missing = |answer: DescribedGroup| answer.with_group_state(text(DEAD));
    let answer = match found {
        Ok(Some(group)) => full(answer, &group),
        Ok(None) if version >= MISSING_FROM => {
            let message = format!("Group {} not found.", id.0);
            missing(answer)
                .with_error_code(ErrorCode::GroupIdNotFound.code())
                .with_error_message(Some(text(&*message)))
        }
        Ok(None) => missing(answer),
        Err(code) => answer.with_error_code(code.code()),
    };
    answer.with_group_id(id)
}

fn full(answer: DescribedGroup, group: &Described) -> DescribedGroup {
    let members = group.members.iter().map(|member| {
        DescribedGroupMember::default()
            .with_member_id(text(&*member.id))
            .with_group_instance_id(optional_text(member.instance.as_ref()))
            .with_client_id(text(&*member.client_id))
            .with_client_host(text(&*member.client_host))
            .with_member_metadata(blob(&member.metadata))
            .with_member_assignment(blob(&member.assignment))
    });
    answer
        .with_group_state(text(group.state.name()))
        .with_protocol_type(text(&*group.protocol_type))
        .with_protocol_data(text(group.protocol.as_deref().unwrap_or("")))
        .with_members(members.collect())
}

#[cfg(test)]
mod tests {
    use holdfast_kernel::group::{DescribedMember, GroupState};
    use holdfast_wire::{Api, response};

    use super::*;

    #[test]
    fn answers_fit_every_version_and_a_missing_group_is_dead() {
        let member = DescribedMember {
            id: Arc::from("m"),
            instance: Some(Arc::from("static")),
            client_id: Arc::from("c"),
            client_host: Arc::from("/h"),
            metadata: Arc::from([1]),
            assignment: Arc::from([2]),
        };
        let group = Described {
            state: GroupState::Stable,
            protocol_type: Arc::from("consumer"),
            protocol: Some(Arc::from("range")),
            members: vec![member],
        };
        for version in Api::DescribeGroups.served() {
            let found = [
                Ok(Some(group.clone())),
                Ok(None),
                Err(ErrorCode::NotCoordinator),
            ];
            let groups: Vec<DescribedGroup> = found
                .map(|found| render(version, GroupId(text("g")), found))
                .into();
            let dead = &groups[1];
            assert_eq!(&*dead.group_state, DEAD);
            assert_eq!(dead.error_code != 0, version >= MISSING_FROM);
            let answer = DescribeGroupsResponse::default().with_groups(groups);
            response::encode_message(1, Api::DescribeGroups, version, &answer).unwrap();
        }
    }
}
