//! What the broker counts. Handles are kept, so that no record costs a look-up by name.

use holdfast_runtime::metrics::{Metrics, latency_histogram};
use holdfast_store::GroupStats;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

mod repair;

pub use repair::RepairMetrics;

/// Counters of partitions and replication.
#[derive(Clone, Debug)]
pub struct BrokerMetrics {
    /// Retried batches that were answered with their old offsets.
    pub duplicates: Counter,
    /// Times a follower cut its log to what it shares with its leader.
    pub truncations: Counter,
    /// Times a follower refused to give up acknowledged records.
    pub refused_truncations: Counter,
    /// Replicas taken offline.
    pub replicas_taken_offline: Counter,
    /// Bytes of batches taken in as a follower.
    pub replicated_bytes: Counter,
    /// Messages from followers.
    pub replication_answers: Counter,
    /// Bytes of batches taken in from producers.
    pub produced_bytes: Counter,
    /// Batches taken in from producers.
    pub produced_batches: Counter,
    /// Bytes of batches sent to consumers.
    pub fetched_bytes: Counter,
    /// Fetches of a partition that had to read the disk.
    pub disk_reads: Counter,
    /// Wishes of leaders for another ISR.
    pub isr_proposals: Counter,
    /// Committed ISRs of partitions led here that lost a member.
    pub isr_shrinks: Counter,
    /// Committed ISRs of partitions led here that gained a member.
    pub isr_expansions: Counter,
    /// Partitions led here whose ISR is smaller than their replica list.
    pub under_replicated: Gauge,
    /// Partitions led here whose committed ISR is below the minimum.
    pub under_min_isr: Gauge,
    /// Partitions of this broker that are offline.
    pub offline_replicas: Gauge,
    /// Partitions led here.
    pub leaders: Gauge,
    /// Replicas here.
    pub replicas: Gauge,
    /// Bytes in the tail cache.
    pub tail_bytes: Gauge,
    /// Partitions that nobody leads; counted where the controller is.
    pub leaderless: Gauge,
    /// Free bytes of the data directory's file system.
    pub disk_available: Gauge,
    /// Bytes of the log's database.
    pub disk_used: Gauge,
    /// 1 while appends are refused because the disk is down to its reserve.
    pub disk_at_reserve: Gauge,
    /// The term of the metadata quorum.
    pub quorum_term: Gauge,
    /// 1 on the leader of the quorum.
    pub quorum_leads: Gauge,
    /// 1 where a leader of the quorum is known.
    pub quorum_has_leader: Gauge,
    /// Entries applied here.
    pub quorum_applied: Gauge,
    /// 1 while no controller answers, and the other brokers are silent or hear one.
    pub isolated: Gauge,
    /// 1 while the wall clock is ahead of what is possible, so that nothing expires by time.
    pub clock_jumped: Gauge,
    /// Connections of clients.
    pub connections: Gauge,
    /// Damage and its repair.
    pub repair: RepairMetrics,
    /// What clients push.
    pub telemetry: TelemetryMetrics,
    /// Requests answered, by API.
    pub requests: Family<ApiLabel, Counter>,
    /// From a produce request's append to the last of its batches being safe.
    pub commit_wait: Histogram,
    /// From the last byte of a request to the first of its answer, by API.
    pub request_seconds: Family<ApiLabel, Histogram>,
}

/// The label of per-API metrics.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ApiLabel {
    /// Kafka's name of the API.
    pub api: &'static str,
}

