//! A broker's disk: a page cache in front of what survives a power cut.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use holdfast_kernel::image::ClusterImage;
use holdfast_kernel::log::{ReplicaLog, SegmentLimits};
use holdfast_model::{
    BatchInfo, Incarnation, LogCheckpoint, Offset, StartNumber, TopicPartition, invariant,
};

use crate::rng::Rng;

/// Operations that one commit group takes in at most.
const GROUP: usize = 64;

/// One ordered record of the write-ahead log.
#[derive(Clone, Debug)]
pub enum Op {
    /// A batch, with the high watermark known when it was written.
    Append(TopicPartition, BatchInfo, Offset),
    /// A high watermark alone.
    HighWatermark(TopicPartition, Offset),
    /// Everything from an offset on is gone.
    Truncate(TopicPartition, Offset),
    /// Everything before an offset is gone.
    LogStart(TopicPartition, Offset),
    /// The log begins anew in this state.
    Reset(TopicPartition, Box<LogCheckpoint>),
    /// The log's state at an offset below the high watermark.
    Checkpoint(TopicPartition, Box<LogCheckpoint>),
    /// The partition was deleted.
    Drop(TopicPartition),
}

/// What a disk holds of one partition.
#[derive(Clone, Debug, Default)]
pub struct StoredLog {
    checkpoint: LogCheckpoint,
    entries: Vec<BatchInfo>,
    high_watermark: Offset,
    log_start: Offset,
}

impl StoredLog {
    /// The batches from the log start on, ascending.
    pub fn entries(&self) -> &[BatchInfo] {
        let from = self
            .entries
            .partition_point(|entry| entry.end_offset() <= self.log_start);
        &self.entries[from..]
    }

    /// First offset held.
    pub fn log_start(&self) -> Offset {
        self.log_start
    }

    /// Whether this very batch is held, or was and has been deleted from the front.
    pub fn holds(&self, info: &BatchInfo) -> bool {
        if info.end_offset() <= self.log_start {
            return true;
        }
        self.entries
            .binary_search_by_key(&info.base_offset, |entry| entry.base_offset)
            .is_ok_and(|index| self.entries[index] == *info)
    }

    /// The log's state, as a store reads it at its start or after a cut.
    pub fn restore(&self, limits: SegmentLimits) -> ReplicaLog {
        let after = self
            .entries
            .partition_point(|entry| entry.end_offset() <= self.checkpoint.log_end);
        let mut log = ReplicaLog::restore(&self.checkpoint, &self.entries[after..], limits);
        log.restore_high_watermark(self.high_watermark);
        log.advance_start(self.log_start);
        log
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Append(_, info, high_watermark) => {
                self.entries.push(*info);
                self.high_watermark = self.high_watermark.max(*high_watermark);
            }
            Op::HighWatermark(_, offset) => {
                self.high_watermark = self.high_watermark.max(*offset);
            }
            Op::Truncate(_, to) => {
                invariant!(
                    "INV-KNOWN-HW-KEPT",
                    *to >= self.checkpoint.log_end,
                    "truncation to {to} behind the checkpoint at {}",
                    self.checkpoint.log_end
                );
                self.entries.retain(|entry| entry.base_offset < *to);
            }
            Op::LogStart(_, start) => {
                self.log_start = self.log_start.max(*start);
                self.high_watermark = self.high_watermark.max(*start);
                self.trim();
            }
            Op::Reset(_, checkpoint) => {
                self.entries.clear();
                self.log_start = checkpoint.log_start;
                self.checkpoint = (**checkpoint).clone();
                self.high_watermark = self.high_watermark.max(checkpoint.high_watermark);
            }
            Op::Checkpoint(_, checkpoint) => {
                self.checkpoint = (**checkpoint).clone();
                self.trim();
            }
            Op::Drop(_) => {}
        }
    }

    /// Forgets batches below the log start, but none behind the checkpoint: a start still needs them
    /// for producers and epochs.
    fn trim(&mut self) {
        let floor = self.log_start.min(self.checkpoint.log_end);
        let gone = self
            .entries
            .partition_point(|entry| entry.end_offset() <= floor);
        self.entries.drain(..gone);
    }
}

