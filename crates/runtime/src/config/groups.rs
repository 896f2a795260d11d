//! Consumer groups and where their offsets are kept.

use holdfast_model::MigrationPolicy;
use serde::Serialize;

/// Consumer groups: Kafka's settings with Kafka's defaults, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Groups {
    /// Partitions of `__consumer_offsets` when it is made.
    pub offsets_partitions: i32,
    /// Its replicas when it is made; a cluster with fewer brokers has as many as it has brokers.
    pub offsets_replication_factor: i16,
    /// Minutes that offsets outlive their group.
    pub offsets_retention_minutes: i64,
    /// Milliseconds between two looks for offsets that expired.
    pub offsets_retention_check_interval_ms: u64,
    /// Milliseconds that a commit may wait for its record.
    pub offsets_commit_timeout_ms: u64,
    /// Most bytes of what a consumer notes beside an offset.
    pub offset_metadata_max_bytes: usize,
    /// The shortest session that a member may ask for, in milliseconds.
    pub min_session_timeout_ms: u64,
    /// The longest one.
    pub max_session_timeout_ms: u64,
    /// Milliseconds that a group that was empty waits for more members.
    pub initial_rebalance_delay_ms: u64,
    /// Most members of a group (Kafka's default has no bound).
    pub max_size: usize,
    /// How long a member of the consumer protocol may be silent, in milliseconds.
    pub consumer_session_timeout_ms: u64,
    /// How often it is asked to say that it lives, in milliseconds.
    pub consumer_heartbeat_interval_ms: u64,
    /// Most members of a group of the consumer protocol (Kafka's default has no bound).
    pub consumer_max_size: usize,
    /// Which groups may go from one protocol to the other while they have members.
    pub consumer_migration_policy: MigrationPolicy,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            offsets_partitions: 50,
            offsets_replication_factor: 3,
            offsets_retention_minutes: 7 * 24 * 60,
            offsets_retention_check_interval_ms: 600_000,
            offsets_commit_timeout_ms: 5_000,
            offset_metadata_max_bytes: 4096,
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: 5_000,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            consumer_max_size: 5_000,
            consumer_migration_policy: MigrationPolicy::default(),
        }
    }
}
