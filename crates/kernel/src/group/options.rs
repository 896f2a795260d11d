//! What bounds groups: Kafka's settings.

use std::time::Duration;

use holdfast_model::MigrationPolicy;

/// The settings of a coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupOptions {
    /// Shortest session that a member may ask for.
    pub min_session_timeout: Duration,
    /// Longest session that a member may ask for.
    pub max_session_timeout: Duration,
    /// How long a group that was empty waits for more members before its first generation.
    pub initial_rebalance_delay: Duration,
    /// Most members of one group, those included that have an id but have not joined.
    pub max_size: usize,
    /// How long a member of the consumer protocol may be silent.
    pub modern_session_timeout: Duration,
    /// Most members of one group of the consumer protocol.
    pub modern_max_size: usize,
    /// Which groups may go from one protocol to the other while they have members.
    pub migration: MigrationPolicy,
    /// How long offsets outlive their group, in milliseconds of wall time.
    pub retention_ms: i64,
    /// How long an answer waits for its record before it says so; the record may be committed later.
    pub commit_timeout: Duration,
    /// Most offsets of one group: one for each partition of a large cluster.
    pub max_offsets: usize,
    /// Most groups of one partition of `__consumer_offsets`.
    pub max_groups: usize,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self {
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_mins(30),
            initial_rebalance_delay: Duration::from_secs(3),
            max_size: 5_000,
            modern_session_timeout: Duration::from_secs(45),
            modern_max_size: 5_000,
            migration: MigrationPolicy::default(),
            retention_ms: 7 * 24 * 3_600_000,
            commit_timeout: Duration::from_secs(5),
            max_offsets: 200_000,
            max_groups: 50_000,
        }
    }
}
