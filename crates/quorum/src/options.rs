//! Settings of the quorum.

use std::time::Duration;

use openraft::{Config, ConfigError, SnapshotPolicy};

/// Settings of the quorum. The defaults suit zones of one region.
///
/// A lost leader is replaced after `election_max` (its lease, during which nobody votes for
/// another) plus a random time between `election_min` and `election_max`, rounded up to ticks of
/// one and a half heartbeats: 0.6 to 0.9 s with the defaults. The lease is one of time only in that
/// it delays elections; safety never depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often a leader says that it lives; also the deadline of one append.
    pub heartbeat: Duration,
    /// Shortest election time-out.
    pub election_min: Duration,
    /// Longest election time-out, and the leader's lease.
    pub election_max: Duration,
    /// Most entries of one append.
    pub append_entries: u64,
    /// Most bytes of one append; a single larger entry is sent alone.
    pub append_bytes: usize,
    /// Entries between two snapshots.
    pub snapshot_entries: u64,
    /// Bytes of entries between two snapshots.
    pub snapshot_bytes: u64,
    /// Entries kept although a snapshot holds them, for members that lag.
    pub keep_entries: u64,
    /// How long sending and installing a snapshot may take.
    pub snapshot_timeout: Duration,
    /// How long a proposal waits to be committed and applied.
    pub propose_timeout: Duration,
    /// Most proposals that wait at the same time.
    pub proposals: usize,
    /// Most bytes of one proposal.
    pub proposal_bytes: usize,
    /// The pause between two rounds of questions during formation.
    pub formation_retry: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(60),
            election_min: Duration::from_millis(200),
            election_max: Duration::from_millis(400),
            append_entries: 256,
            append_bytes: 1024 * 1024,
            snapshot_entries: 4096,
            snapshot_bytes: 32 * 1024 * 1024,
            keep_entries: 4096,
            snapshot_timeout: Duration::from_secs(20),
            propose_timeout: Duration::from_secs(5),
            proposals: 256,
            proposal_bytes: 8 * 1024 * 1024,
            formation_retry: Duration::from_millis(250),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Options {
    pub(crate) fn to_openraft(self) -> Result<Config, ConfigError> {
        let config = Config {
            cluster_name: "holdfast".to_owned(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            install_snapshot_timeout: millis(self.snapshot_timeout),
            max_payload_entries: self.append_entries,
            // Above what a snapshot may be behind, or sending one would never end the lag.
            replication_lag_threshold: self.snapshot_entries + self.keep_entries,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_entries),
            max_in_snapshot_log_to_keep: self.keep_entries,
            purge_batch_size: 256.min(self.snapshot_entries.max(1)),
            ..Config::default()
        };
        config.validate()
    }
}
