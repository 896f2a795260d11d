//! What became of the records, and how long they took.

use std::time::Duration;

use hdrhistogram::Histogram;
use holdfast_model::{Clock, Monotonic, SystemClock};
use parking_lot::Mutex;

/// The longest time that is told apart, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Digits of a time that are kept.
const DIGITS: u8 = 3;

/// Counts of one run. Times are counted from when a record was due.
#[derive(Debug)]
pub(super) struct Counts {
    clock: SystemClock,
    started: Monotonic,
    /// Records that were due before are left out of the times.
    counted_from: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    acknowledged: u64,
    failed: u64,
    first_failure: Option<String>,
    read: u64,
    acknowledged_after: Histogram<u64>,
    read_after: Histogram<u64>,
    last_acknowledged: Duration,
    /// The latest that a record was given to the producer after it was due.
    latest_send: Duration,
}

/// Some of the times, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
}

/// What the counts are at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) acknowledged: u64,
    pub(super) failed: u64,
    pub(super) first_failure: Option<String>,
    pub(super) read: u64,
    pub(super) acknowledged_after: Times,
    pub(super) read_after: Times,
    pub(super) last_acknowledged: Duration,
    pub(super) latest_send: Duration,
}

impl Counts {
    /// Counts that begin now.
    pub(super) fn new(counted_from: Duration) -> anyhow::Result<Self> {
        let clock = SystemClock::new();
        let inner = Inner {
            acknowledged: 0,
            failed: 0,
            first_failure: None,
            read: 0,
            acknowledged_after: Histogram::new_with_max(LONGEST, DIGITS)?,
            read_after: Histogram::new_with_max(LONGEST, DIGITS)?,
            last_acknowledged: Duration::ZERO,
            latest_send: Duration::ZERO,
        };
        Ok(Self {
            started: clock.monotonic(),
            clock,
            counted_from,
            inner: Mutex::new(inner),
        })
    }

    /// Time since the start.
    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic().since(self.started)
    }

    /// A record that was due is given to the producer now.
    pub(super) fn sent(&self, due: Duration) {
        let late = self.now().saturating_sub(due);
        let mut inner = self.inner.lock();
        inner.latest_send = inner.latest_send.max(late);
    }

    /// A record that was due then is acknowledged now.
    pub(super) fn acknowledged(&self, due: Duration) {
        self.acknowledged_at(self.now(), due);
    }

    fn acknowledged_at(&self, now: Duration, due: Duration) {
        let mut inner = self.inner.lock();
        inner.acknowledged += 1;
        inner.last_acknowledged = now;
        if due >= self.counted_from {
            inner
                .acknowledged_after
                .saturating_record(micros(now.saturating_sub(due)));
        }
    }

    /// A record was not acknowledged.
    pub(super) fn failed(&self, why: &str) {
        let mut inner = self.inner.lock();
        inner.failed += 1;
        inner.first_failure.get_or_insert_with(|| why.to_owned());
    }

    /// A record that was due then is read now.
    pub(super) fn read(&self, due: Duration) {
        let now = self.now();
        let mut inner = self.inner.lock();
        inner.read += 1;
        if due >= self.counted_from {
            inner
                .read_after
                .saturating_record(micros(now.saturating_sub(due)));
        }
    }

    /// Whether everything acknowledged was read.
    pub(super) fn has_read_all(&self) -> bool {
        let inner = self.inner.lock();
        inner.read >= inner.acknowledged
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let inner = self.inner.lock();
        Snapshot {
            acknowledged: inner.acknowledged,
            failed: inner.failed,
            first_failure: inner.first_failure.clone(),
            read: inner.read,
            acknowledged_after: times(&inner.acknowledged_after),
            read_after: times(&inner.read_after),
            last_acknowledged: inner.last_acknowledged,
            latest_send: inner.latest_send,
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn times(histogram: &Histogram<u64>) -> Times {
    let at = |quantile| histogram.value_at_quantile(quantile);
    Times {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: histogram.max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_from_when_the_record_was_due_and_not_during_the_warm_up() {
        let counts = Counts::new(Duration::from_secs(1)).unwrap();
        let now = Duration::from_secs(2);
        counts.acknowledged_at(now, Duration::ZERO);
        assert_eq!(counts.snapshot().acknowledged_after, Times::default());
        counts.acknowledged_at(now, Duration::from_millis(1_500));
        counts.failed("first");
        counts.failed("second");
        let snapshot = counts.snapshot();
        assert_eq!((snapshot.acknowledged, snapshot.failed), (2, 2));
        assert_eq!(snapshot.first_failure.as_deref(), Some("first"));
        assert!(snapshot.acknowledged_after.p50 >= 500_000, "{snapshot:?}");
        assert!(!counts.has_read_all());
        counts.read(Duration::from_millis(1_500));
        counts.read(Duration::from_millis(1_500));
        assert!(counts.has_read_all());
    }
}
