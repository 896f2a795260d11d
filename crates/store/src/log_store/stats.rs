//! What the store measures.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Budget, GroupStats};

/// Bounds are powers of two of microseconds: the last counts everything from half an hour on.
const BUCKETS: usize = 32;

/// A histogram of durations. Bucket `i` counts durations below 2^i microseconds that no bucket
/// before it counts; the last bucket counts the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Counts of the buckets.
    pub buckets: Vec<u64>,
    /// Sum of all durations, microseconds.
    pub sum_micros: u64,
}

/// A snapshot of everything the store counts since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The newest synced group.
    pub group: u64,
    /// Groups committed.
    pub groups: u64,
    /// Operations committed.
    pub ops: u64,
    /// Appends committed.
    pub appends: u64,
    /// Bytes committed.
    pub bytes: u64,
    /// Bytes that wait for the writer or are being written.
    pub queued_bytes: usize,
    /// Operations that wait for the writer or are being written.
    pub queued_ops: usize,
    /// How long each group's first operation waited for the writer.
    pub queue_wait: Histogram,
    /// How long each group's write and sync took.
    pub write: Histogram,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    groups: AtomicU64,
    ops: AtomicU64,
    appends: AtomicU64,
    bytes: AtomicU64,
    queue_wait: Durations,
    write: Durations,
}

#[derive(Debug, Default)]
struct Durations {
    buckets: [AtomicU64; BUCKETS],
    sum_micros: AtomicU64,
}

impl Durations {
    fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - micros.leading_zeros()).min(BUCKETS as u32 - 1) as usize;
        if let Some(count) = self.buckets.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn snapshot(&self) -> Histogram {
        Histogram {
            buckets: self
                .buckets
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .collect(),
            sum_micros: self.sum_micros.load(Ordering::Relaxed),
        }
    }
}

impl Counters {
    pub(super) fn record(&self, stats: &GroupStats) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.ops.fetch_add(stats.ops as u64, Ordering::Relaxed);
        self.appends
            .fetch_add(stats.appends as u64, Ordering::Relaxed);
        self.bytes.fetch_add(stats.bytes as u64, Ordering::Relaxed);
        self.queue_wait.record(stats.queue_wait);
        self.write.record(stats.write);
    }

    pub(super) fn snapshot(&self, group: u64, budget: &Budget) -> Stats {
        let (queued_bytes, queued_ops) = budget.used();
        Stats {
            group,
            groups: self.groups.load(Ordering::Relaxed),
            ops: self.ops.load(Ordering::Relaxed),
            appends: self.appends.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            queued_bytes,
            queued_ops,
            queue_wait: self.queue_wait.snapshot(),
            write: self.write.snapshot(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_buckets() {
        let durations = Durations::default();
        for micros in [0, 1, 2, 3, 1_000, u64::MAX / 2] {
            durations.record(Duration::from_micros(micros));
        }
        let buckets = durations.snapshot().buckets;
        assert_eq!(buckets[..3], [1, 1, 2]);
        assert_eq!((buckets[10], buckets[BUCKETS - 1]), (1, 1));
    }
}
