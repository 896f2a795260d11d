//! Wall time in a run: what it truly is, and what a broker's machine takes it for.

use std::time::Duration;

use crate::Time;

/// The true wall time at which every run begins, milliseconds since 1970: late enough for a clock
/// to be set back by days.
const BEGIN_MS: i64 = 1_700_000_000_000;

/// How far wall time may run ahead of monotonic time in a run before expiry by time pauses. A
/// broker allows minutes; a run lasts seconds, and retention with it.
pub const SLACK: Duration = Duration::from_millis(400);

/// A process's monotonic clock gains at most a tenth: by so many microseconds one is a millisecond
/// ahead.
const GAIN_US: Time = 10_000;

/// The true wall time, milliseconds since 1970.
pub fn true_ms(now: Time) -> i64 {
    BEGIN_MS + (now / 1_000) as i64
}

/// The latest time that a process may take for the present one, whatever its machine's clock says:
/// the true one, the slack, and what its monotonic clock may have gained since the run began.
pub fn latest_trusted_ms(now: Time) -> i64 {
    true_ms(now) + SLACK.as_millis() as i64 + now.div_ceil(GAIN_US) as i64
}

/// The wall clock of one machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    ahead_ms: i64,
}

impl WallClock {
    /// What it shows.
    pub fn wall_ms(self, now: Time) -> i64 {
        true_ms(now) + self.ahead_ms
    }

    /// It jumps, ahead or back.
    pub fn jump(&mut self, by_ms: i64) {
        self.ahead_ms += by_ms;
    }

    /// It shows the true time again.
    pub fn put_right(&mut self) {
        self.ahead_ms = 0;
    }
}
