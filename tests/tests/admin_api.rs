//! The admin API of real brokers, as people and the operator use it.
#![expect(
    clippy::unwrap_used,
    reason = "a failed step ends the test with its place"
)]

#[path = "admin_api/dev_cluster.rs"]
mod dev_cluster;
#[path = "admin_api/doctor.rs"]
mod doctor;
#[path = "admin_api/permit.rs"]
mod permit;
#[path = "admin_api/topic.rs"]
mod topic;
