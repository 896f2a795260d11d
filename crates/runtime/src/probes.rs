//! Liveness and readiness: two questions, two answers.
//!
//! Live means that the main loops of this process make progress; it never looks at peers. Ready
//! means that the broker says it is registered and unfenced.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_model::{Clock, Monotonic};
use parking_lot::Mutex;

/// The state behind `/livez` and `/readyz`. Cheap to clone; all clones are one state.
#[derive(Clone, Debug)]
pub struct Probes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    /// Bounded by the number of live heartbeats: each removes its row when dropped.
    loops: Mutex<BTreeMap<u64, Loop>>,
    next: AtomicU64,
    readiness: Mutex<Readiness>,
}

#[derive(Debug)]
struct Readiness {
    now: Result<(), String>,
    /// Nothing that is said any more counts.
    is_final: bool,
}

#[derive(Debug)]
struct Loop {
    name: String,
    bound: Duration,
    touched: Arc<AtomicU64>,
}

/// The answer of a probe: whether it passed, and the text that explains it, one line per fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the probe passes.
    pub ok: bool,
    /// Lines for a human.
    pub text: String,
}

impl Probes {
    /// Probes of a process that is live and not ready yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                loops: Mutex::new(BTreeMap::new()),
                next: AtomicU64::new(0),
                readiness: Mutex::new(Readiness {
                    now: Err("starting".to_owned()),
                    is_final: false,
                }),
            }),
        }
    }

    /// Watches one main loop, which must touch the heartbeat at least every `bound`. Dropping the
    /// heartbeat ends the watch.
    pub fn heartbeat(&self, name: impl Into<String>, bound: Duration) -> Heartbeat {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let touched = Arc::new(AtomicU64::new(self.inner.clock.monotonic().0));
        let row = Loop {
            name: name.into(),
            bound,
            touched: Arc::clone(&touched),
        };
        self.inner.loops.lock().insert(id, row);
        Heartbeat {
            inner: Arc::clone(&self.inner),
            id,
            touched,
        }
    }

    /// Says that the broker serves clients.
    pub fn set_ready(&self) {
        self.say(Ok(()), false);
    }

    /// Says that the broker does not serve clients, and why.
    pub fn set_not_ready(&self, reason: impl Into<String>) {
        self.say(Err(reason.into()), false);
    }

    /// Says that the broker stops: nothing makes it ready again.
    pub fn set_stopping(&self) {
        self.say(Err("stopping".to_owned()), true);
    }

    fn say(&self, now: Result<(), String>, is_final: bool) {
        let mut readiness = self.inner.readiness.lock();
        if !readiness.is_final {
            *readiness = Readiness { now, is_final };
        }
    }

    /// Whether every watched loop was touched within its bound.
    pub fn liveness(&self) -> Answer {
        let now = self.inner.clock.monotonic();
        let loops = self.inner.loops.lock();
        let mut answer = Answer {
            ok: true,
            text: String::new(),
        };
        for row in loops.values() {
            let age = now.since(Monotonic(row.touched.load(Ordering::Relaxed)));
            let late = age > row.bound;
            answer.ok &= !late;
            let verdict = if late { "stuck" } else { "ok" };
            let _infallible = writeln!(
                answer.text,
                "{}: {verdict}, last progress {} ms ago, bound {} ms",
                row.name,
                age.as_millis(),
                row.bound.as_millis()
            );
        }
        if answer.ok {
            answer.text += "live\n";
        } else {
            answer.text += "not live: a main loop makes no progress\n";
        }
        answer
    }

    /// Whether the broker said that it serves clients.
    pub fn readiness(&self) -> Answer {
        match &self.inner.readiness.lock().now {
            Ok(()) => Answer {
                ok: true,
                text: "ready\n".to_owned(),
            },
            Err(reason) => Answer {
                ok: false,
                text: format!("not ready: {reason}\n"),
            },
        }
    }
}

/// One main loop's sign of life.
#[derive(Debug)]
pub struct Heartbeat {
    inner: Arc<Inner>,
    id: u64,
    touched: Arc<AtomicU64>,
}

impl Heartbeat {
    /// Says that the loop made progress just now. Cheap: one clock read and one store.
    pub fn touch(&self) {
        self.touched
            .store(self.inner.clock.monotonic().0, Ordering::Relaxed);
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.inner.loops.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use holdfast_model::ManualClock;

    use super::*;

    #[test]
    fn a_loop_that_stands_still_is_not_live() {
        let clock = Arc::new(ManualClock::at(0));
        let probes = Probes::new(clock.clone());
        let writer = probes.heartbeat("writer", Duration::from_secs(5));
        let quorum = probes.heartbeat("quorum", Duration::from_mins(1));
        clock.advance(Duration::from_secs(5));
        assert!(probes.liveness().ok);
        clock.advance(Duration::from_millis(1));
        let answer = probes.liveness();
        assert!(!answer.ok);
        assert!(
            answer
                .text
                .contains("writer: stuck, last progress 5001 ms ago, bound 5000 ms")
        );
        assert!(answer.text.contains("quorum: ok"));
        writer.touch();
        assert!(probes.liveness().ok);
        drop(quorum);
        assert!(!probes.liveness().text.contains("quorum"));
    }

    #[test]
    fn readiness_gives_its_reason() {
        let probes = Probes::new(Arc::new(ManualClock::at(0)));
        assert_eq!(probes.readiness().text, "not ready: starting\n");
        probes.set_ready();
        assert!(probes.readiness().ok);
        probes.set_not_ready("fenced by the controller");
        assert_eq!(
            probes.readiness(),
            Answer {
                ok: false,
                text: "not ready: fenced by the controller\n".to_owned()
            }
        );
        probes.set_stopping();
        probes.set_ready();
        assert_eq!(probes.readiness().text, "not ready: stopping\n");
    }
}
