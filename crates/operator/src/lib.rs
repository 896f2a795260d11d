//! The operator: watches the resources, looks at what there is, has the planner decide, does what was
//! decided and writes the status.
//!
//! What happens to a `MessageCluster`: `watch` keeps what changes in caches and wakes the clusters
//! that it is about; `observe` reads the caches and asks the brokers; `holdfast_planner::decide`
//! decides; `apply` carries the acts out; `status` says what came of it.
//!
//! Knows nothing about how a broker works, and decides nothing about clusters by itself.
//!
//! Invariants:
//! - No code here, and no right in [`rbac`], deletes a claim, a volume, a Secret or an identity. A test
//!   reads both.
//! - Caches may be stale: whatever removes something names the uid that was seen, a set is changed only
//!   in the version that was seen, and before a cluster is made the API server is asked again.
//! - Whoever lost the lease does nothing more: every act looks at it first.
//! - One resource that cannot be read or carried out stops no other.
//! - Where nothing changed, nothing is written.

mod admin;
mod apply;
mod cache;
mod certificates;
mod cluster;
mod context;
pub mod driven;
mod error;
mod events;
mod identity_map;
mod invalid;
mod kinds;
mod lease;
mod metrics;
mod observe;
mod options;
pub mod outside;
mod process;
pub mod rbac;
mod status;
mod topic;
mod watch;

pub use options::Options;
pub use process::run;