impl BrokerMetrics {
    /// Registers everything.
    pub fn new(metrics: &Metrics) -> Self {
        let replica = metrics.area("replica");
        let traffic = metrics.area("traffic");
        let partition = metrics.area("partition");
        let request = metrics.area("request");
        let disk = metrics.area("disk");
        let quorum = metrics.area("quorum");
        Self {
            duplicates: traffic.counter("duplicate_batches", "Retried batches answered again"),
            truncations: replica.counter("truncations", "Logs cut to what their leader shares"),
            refused_truncations: replica.counter(
                "refused_truncations",
                "Refusals to give up acknowledged records",
            ),
            replicas_taken_offline: replica.counter("taken_offline", "Replicas taken offline"),
            replicated_bytes: traffic.bytes_counter("replicated", "Taken in as a follower"),
            replication_answers: traffic
                .counter("replication_answers", "Messages received from followers"),
            produced_bytes: traffic.bytes_counter("produced", "Taken in from producers"),
            produced_batches: traffic.counter("produced_batches", "Taken in from producers"),
            fetched_bytes: traffic.bytes_counter("fetched", "Sent to consumers"),
            disk_reads: traffic.counter("disk_reads", "Fetches that had to read the disk"),
            isr_proposals: replica.counter("isr_proposals", "Changes of an ISR asked for"),
            isr_shrinks: partition.counter("isr_shrinks", "Members lost by ISRs, where led"),
            isr_expansions: partition
                .counter("isr_expansions", "Members gained by ISRs, where led"),
            under_replicated: partition.gauge(
                "under_replicated",
                "Led here with an ISR smaller than their replica list",
            ),
            under_min_isr: partition.gauge(
                "under_min_isr",
                "Led here with an ISR below min.insync.replicas",
            ),
            offline_replicas: replica.gauge("offline", "Replicas here that serve nothing"),
            leaders: partition.gauge("leaders", "Partitions led here"),
            replicas: partition.gauge("replicas", "Replicas here"),
            tail_bytes: traffic.bytes_gauge("tail", "Newest batches held in memory"),
            leaderless: partition.gauge(
                "leaderless",
                "Partitions of the cluster without a leader; counted by the controller",
            ),
            disk_available: disk.bytes_gauge("available", "Free on the data's file system"),
            disk_used: disk.bytes_gauge("used", "Taken by the log's database"),
            disk_at_reserve: disk.gauge("at_reserve", "1 while appends are refused for space"),
            quorum_term: quorum.gauge("term", "Term of the metadata quorum"),
            quorum_leads: quorum.gauge("leads", "1 on its leader, the controller"),
            quorum_has_leader: quorum.gauge("has_leader", "1 where its leader is known"),
            quorum_applied: quorum.gauge("applied", "Entries applied here"),
            isolated: quorum.gauge(
                "isolated",
                "1 while no controller answers, and the other brokers are silent or hear one",
            ),
            clock_jumped: partition.gauge(
                "clock_jumped",
                "1 while the wall clock is ahead of what is possible: nothing expires by time",
            ),
            connections: request.gauge("connections", "Open connections of clients"),
            repair: RepairMetrics::new(metrics),
            telemetry: TelemetryMetrics::new(metrics),
            requests: request.register(
                "answered",
                "Requests answered, by API",
                Family::<ApiLabel, Counter>::default(),
            ),
            commit_wait: request.latency(
                "commit_wait",
                "From a produce request's append until its batches are safe",
            ),
            request_seconds: request.register_with_unit(
                "duration",
                "From a request's last byte to its answer, by API",
                Unit::Seconds,
                Family::<ApiLabel, Histogram>::new_with_constructor(latency_histogram),
            ),
        }
    }
}

/// Metrics that clients push.
#[derive(Clone, Debug)]
pub struct TelemetryMetrics {
    /// Payloads that the receiver took.
    pub forwarded: Counter,
    /// Payloads that it did not take.
    pub dropped: Counter,
}

impl TelemetryMetrics {
    fn new(metrics: &Metrics) -> Self {
        let telemetry = metrics.area("telemetry");
        Self {
            forwarded: telemetry.counter(
                "forwarded",
                "Payloads of clients' metrics that the receiver took",
            ),
            dropped: telemetry.counter(
                "dropped",
                "Payloads of clients' metrics that the receiver did not take",
            ),
        }
    }
}

/// What the writer's groups cost.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    queue_wait: Histogram,
    sync: Histogram,
    group_bytes: Histogram,
    ops: Counter,
}

impl StoreMetrics {
    /// Registers everything.
    pub fn new(metrics: &Metrics) -> Self {
        let store = metrics.area("store");
        Self {
            queue_wait: store.latency("queue_wait", "First step of a group until its write"),
            sync: store.latency("sync", "Write and sync of one group"),
            group_bytes: store.sizes("group", "Bytes written and synced together"),
            ops: store.counter("operations", "Durable steps written"),
        }
    }

    /// Takes note of a group.
    pub fn observe(&self, stats: &GroupStats) {
        self.queue_wait.observe(stats.queue_wait.as_secs_f64());
        self.sync.observe(stats.write.as_secs_f64());
        self.group_bytes.observe(stats.bytes as f64);
        self.ops.inc_by(stats.ops as u64);
    }
}

#[cfg(test)]
mod reference;
