//! The coordinators of groups: one for each partition of `__consumer_offsets` that this broker leads.
//!
//! A coordinator is a task that owns a [`Shard`](holdfast_kernel::group::Shard), the kernel's state
//! machine. It loads what the partition's log says, takes requests one by one, appends what they
//! decide, and answers once that is below the high watermark. It ends with the leadership under which
//! it was loaded. Nothing else writes to the partition.

mod append;
mod desk;
mod load;
mod office;
mod record;
mod task;
mod topic;

pub use desk::{Desk, Turn};
pub use office::Offices;

use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::group::{CONSUMER_PROTOCOL, GroupOptions};
use holdfast_model::consumer_protocol;
use holdfast_runtime::config::Groups;

/// The kernel's options, from the configuration.
pub(crate) fn options(groups: &Groups) -> GroupOptions {
    GroupOptions {
        min_session_timeout: Duration::from_millis(groups.min_session_timeout_ms),
        max_session_timeout: Duration::from_millis(groups.max_session_timeout_ms),
        initial_rebalance_delay: Duration::from_millis(groups.initial_rebalance_delay_ms),
        max_size: groups.max_size,
        modern_session_timeout: Duration::from_millis(groups.consumer_session_timeout_ms),
        modern_max_size: groups.consumer_max_size,
        migration: groups.consumer_migration_policy,
        retention_ms: groups.offsets_retention_minutes.saturating_mul(60_000),
        commit_timeout: Duration::from_millis(groups.offsets_commit_timeout_ms),
        ..GroupOptions::default()
    }
}

/// The topics in what a member says of itself, if it is a consumer; groups of other kinds are not
/// understood here.
pub(crate) fn topics_of(protocol_type: &str, metadata: &[u8]) -> Arc<[Arc<str>]> {
    let topics = if protocol_type == CONSUMER_PROTOCOL {
        consumer_protocol::topics(metadata).unwrap_or_default()
    } else {
        Vec::new()
    };
    topics.into_iter().map(Arc::from).collect()
}