impl Op {
    /// The partition that it belongs to.
    pub fn at(&self) -> TopicPartition {
        match self {
            Self::Append(at, ..)
            | Self::HighWatermark(at, _)
            | Self::Truncate(at, _)
            | Self::LogStart(at, _)
            | Self::Reset(at, _)
            | Self::Checkpoint(at, _)
            | Self::Drop(at) => *at,
        }
    }
}

/// The disk of one broker.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The life of this disk.
    pub incarnation: Incarnation,
    /// The last process start.
    pub start: StartNumber,
    /// The cluster image that was synced last.
    pub image: ClusterImage,
    /// Whether it was set back to an older state: the replica on it lacks what it had synced.
    pub rolled_back: bool,
    /// It lost batches that were synced. The oracle must know it; the node does not.
    pub lost_tail: bool,
    /// The controller has refused it as a copy. The faults must know it; the node does not.
    pub found_out: bool,
    /// Replicas whose bytes are damaged; the broker has written that down.
    pub damaged: BTreeSet<TopicPartition>,
    logs: BTreeMap<TopicPartition, StoredLog>,
    queued: VecDeque<Op>,
    in_flight: Vec<Op>,
}

impl Disk {
    /// A formatted disk.
    pub fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            start: StartNumber(0),
            image: ClusterImage::default(),
            rolled_back: false,
            lost_tail: false,
            found_out: false,
            damaged: BTreeSet::new(),
            logs: BTreeMap::new(),
            queued: VecDeque::new(),
            in_flight: Vec::new(),
        }
    }

    /// What is synced of a partition.
    pub fn log(&self, at: TopicPartition) -> Option<&StoredLog> {
        self.logs.get(&at)
    }

    /// Everything that is synced.
    pub fn logs(&self) -> impl Iterator<Item = (&TopicPartition, &StoredLog)> {
        self.logs.iter()
    }

    /// The last batches of a log are gone, though they were synced.
    pub fn lose_tail(&mut self, at: TopicPartition, batches: usize) {
        if let Some(log) = self.logs.get_mut(&at) {
            let kept = log.entries.len().saturating_sub(batches);
            log.entries.truncate(kept);
            self.lost_tail = true;
        }
    }

    /// Hands an operation to the writer.
    pub fn submit(&mut self, op: Op) {
        self.queued.push_back(op);
    }

    /// Begins a commit group, if the writer is idle and has something to write.
    pub fn begin_group(&mut self) -> bool {
        if !self.in_flight.is_empty() || self.queued.is_empty() {
            return false;
        }
        let count = self.queued.len().min(GROUP);
        self.in_flight = self.queued.drain(..count).collect();
        true
    }

    /// The group is synced: its operations, in order.
    pub fn end_group(&mut self) -> Vec<Op> {
        let group = std::mem::take(&mut self.in_flight);
        for op in &group {
            self.apply(op);
        }
        group
    }

    /// The process ends and waits for its writer.
    pub fn flush(&mut self) {
        let rest: Vec<Op> = self
            .in_flight
            .drain(..)
            .chain(self.queued.drain(..))
            .collect();
        for op in &rest {
            self.apply(op);
        }
    }

    /// The process dies. What it had not handed over is lost; what was written and not synced
    /// survives a death of the process, and is torn anywhere by a loss of power.
    pub fn crash(&mut self, power: bool, rng: &mut Rng) {
        self.queued.clear();
        let group = std::mem::take(&mut self.in_flight);
        let survive = if power {
            rng.index(group.len() + 1)
        } else {
            group.len()
        };
        for op in &group[..survive] {
            self.apply(op);
        }
    }

    fn apply(&mut self, op: &Op) {
        if let Op::Drop(at) = op {
            self.logs.remove(at);
        } else {
            self.logs.entry(op.at()).or_default().apply(op);
        }
    }
}
