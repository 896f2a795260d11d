//! Steps at which a test ends this process, or has the task that takes them wait.
//!
//! What is wrong between two steps shows itself only to whoever stops between them, and a kill at random
//! hardly ever does. With `HOLDFAST_TEST_POINT=offsets-appended:die:3` in its environment a broker ends when
//! it reaches that step for the third time, as if it were killed; with `offsets-appended:wait-5000:3` the
//! task waits for five seconds there, while everything else goes on.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where it is said.
pub const VARIABLE: &str = "HOLDFAST_TEST_POINT";

/// What is to happen at one step; nothing unless a test asks for it.
#[derive(Debug, Default)]
pub struct TestPoint(Option<Plan>);

#[derive(Debug)]
struct Plan {
    step: String,
    act: Act,
    /// At which time, from one on.
    nth: u64,
    reached: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Die,
    Wait(Duration),
}

impl TestPoint {
    /// What the environment says.
    ///
    /// # Errors
    /// It says something that is no such thing.
    pub fn from_environment() -> Result<Self, String> {
        match std::env::var(VARIABLE) {
            Ok(text) => text.parse(),
            Err(_unset) => Ok(Self::default()),
        }
    }

    /// This step is reached.
    pub(crate) async fn reach(&self, step: &str) {
        let Some(plan) = self.0.as_ref().filter(|plan| plan.step == step) else {
            return;
        };
        if plan.reached.fetch_add(1, Ordering::Relaxed) + 1 != plan.nth {
            return;
        }
        match plan.act {
            Act::Die => {
                tracing::warn!(step, "ends, because a test asks for it");
                std::process::abort();
            }
            Act::Wait(time) => {
                tracing::warn!(step, ?time, "waits, because a test asks for it");
                tokio::time::sleep(time).await;
                tracing::warn!(step, "goes on");
            }
        }
    }
}

impl FromStr for TestPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plan = parse(text).ok_or_else(|| {
            format!("{VARIABLE}={text}: not a step, `die` or `wait-<ms>`, and a number above 0")
        })?;
        Ok(Self(Some(plan)))
    }
}

fn parse(text: &str) -> Option<Plan> {
    let mut parts = text.split(':');
    let (step, act, nth) = (parts.next()?, parts.next()?, parts.next()?);
    let act = match act.strip_prefix("wait-") {
        Some(millis) => Act::Wait(Duration::from_millis(millis.parse().ok()?)),
        None => (act == "die").then_some(Act::Die)?,
    };
    let nth = nth.parse().ok().filter(|nth| *nth > 0)?;
    parts.next().is_none().then(|| Plan {
        step: step.to_owned(),
        act,
        nth,
        reached: AtomicU64::new(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_or_refused() {
        let plan = parse("offsets-appended:wait-50:3").unwrap();
        assert_eq!(plan.act, Act::Wait(Duration::from_millis(50)));
        assert_eq!((plan.step.as_str(), plan.nth), ("offsets-appended", 3));
        assert_eq!(parse("a:die:1").unwrap().act, Act::Die);
        for bad in [
            "",
            "a",
            "a:die",
            "a:die:0",
            "a:live:1",
            "a:wait-:1",
            "a:die:1:2",
        ] {
            assert!(bad.parse::<TestPoint>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn only_the_step_that_was_named_waits_and_only_once() {
        let point: TestPoint = "here:wait-3600000:2".parse().unwrap();
        let waits = async |step| {
            tokio::select! {
                biased;
                () = point.reach(step) => false,
                () = std::future::ready(()) => true,
            }
        };
        assert!(!waits("here").await);
        assert!(!waits("there").await);
        assert!(waits("here").await);
        assert!(!waits("here").await);
    }
}
