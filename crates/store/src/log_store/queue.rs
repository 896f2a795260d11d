//! What waits for the writer.

use std::collections::VecDeque;
use std::time::Duration;

use holdfast_model::Monotonic;
use parking_lot::{Condvar, Mutex};

use super::{Op, Permit};
use crate::Error;

/// One submitted operation. Its permit bounds the queue, so the queue has no bound of its own.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) op: Op,
    pub(super) token: u64,
    pub(super) submitted: Monotonic,
    pub(super) permit: Permit,
}

/// First in, first out, with one reader.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    closed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    closed: bool,
}

impl Queue {
    /// Adds an operation at the end.
    pub(super) fn push(&self, entry: Entry) -> Result<(), Error> {
        let was_empty = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(Error::Stopped);
            }
            state.entries.push_back(entry);
            state.entries.len() == 1
        };
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for operations and takes those of the next group: at most `ops`, and no further one
    /// once `bytes` are reached. `None` once the queue is closed and empty.
    pub(super) fn take_group(&self, ops: usize, bytes: usize) -> Option<Vec<Entry>> {
        let mut state = self.state.lock();
        while state.entries.is_empty() {
            if state.closed {
                return None;
            }
            self.filled.wait(&mut state);
        }
        let mut total = 0usize;
        let mut count = 0;
        for entry in state.entries.iter().take(ops) {
            if count > 0 && total >= bytes {
                break;
            }
            total = total.saturating_add(entry.op.bytes());
            count += 1;
        }
        Some(state.entries.drain(..count).collect())
    }

    /// Takes no more; what is queued is still handed out.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_all();
        self.closed.notify_all();
    }

    /// Waits until the queue is closed; says whether it is.
    pub(super) fn wait_closed(&self, at_most: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.closed {
            self.closed.wait_for(&mut state, at_most);
        }
        state.closed
    }
}
