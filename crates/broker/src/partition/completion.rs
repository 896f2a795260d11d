//! Answers to a produce request that come together from many partitions.

use std::sync::Arc;

use holdfast_model::{ErrorCode, Offset};
use parking_lot::Mutex;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

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

/// Somebody who waits for a batch: finished exactly once, when the batch is safe or lost.
#[derive(Debug)]
pub struct ProduceWaiter {
    target: Target,
    outcome: Produced,
}

/// Who is told.
#[derive(Debug)]
enum Target {
    /// One partition's part of a request.
    Request {
        completion: Arc<Completion>,
        index: usize,
    },
    /// A coordinator. Its channel has room for more batches than it ever has under way.
    Coordinator {
        batches: mpsc::Sender<(u64, ErrorCode)>,
        batch: u64,
    },
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
        let completion = Arc::clone(self);
        ProduceWaiter {
            target: Target::Request { completion, index },
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
    /// A waiter that tells a coordinator what became of one of its batches.
    pub fn of_coordinator(
        batches: mpsc::Sender<(u64, ErrorCode)>,
        batch: u64,
        outcome: Produced,
    ) -> Self {
        let target = Target::Coordinator { batches, batch };
        Self { target, outcome }
    }

    /// Answers with the offsets, or with an error.
    pub fn finish(self, code: ErrorCode) {
        let outcome = match code {
            ErrorCode::None => self.outcome,
            _ => Produced::refused(code),
        };
        match self.target {
            Target::Request { completion, index } => completion.set(index, outcome),
            Target::Coordinator { batches, batch } => {
                match batches.try_send((batch, outcome.code)) {
                    // One that resigned is told nothing any more.
                    Ok(()) | Err(TrySendError::Closed(_)) => {}
                    Err(TrySendError::Full(_)) => {
                        tracing::error!("a coordinator lost count of its batches, aborting");
                        std::process::abort();
                    }
                }
            }
        }
    }
}
