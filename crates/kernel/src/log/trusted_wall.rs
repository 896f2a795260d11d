//! Wall time that retention may go by, and what the time may be while a clock is wrong.

use std::ops::RangeInclusive;
use std::time::Duration;

use holdfast_model::Monotonic;

use crate::planted::Planted;

/// How far wall time may run ahead of monotonic time in a broker before expiry by time pauses: more
/// than honest corrections of a clock add up to, and little beside any retention.
pub const CLOCK_SLACK: Duration = Duration::from_mins(5);

/// Wall time that may run ahead of monotonic time by a slack and no more: a clock that jumps must
/// not expire what is young.
///
/// Every reading is measured against the two times at the start of the process, never against a
/// later reading: many small jumps must not pass where one large one would not. A clock that is
/// behind is believed, because it only keeps records for longer.
#[derive(Clone, Copy, Debug)]
pub struct TrustedWall {
    wall_ms: i64,
    monotonic: Monotonic,
    slack: Duration,
    planted: Planted,
}

impl TrustedWall {
    /// Takes the times at the start of a process: the wall time there is believed.
    pub fn new(wall_ms: i64, monotonic: Monotonic, slack: Duration, planted: Planted) -> Self {
        Self {
            wall_ms,
            monotonic,
            slack,
            planted,
        }
    }

    /// The wall time, or none while it is further ahead than it can be.
    pub fn now(&self, wall_ms: i64, monotonic: Monotonic) -> Option<i64> {
        let passed = monotonic.since(self.monotonic).saturating_add(self.slack);
        let latest = self.wall_ms.saturating_add(passed.as_millis() as i64);
        let possible = wall_ms <= latest || self.planted == Planted::TrustWallClock;
        possible.then_some(wall_ms)
    }

    /// What the time may be, in milliseconds since 1970: what the clock shows, what it would show if nobody
    /// had set it since the start, or anything between the two.
    pub fn span(&self, wall_ms: i64, monotonic: Monotonic) -> RangeInclusive<i64> {
        let passed = monotonic.since(self.monotonic).as_millis() as i64;
        let unset = self.wall_ms.saturating_add(passed);
        wall_ms.min(unset)..=wall_ms.max(unset)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_model::{Clock, ManualClock};

    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn started(clock: &ManualClock, planted: Planted) -> TrustedWall {
        TrustedWall::new(clock.wall_ms(), clock.monotonic(), CLOCK_SLACK, planted)
    }

    fn read(wall: &TrustedWall, clock: &ManualClock) -> Option<i64> {
        wall.now(clock.wall_ms(), clock.monotonic())
    }

    #[test]
    fn a_clock_that_jumps_a_day_expires_nothing_until_it_is_back() {
        let clock = ManualClock::at(1_000_000);
        let wall = started(&clock, Planted::None);
        clock.advance(Duration::from_mins(1));
        assert_eq!(read(&wall, &clock), Some(1_060_000));
        clock.jump_wall(DAY_MS);
        assert_eq!(read(&wall, &clock), None);
        clock.advance(Duration::from_mins(1));
        assert_eq!(read(&wall, &clock), None);
        clock.jump_wall(-DAY_MS);
        assert_eq!(read(&wall, &clock), Some(1_120_000));
    }

    #[test]
    fn small_jumps_do_not_add_up_to_a_large_one() {
        let clock = ManualClock::at(1_000_000);
        let wall = started(&clock, Planted::None);
        clock.jump_wall(200_000);
        assert_eq!(read(&wall, &clock), Some(1_200_000));
        clock.jump_wall(200_000);
        assert_eq!(read(&wall, &clock), None);
    }

    #[test]
    fn a_clock_set_back_is_believed_and_so_is_its_return() {
        let clock = ManualClock::at(2 * DAY_MS);
        let wall = started(&clock, Planted::None);
        clock.jump_wall(-DAY_MS);
        assert_eq!(read(&wall, &clock), Some(DAY_MS));
        clock.jump_wall(DAY_MS);
        assert_eq!(read(&wall, &clock), Some(2 * DAY_MS));
    }

    #[test]
    fn while_a_clock_is_set_wrong_the_time_may_be_either() {
        let clock = ManualClock::at(2 * DAY_MS);
        let wall = started(&clock, Planted::None);
        let span = |clock: &ManualClock| wall.span(clock.wall_ms(), clock.monotonic());
        clock.advance(Duration::from_mins(1));
        let now = 2 * DAY_MS + 60_000;
        assert_eq!(span(&clock), now..=now);
        clock.jump_wall(-DAY_MS);
        assert_eq!(span(&clock), now - DAY_MS..=now);
        clock.jump_wall(3 * DAY_MS);
        assert_eq!(span(&clock), now..=now + 2 * DAY_MS);
    }

    #[test]
    fn the_planted_bug_believes_any_clock() {
        let clock = ManualClock::at(1_000_000);
        let wall = started(&clock, Planted::TrustWallClock);
        clock.jump_wall(DAY_MS);
        assert_eq!(read(&wall, &clock), Some(1_000_000 + DAY_MS));
    }
}
