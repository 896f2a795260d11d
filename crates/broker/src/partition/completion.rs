//! Answers to a produce request that come together from many partitions.

use std::sync::Arc;

use holdfast_model::{ErrorCode, Offset};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What became of one partition's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// The outcome.
    pub code: ErrorCode,
    /// Offset of the first record, or -1.
    pub base_offset: Offset,
    /// The time with which the leader stamped the batch, or -1.
    pub append_time_ms: i64,
    /// First offset of the log, or -1.
    pub log_start: Offset,
}

impl Produced {
    /// A refusal.
    pub fn refused(code: ErrorCode) -> Self {
        Self {
            code,
            base_offset: Offset(-1),
            append_time_ms: -1,
            log_start: Offset(-1),
        }
    }
}

/// The outcomes of one produce request, in the order of its partitions.
#[derive(Debug)]
pub struct Completion {
    state: Mutex<Slots>,
    all: Notify,
}

#[derive(Debug)]
struct Slots {
    outcomes: Vec<Option<Produced>>,
    open: usize,
}

/// One partition's part of a request: finished exactly once, when the batch is safe or lost.
#[derive(Debug)]
pub struct ProduceWaiter {
    completion: Arc<Completion>,
    index: usize,
    outcome: Produced,
}

impl Completion {
    /// A request with so many partitions.
    pub fn new(partitions: usize) -> Arc<Self> {
        let slots = Slots {
            outcomes: vec![None; partitions],
            open: partitions,
        };
        Arc::new(Self {
            state: Mutex::new(slots),
            all: Notify::new(),
        })
    }

    /// Sets one outcome; the first one counts.
    pub fn set(&self, index: usize, outcome: Produced) {
        let mut slots = self.state.lock();
        let Some(slot) = slots.outcomes.get_mut(index) else {
            return;
        };
        if slot.is_none() {
            *slot = Some(outcome);
            slots.open -= 1;
            if slots.open == 0 {
                self.all.notify_one();
            }
        }
    }

    /// A waiter that will set one outcome.
    pub fn waiter(self: &Arc<Self>, index: usize, outcome: Produced) -> ProduceWaiter {
        ProduceWaiter {
            completion: Arc::clone(self),
            index,
            outcome,
        }
    }

    /// Waits until every outcome is set. Cancel-safe.
    pub async fn wait(&self) {
        loop {
            if self.state.lock().open == 0 {
                return;
            }
            self.all.notified().await;
        }
    }

    /// The outcomes; those still open are answered with a time-out.
    pub fn outcomes(&self) -> Vec<Produced> {
        let late = Produced::refused(ErrorCode::RequestTimedOut);
        self.state
            .lock()
            .outcomes
            .iter()
            .map(|slot| slot.unwrap_or(late))
            .collect()
    }
}

impl ProduceWaiter {
    /// Answers with the offsets, or with an error.
    pub fn finish(self, code: ErrorCode) {
        let outcome = match code {
            ErrorCode::None => self.outcome,
            _ => Produced::refused(code),
        };
        self.completion.set(self.index, outcome);
    }
}
