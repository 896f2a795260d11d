//! Damage on the disk: found, mended, looked for.

use holdfast_runtime::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// Damage and its repair.
#[derive(Clone, Debug)]
pub struct RepairMetrics {
    /// Reads that found damaged data.
    pub damaged_reads: Counter,
    /// Damaged batches that were fetched from another replica and written again.
    pub mended_batches: Counter,
    /// Damaged replicas that became whole.
    pub mended_replicas: Counter,
    /// Replicas that are damaged now.
    pub damaged_replicas: Gauge,
    /// Bytes read by the background check.
    pub scrubbed: Counter,
    /// Rounds of the background check.
    pub scrub_rounds: Counter,
    /// How long its last round took, in seconds.
    pub scrub_round_seconds: Gauge,
}

impl RepairMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let replica = metrics.area("replica");
        let disk = metrics.area("disk");
        Self {
            damaged_reads: replica.counter("damaged_reads", "Reads that found damaged data"),
            mended_batches: replica.counter(
                "mended_batches",
                "Damaged batches fetched from another replica and written again",
            ),
            mended_replicas: replica.counter("mended", "Damaged replicas that became whole again"),
            damaged_replicas: replica.gauge(
                "damaged",
                "Replicas here that serve nothing until their damage is mended",
            ),
            scrubbed: disk.bytes_counter("scrubbed", "Read by the background check"),
            scrub_rounds: disk.counter("scrub_rounds", "Rounds of the background check"),
            scrub_round_seconds: disk.gauge(
                "scrub_round_seconds",
                "How long the last whole round of the background check took",
            ),
        }
    }
}
