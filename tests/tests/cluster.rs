//! Three real brokers under faults, with real clients at their defaults: what was acknowledged is
//! there, once, in order, byte for byte.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed step ends the test with its place, and the verdict is shown"
)]

#[path = "cluster/commits.rs"]
mod commits;
#[path = "cluster/load.rs"]
mod load;

#[path = "cluster/coordinators.rs"]
mod coordinators;
#[path = "cluster/damage.rs"]
mod damage;
#[path = "cluster/kills.rs"]
mod kills;
#[path = "cluster/lost_majority.rs"]
mod lost_majority;
#[path = "cluster/old_disks.rs"]
mod old_disks;
#[path = "cluster/pauses.rs"]
mod pauses;
#[path = "cluster/power_cuts.rs"]
mod power_cuts;
#[path = "cluster/renewed_disks.rs"]
mod renewed_disks;
#[path = "cluster/replaced_disks.rs"]
mod replaced_disks;
#[path = "cluster/retention.rs"]
mod retention;
#[path = "cluster/stops.rs"]
mod stops;
#[path = "cluster/versions.rs"]
mod versions;
