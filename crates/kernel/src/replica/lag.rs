//! When was a follower last caught up?

use std::collections::VecDeque;
use std::time::Duration;

use holdfast_model::{Monotonic, Offset};

/// Marks kept: with one each 50 ms they reach back further than any lag limit that makes sense.
const MARKS: usize = 256;

/// Time between marks.
const MARK_INTERVAL: Duration = Duration::from_millis(50);

/// Where a leader's log ended at past moments. A follower whose synced end has reached a mark was
/// caught up at that moment, however fast the log grew since: under load nobody ever reaches the
/// present end.
#[derive(Clone, Debug, Default)]
pub struct EndMarks {
    marks: VecDeque<(Monotonic, Offset)>,
}

impl EndMarks {
    /// Marks of a leadership that begins.
    pub fn new(now: Monotonic, log_end: Offset) -> Self {
        Self {
            marks: VecDeque::from([(now, log_end)]),
        }
    }

    /// Sets a mark, if the last one is old enough.
    pub fn note(&mut self, now: Monotonic, log_end: Offset) {
        let due = self
            .marks
            .back()
            .is_none_or(|(at, _)| now.since(*at) >= MARK_INTERVAL);
        if !due {
            return;
        }
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((now, log_end));
    }

    /// The newest moment whose log end is reached by `synced_end`; now, if the present end is.
    pub fn caught_up_at(
        &self,
        synced_end: Offset,
        log_end: Offset,
        now: Monotonic,
    ) -> Option<Monotonic> {
        if synced_end >= log_end {
            return Some(now);
        }
        self.marks
            .iter()
            .rev()
            .find(|(_, end)| *end <= synced_end)
            .map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_that_keeps_pace_behind_a_growing_log_is_caught_up_shortly_ago() {
        let ms = |n: u64| Monotonic(n * 1_000_000);
        let mut marks = EndMarks::new(ms(0), Offset(0));
        for step in 1..100 {
            marks.note(ms(step * 10), Offset(step as i64 * 10));
        }
        let at = marks
            .caught_up_at(Offset(900), Offset(990), ms(990))
            .expect("a mark");
        assert_eq!(at, ms(900));
        assert_eq!(
            marks.caught_up_at(Offset(990), Offset(990), ms(995)),
            Some(ms(995))
        );
    }
}
