//! Time as a parameter.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A point of monotonic time, in nanoseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// The time that passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This point and a duration.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// Where time comes from. Production code takes one, so that tests and the simulator control it.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Monotonic time: for time-outs, leases and measurements.
    fn monotonic(&self) -> Monotonic;

    /// Wall time in milliseconds since 1970: for record timestamps and retention only.
    fn wall_ms(&self) -> i64;
}

/// The clocks of the machine.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where real time enters"
    )]
    pub fn new() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where real time enters"
    )]
    fn wall_ms(&self) -> i64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that a test moves by hand.
#[derive(Debug, Default)]
pub struct ManualClock {
    monotonic: AtomicU64,
    wall_ms: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at the given wall time.
    pub fn at(wall_ms: i64) -> Self {
        Self {
            monotonic: AtomicU64::new(0),
            wall_ms: AtomicI64::new(wall_ms),
        }
    }

    /// Moves both clocks on.
    pub fn advance(&self, duration: Duration) {
        self.monotonic
            .fetch_add(duration.as_nanos() as u64, Ordering::SeqCst);
        self.wall_ms
            .fetch_add(duration.as_millis() as i64, Ordering::SeqCst);
    }

    /// Makes the wall clock jump; monotonic time stays.
    pub fn jump_wall(&self, by_ms: i64) {
        self.wall_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.monotonic.load(Ordering::SeqCst))
    }

    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::SeqCst)
    }
}
