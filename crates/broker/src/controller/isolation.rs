//! Whether this broker still has a part in the cluster.
//!
//! A broker that hears neither from a controller nor from any other broker cannot acknowledge what
//! needs others, and by now somebody else may lead in its place. The same holds for one that hears others,
//! of whom a controller is heard that it does not hear itself: that one has fenced it, and whoever it hears
//! may have nothing to tell it of. It says so at once, instead of holding its clients until their patience
//! ends. Safety does not depend on this: followers refuse an older leader whatever it believes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_model::Monotonic;
use parking_lot::Mutex;

/// What an isolated broker says of itself.
pub(crate) const ISOLATED: &str =
    "isolated: no controller answers, and the other brokers are silent or hear one";

/// Read by everybody who answers clients. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Isolated(Arc<Standing>);

#[derive(Debug, Default)]
struct Standing {
    isolated: AtomicBool,
    controller_answered: Mutex<Option<Monotonic>>,
}

impl Isolated {
    /// Whether this broker has no part in the cluster, as far as it can know.
    pub fn is_set(&self) -> bool {
        self.0.isolated.load(Ordering::Relaxed)
    }

    /// Sets it; true if it was not so before.
    pub(super) fn set(&self, isolated: bool) -> bool {
        self.0.isolated.swap(isolated, Ordering::Relaxed) != isolated
    }

    /// A controller answered this broker.
    pub(super) fn controller_answered(&self, now: Monotonic) {
        *self.0.controller_answered.lock() = Some(now);
    }

    /// How many milliseconds ago a controller answered this broker, at least 1; 0 if none ever did.
    pub(super) fn controller_answered_ms(&self, now: Monotonic) -> u64 {
        let answered = *self.0.controller_answered.lock();
        answered.map_or(0, |at| (now.since(at).as_millis() as u64).max(1))
    }
}

/// When answers came. Pure: it is told the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearing {
    timeout: Duration,
    controller: Monotonic,
    asked_others: Option<Monotonic>,
}

impl Hearing {
    /// A broker that just registered: a controller answered.
    pub(super) fn new(timeout: Duration, now: Monotonic) -> Self {
        Self {
            timeout,
            controller: now,
            asked_others: None,
        }
    }

    /// A controller that has a majority behind it answered.
    pub(super) fn controller_answered(&mut self, now: Monotonic) {
        self.controller = now;
        self.asked_others = None;
    }

    /// Whether this broker has no part in the cluster, by what the others said who were asked at a moment:
    /// how long ago a controller answered each, if one ever did; nothing of who is silent.
    ///
    /// Time runs from the question: an answer that is late must not look like a controller that lives.
    pub(super) fn has_no_part(
        &self,
        asked: Monotonic,
        answers: &[Option<Duration>],
        others: usize,
    ) -> bool {
        let is_behind = answers
            .iter()
            .flatten()
            .any(|theirs| self.is_behind(asked, *theirs));
        is_behind || (others > 0 && answers.is_empty())
    }

    /// Whether another broker, which a controller answered so long ago, hears one that this broker does not
    /// hear. A controller that died answered both of them last at about the same time.
    fn is_behind(&self, asked: Monotonic, theirs: Duration) -> bool {
        asked.since(self.controller) > theirs + self.timeout / 2
    }

    /// Whether the other brokers are to be asked now: no controller answered for a session, and
    /// they were not asked within half of one.
    pub(super) fn must_ask_others(&mut self, now: Monotonic) -> bool {
        let lapsed = now.since(self.controller) > self.timeout;
        let lately = self
            .asked_others
            .is_some_and(|at| now.since(at) < self.timeout / 2);
        if !lapsed || lately {
            return false;
        }
        self.asked_others = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_asked_once_the_session_has_lapsed_and_not_all_the_time() {
        let at = |ms| Monotonic::default().plus(Duration::from_millis(ms));
        let mut hearing = Hearing::new(Duration::from_secs(1), at(0));
        assert!(!hearing.must_ask_others(at(1_000)));
        assert!(hearing.must_ask_others(at(1_001)));
        assert!(!hearing.must_ask_others(at(1_400)));
        assert!(hearing.must_ask_others(at(1_600)));
        hearing.controller_answered(at(1_700));
        assert!(!hearing.must_ask_others(at(2_600)));
    }

    #[test]
    fn a_controller_that_others_hear_is_told_from_one_that_is_gone() {
        let at = |ms| Monotonic::default().plus(Duration::from_millis(ms));
        let ms = |ms| Some(Duration::from_millis(ms));
        let hearing = Hearing::new(Duration::from_millis(800), at(0));
        // It died: the others were answered a heartbeat later than this broker.
        assert!(!hearing.has_no_part(at(900), &[ms(800), ms(850)], 3));
        // It lives: one of the others was answered a moment ago.
        assert!(hearing.has_no_part(at(900), &[ms(800), ms(100)], 3));
        assert!(!hearing.has_no_part(at(400), &[ms(1)], 3));
    }

    #[test]
    fn whoever_is_alone_among_others_has_no_part() {
        let at = |ms| Monotonic::default().plus(Duration::from_millis(ms));
        let hearing = Hearing::new(Duration::from_millis(800), at(0));
        assert!(hearing.has_no_part(at(900), &[], 2));
        // One that never heard a controller, or is of an older version, is somebody all the same.
        assert!(!hearing.has_no_part(at(900), &[None], 2));
        assert!(!hearing.has_no_part(at(900), &[], 0), "there are no others");
    }

    #[test]
    fn what_is_told_of_the_controller_is_zero_only_if_none_ever_answered() {
        let at = |ms| Monotonic::default().plus(Duration::from_millis(ms));
        let isolated = Isolated::default();
        assert_eq!(isolated.controller_answered_ms(at(50)), 0);
        isolated.controller_answered(at(50));
        assert_eq!(isolated.controller_answered_ms(at(50)), 1);
        assert_eq!(isolated.controller_answered_ms(at(90)), 40);
    }
}
