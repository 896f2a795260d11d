//! Who hears of synced groups.

use std::time::Duration;

use holdfast_model::{Monotonic, Offset, TopicPartition};

use super::OpKind;

/// Whether an operation did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is done and synced.
    Done,
    /// The partition does not exist (any more); nothing was written.
    NoPartition,
    /// The log does not hold the batch that was to be mended (any more); nothing was written.
    NoBatch,
}

/// One operation that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The partition.
    pub partition: TopicPartition,
    /// What was done.
    pub kind: OpKind,
    /// Whether it was done.
    pub outcome: Outcome,
    /// The log end right after this operation; everything before it is synced.
    pub end: Offset,
    /// What the submitter gave.
    pub token: u64,
    /// When it was submitted.
    pub submitted: Monotonic,
}

/// One group's cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupStats {
    /// The group's number.
    pub group: u64,
    /// How many operations it holds.
    pub ops: usize,
    /// How many of them are appends.
    pub appends: usize,
    /// Bytes of all operations.
    pub bytes: usize,
    /// How long its first operation waited for the writer.
    pub queue_wait: Duration,
    /// How long the write and its sync took.
    pub write: Duration,
}

/// Receives completions, on the writer's thread: the next group waits until it returns, so it hands
/// them on and does not block.
pub trait CommitSink: Send + Sync {
    /// Called after each sync with every operation of the group, in order of submission.
    fn committed(&self, group: &[Completed]);

    /// Called before [`CommitSink::committed`] with what the group cost.
    fn measured(&self, _stats: &GroupStats) {}
}
