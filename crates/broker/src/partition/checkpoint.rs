//! Checkpoints: the log's state at an offset, written once the high watermark has reached it.

use std::time::Duration;

use holdfast_model::{LogCheckpoint, Monotonic, Offset};
use holdfast_store::Op;

use super::{Partition, State};

/// A checkpoint is taken after so many offsets' worth of time: a start reads the index entries of
/// at most this much traffic.
const INTERVAL: Duration = Duration::from_secs(10);

/// When the last checkpoint was taken, and one that waits for the high watermark.
#[derive(Debug)]
pub(super) struct Checkpointing {
    written_end: Offset,
    written_start: Offset,
    taken: Option<Monotonic>,
    waiting: Option<Box<LogCheckpoint>>,
    /// The high watermark that the disk knows, as far as this process wrote it.
    high_watermark: Offset,
}

impl Checkpointing {
    /// The log was cut: what waits describes a log that is no more, even once it has grown again.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting = None;
    }

    pub(super) fn new(log_end: Offset) -> Self {
        Self {
            written_end: log_end,
            written_start: Offset::ZERO,
            taken: None,
            waiting: None,
            high_watermark: Offset::ZERO,
        }
    }
}

impl Partition {
    /// Takes a checkpoint when one is due, and writes the one that waits once the high watermark
    /// has reached it. `last` writes what can be written now, before a stop.
    pub fn checkpoint(&self, now: Monotonic, last: bool) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        // What is offline stays as it is: its log may have been in the middle of a cut.
        if matches!(state.role, super::Role::Offline { .. }) {
            return;
        }
        let log = state.role.log();
        let end = log.log_end();
        let cutting = matches!(&state.role, super::Role::Follower(one) if one.is_cutting());
        let due = last
            || state
                .checkpointing
                .taken
                .is_none_or(|taken| now.since(taken) >= INTERVAL);
        let moved = end != state.checkpointing.written_end
            || log.log_start() != state.checkpointing.written_start;
        if due && moved && !cutting && state.checkpointing.waiting.is_none() && !state.deleted {
            state.checkpointing.waiting = Some(Box::new(log.checkpoint()));
            state.checkpointing.taken = Some(now);
        }
        self.write_waiting(state);
        self.write_high_watermark(state);
    }

    fn write_waiting(&self, state: &mut State) {
        let log = state.role.log();
        let Some(waiting) = &state.checkpointing.waiting else {
            return;
        };
        if waiting.log_end > log.log_end() || waiting.log_start < log.log_start() {
            // Truncated or trimmed meanwhile: it describes a log that is no more.
            state.checkpointing.waiting = None;
            return;
        }
        if waiting.log_end > log.known_high_watermark() || waiting.log_end > log.synced_end() {
            return;
        }
        let mut checkpoint = waiting.clone();
        checkpoint.high_watermark = log.known_high_watermark();
        let (start, end) = (checkpoint.log_start, checkpoint.log_end);
        let op = Op::PutCheckpoint {
            partition: self.at,
            checkpoint,
        };
        if self.submit_control(0, op).is_ok() {
            state.checkpointing.waiting = None;
            state.checkpointing.written_end = end;
            state.checkpointing.written_start = start;
        }
    }

    /// The high watermark travels with every append; this is for those that came after the last.
    fn write_high_watermark(&self, state: &mut State) {
        let known = state.role.log().known_high_watermark();
        if known > state.checkpointing.high_watermark && !state.deleted {
            let op = Op::PutHighWatermark {
                partition: self.at,
                offset: known,
            };
            if self.submit_control(0, op).is_ok() {
                state.checkpointing.high_watermark = known;
            }
        }
    }
}
