//! Whether this broker still hears from the rest of the cluster.
//!
//! A broker that hears neither from a controller nor from any other broker cannot acknowledge what
//! needs others, and by now somebody else may lead in its place. It says so at once, instead of
//! holding its clients until their patience ends. Safety does not depend on this: followers refuse
//! an older leader whatever it believes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_model::Monotonic;

/// Read by everybody who answers clients. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Isolated(Arc<AtomicBool>);

impl Isolated {
    /// Whether neither a controller nor another broker answers.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it; true if it was not so before.
    pub(super) fn set(&self, isolated: bool) -> bool {
        self.0.swap(isolated, Ordering::Relaxed) != isolated
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
}
