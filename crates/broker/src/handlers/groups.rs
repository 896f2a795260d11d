//! The APIs of groups: each carries what a client asks to the coordinator of its group.

pub mod consumer_group_describe;
pub mod consumer_group_heartbeat;
pub mod delete_groups;
pub mod describe_groups;
pub mod heartbeat;
pub mod join_group;
pub mod leave_group;
pub mod list_groups;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod sync_group;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_model::ErrorCode;
use holdfast_wire::StrBytes;
use holdfast_wire::messages::{RequestKind, ResponseKind};

use super::text::text;
use super::{Operation, RequestContext};
use crate::coordinator::Desk;
use crate::state::BrokerState;

/// The longest text that the records of groups can hold, in bytes.
const LONGEST_TEXT: usize = 32_767;

/// Serves the APIs of groups.
pub(super) async fn dispatch(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: RequestKind,
) -> Result<ResponseKind, RequestKind> {
    Ok(match request {
        RequestKind::JoinGroup(request) => {
            ResponseKind::JoinGroup(join_group::handle(broker, context, version, request).await)
        }
        RequestKind::SyncGroup(request) => {
            ResponseKind::SyncGroup(sync_group::handle(broker, context, version, request).await)
        }
        RequestKind::Heartbeat(request) => {
            ResponseKind::Heartbeat(heartbeat::handle(broker, context, request).await)
        }
        RequestKind::LeaveGroup(request) => {
            ResponseKind::LeaveGroup(leave_group::handle(broker, context, version, request).await)
        }
        RequestKind::ConsumerGroupHeartbeat(request) => ResponseKind::ConsumerGroupHeartbeat(
            consumer_group_heartbeat::handle(broker, context, version, request).await,
        ),
        RequestKind::ConsumerGroupDescribe(request) => ResponseKind::ConsumerGroupDescribe(
            consumer_group_describe::handle(broker, context, request).await,
        ),
        RequestKind::OffsetCommit(request) => ResponseKind::OffsetCommit(
            offset_commit::handle(broker, context, version, request).await,
        ),
        RequestKind::OffsetFetch(request) => {
            ResponseKind::OffsetFetch(offset_fetch::handle(broker, context, version, request).await)
        }
        RequestKind::OffsetDelete(request) => {
            ResponseKind::OffsetDelete(offset_delete::handle(broker, context, request).await)
        }
        RequestKind::DescribeGroups(request) => ResponseKind::DescribeGroups(
            describe_groups::handle(broker, context, version, request).await,
        ),
        RequestKind::ListGroups(request) => {
            ResponseKind::ListGroups(list_groups::handle(broker, context, &request).await)
        }
        RequestKind::DeleteGroups(request) => {
            ResponseKind::DeleteGroups(delete_groups::handle(broker, context, request).await)
        }
        other => return Err(other),
    })
}

/// The desk of a group, for somebody who may do something to it.
///
/// # Errors
/// Kafka's codes.
fn desk(
    broker: &BrokerState,
    context: &RequestContext,
    operation: Operation,
    group: &str,
) -> Result<Desk, ErrorCode> {
    if group.len() > LONGEST_TEXT {
        return Err(ErrorCode::InvalidGroupId);
    }
    if !context.authorize(operation, group) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    broker.offices.desk(broker, group)
}

/// The desk of a group that has members: it must have a name.
///
/// # Errors
/// Kafka's codes.
fn desk_of_members(
    broker: &BrokerState,
    context: &RequestContext,
    group: &str,
) -> Result<Desk, ErrorCode> {
    if group.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    desk(broker, context, Operation::Read, group)
}

fn optional_text(name: Option<&Arc<str>>) -> Option<StrBytes> {
    name.map(|name| text(&**name))
}

fn blob(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

fn shared(text: &StrBytes) -> Arc<str> {
    Arc::from(text.as_str())
}

fn optional_shared(text: Option<&StrBytes>) -> Option<Arc<str>> {
    text.map(shared)
}

/// Names given once each, in order.
fn distinct<T: Ord + Clone>(names: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let names = names.into_iter();
    names.filter(|name| seen.insert(name.clone())).collect()
}
