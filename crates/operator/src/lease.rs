//! Who of several operators acts: the holder of a Lease.
//!
//! A holder renews every 2 seconds. One that did not succeed for 10 seconds ends its process; others
//! take over when they saw no change for 15 seconds of their own clock, however the clocks of the
//! machines differ. In between, [`Leadership::check`] stands before every act: a process that was
//! frozen for a minute does nothing when it wakes.

mod decide;
mod keeper;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_model::{Clock, Monotonic};

pub(crate) use keeper::Keeper;

use crate::error::Error;

/// How long others wait for a holder that does not renew.
const LEASE_DURATION: Duration = Duration::from_secs(15);

/// How long a holder tries to renew before it gives up; less than the above, so that it has stopped
/// when another begins.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// Between two attempts.
const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// Until when this process may act. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Leadership {
    clock: Arc<dyn Clock>,
    /// In nanoseconds of the clock's monotonic time; all ones means for ever.
    until: Arc<AtomicU64>,
}

impl Leadership {
    /// Of a process that shares its work with nobody.
    pub(crate) fn alone(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            until: Arc::new(AtomicU64::new(u64::MAX)),
        }
    }

    /// Of a process that must get the lease first.
    pub(crate) fn none_yet(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            until: Arc::new(AtomicU64::new(0)),
        }
    }

    /// It was renewed by a request that began then.
    pub(crate) fn renewed(&self, asked_at: Monotonic) {
        let until = asked_at.plus(RENEW_DEADLINE);
        self.until.store(until.0, Ordering::SeqCst);
    }

    fn end(&self) {
        self.until.store(0, Ordering::SeqCst);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.clock.monotonic().0 < self.until.load(Ordering::SeqCst)
    }

    /// # Errors
    /// This process may not act.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_held() {
            Ok(())
        } else {
            Err(Error::NotLeading)
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_model::ManualClock;

    use super::*;

    #[test]
    fn a_process_that_was_frozen_does_not_act_when_it_wakes() {
        let clock = Arc::new(ManualClock::at(0));
        let leadership = Leadership::none_yet(clock.clone());
        assert!(!leadership.is_held());
        leadership.renewed(clock.monotonic());
        clock.advance(Duration::from_secs(9));
        assert!(leadership.check().is_ok());
        clock.advance(Duration::from_secs(1));
        assert!(leadership.check().is_err());
        leadership.renewed(clock.monotonic());
        assert!(leadership.is_held());
        leadership.end();
        assert!(!leadership.is_held());
        assert!(Leadership::alone(clock).is_held());
    }
}
