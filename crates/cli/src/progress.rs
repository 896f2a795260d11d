//! How far a long command is: a line on standard error, once a second.

use std::time::Duration;

use holdfast_model::{Clock, Monotonic, SystemClock};

use crate::output;

const EVERY: Duration = Duration::from_secs(1);

/// Says how many there were, if it is wanted and time.
#[derive(Debug)]
pub(crate) struct Progress {
    clock: SystemClock,
    /// None if nobody wants it.
    told: Option<(Monotonic, u64)>,
}

impl Progress {
    pub(crate) fn new(wanted: bool) -> Self {
        let clock = SystemClock::new();
        Self {
            told: wanted.then(|| (clock.monotonic(), 0)),
            clock,
        }
    }

    /// There were so many until now.
    pub(crate) fn at(&mut self, count: u64, what: &str) {
        let now = self.clock.monotonic();
        if let Some((last, before)) = self.told {
            let passed = now.since(last);
            if passed >= EVERY {
                let rate = count.saturating_sub(before) as f64 / passed.as_secs_f64();
                output::note(&format!("{count} {what}, {rate:.0} a second"));
                self.told = Some((now, count));
            }
        }
    }
}
