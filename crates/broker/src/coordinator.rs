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
mod subscription;
mod task;
mod topic;

pub use desk::{Desk, Turn};
pub use office::Offices;
pub use subscription::topics_of;

use std::time::Duration;

use holdfast_kernel::group::GroupOptions;
use holdfast_runtime::config::Groups;

/// The kernel's options, from the configuration.
pub(crate) fn options(groups: &Groups) -> GroupOptions {
    GroupOptions {
        min_session_timeout: Duration::from_millis(groups.min_session_timeout_ms),
        max_session_timeout: Duration::from_millis(groups.max_session_timeout_ms),
        initial_rebalance_delay: Duration::from_millis(groups.initial_rebalance_delay_ms),
        max_size: groups.max_size,
        retention_ms: groups.offsets_retention_minutes.saturating_mul(60_000),
        commit_timeout: Duration::from_millis(groups.offsets_commit_timeout_ms),
        ..GroupOptions::default()
    }
}
