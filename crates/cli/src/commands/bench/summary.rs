//! What a run showed.

use serde::Serialize;

use super::counts::{Counts, Snapshot, Times};
use crate::output::Table;
use crate::text::add;

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    asked_records_per_second: u32,
    records_per_second: f64,
    mebibytes_per_second: f64,
    acknowledged: u64,
    failed: u64,
    /// Why the first of them failed.
    first_failure: Option<String>,
    /// Records read back; none if nobody read.
    read: Option<u64>,
    /// From when a record was due until it was acknowledged.
    acknowledged_after: Milliseconds,
    /// From when a record was due until it was read.
    read_after: Option<Milliseconds>,
    /// The latest that a record was sent after it was due: the load could not be kept up, if that grows.
    latest_send_milliseconds: f64,
}

/// Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Milliseconds {
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

impl From<Times> for Milliseconds {
    fn from(times: Times) -> Self {
        let ms = |micros: u64| micros as f64 / 1_000.0;
        Self {
            p50: ms(times.p50),
            p90: ms(times.p90),
            p99: ms(times.p99),
            p99_9: ms(times.p999),
            max: ms(times.max),
        }
    }
}

impl Summary {
    pub(super) fn of(counts: &Counts, rate: u32, size: u32, reads: bool) -> Self {
        Self::new(counts.snapshot(), rate, size, reads)
    }

    fn new(seen: Snapshot, rate: u32, size: u32, reads: bool) -> Self {
        let seconds = seen.last_acknowledged.as_secs_f64();
        let per_second = if seconds > 0.0 {
            seen.acknowledged as f64 / seconds
        } else {
            0.0
        };
        Self {
            asked_records_per_second: rate,
            records_per_second: per_second,
            mebibytes_per_second: per_second * f64::from(size) / f64::from(1 << 20),
            acknowledged: seen.acknowledged,
            failed: seen.failed,
            first_failure: seen.first_failure,
            read: reads.then_some(seen.read),
            acknowledged_after: seen.acknowledged_after.into(),
            read_after: reads.then(|| seen.read_after.into()),
            latest_send_milliseconds: seen.latest_send.as_secs_f64() * 1_000.0,
        }
    }

    /// Whether every record was acknowledged, and every acknowledged one was read.
    pub(super) fn is_whole(&self) -> bool {
        self.failed == 0 && self.read.is_none_or(|read| read >= self.acknowledged)
    }

    pub(super) fn text(&self) -> String {
        let mut table = Table::new(&["FROM DUE TO", "P50", "P90", "P99", "P99.9", "MAX"]);
        let row = |name: &str, times: Milliseconds| {
            let all = [times.p50, times.p90, times.p99, times.p99_9, times.max];
            let cells = all.into_iter().map(|ms| format!("{ms:.1} ms"));
            std::iter::once(name.to_owned()).chain(cells).collect()
        };
        table.row(row("acknowledged", self.acknowledged_after));
        if let Some(read_after) = self.read_after {
            table.row(row("read", read_after));
        }
        let mut text = format!(
            "{:.0} records/s of {} asked for, {:.1} MiB/s; sent {:.1} ms late at most\n",
            self.records_per_second,
            self.asked_records_per_second,
            self.mebibytes_per_second,
            self.latest_send_milliseconds,
        );
        add(
            &mut text,
            format_args!("{} records acknowledged", self.acknowledged),
        );
        if let Some(read) = self.read {
            add(&mut text, format_args!(", {read} read"));
        }
        if let Some(why) = &self.first_failure {
            add(
                &mut text,
                format_args!("; {} failed, the first because: {why}", self.failed),
            );
        }
        text.push_str("\n\n");
        text.push_str(&table.render());
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_run_is_whole_if_all_was_acknowledged_and_read() {
        let seen = Snapshot {
            acknowledged: 2_000,
            read: 2_000,
            acknowledged_after: Times {
                p50: 1_500,
                p90: 2_000,
                p99: 3_000,
                p999: 4_000,
                max: 5_000,
            },
            last_acknowledged: Duration::from_secs(2),
            ..Snapshot::default()
        };
        let whole = Summary::new(seen.clone(), 1_000, 1 << 20, true);
        assert!(whole.is_whole());
        let text = whole.text();
        assert!(
            text.starts_with("1000 records/s of 1000 asked for, 1000.0 MiB/s"),
            "{text}"
        );
        assert!(
            text.contains("acknowledged  1.5 ms  2.0 ms  3.0 ms  4.0 ms  5.0 ms"),
            "{text}"
        );
        let lost = Snapshot {
            read: 1_999,
            ..seen.clone()
        };
        assert!(!Summary::new(lost.clone(), 1, 1, true).is_whole());
        assert!(Summary::new(lost, 1, 1, false).is_whole());
        let failed = Snapshot {
            failed: 1,
            first_failure: Some("no".to_owned()),
            ..seen
        };
        let failed = Summary::new(failed, 1, 1, true);
        assert!(!failed.is_whole() && failed.text().contains("1 failed, the first because: no"));
    }
}
