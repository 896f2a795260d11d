//! The newest batches in memory, so that consumers near the head and followers do not touch the
//! disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use holdfast_model::{BatchInfo, Offset, TopicPartition};
use parking_lot::Mutex;

/// One batch in memory.
#[derive(Clone, Debug)]
pub struct TailBatch {
    /// What describes it.
    pub info: BatchInfo,
    /// The whole batch.
    pub bytes: Bytes,
}

/// The newest batches of one partition, without holes, up to its log end.
#[derive(Debug)]
pub(super) struct Tail {
    batches: VecDeque<TailBatch>,
    end: Offset,
}

impl Tail {
    pub(super) fn new(end: Offset) -> Self {
        Self {
            batches: VecDeque::new(),
            end,
        }
    }

    pub(super) fn push(&mut self, batch: TailBatch) {
        self.end = batch.info.end_offset();
        self.batches.push_back(batch);
    }

    /// The first offset from which the tail is complete.
    pub(super) fn start(&self) -> Offset {
        self.batches
            .front()
            .map_or(self.end, |batch| batch.info.base_offset)
    }

    pub(super) fn truncate(&mut self, to: Offset) {
        while self
            .batches
            .back()
            .is_some_and(|batch| batch.info.last_offset >= to)
        {
            self.batches.pop_back();
        }
        self.end = to;
    }

    pub(super) fn restart(&mut self, at: Offset) {
        self.batches.clear();
        self.end = at;
    }

    pub(super) fn clear(&mut self) {
        self.batches.clear();
    }

    /// Drops the oldest batch if it is the one named and is synced.
    fn evict(&mut self, base: Offset, synced_end: Offset) -> bool {
        let oldest = self.batches.front();
        if oldest.is_some_and(|b| b.info.base_offset == base && b.info.end_offset() <= synced_end) {
            self.batches.pop_front();
            return true;
        }
        // Already gone by truncation: nothing is held for it.
        oldest.is_none_or(|batch| batch.info.base_offset > base)
    }

    /// Batches from the one that holds `from`, up to those that end at or before `up_to`; at most
    /// `max_bytes`, but at least one if there is one. None if `from` is not in the tail.
    pub(super) fn read(
        &self,
        from: Offset,
        up_to: Offset,
        max_bytes: usize,
    ) -> Option<Vec<TailBatch>> {
        if from < self.start() {
            return None;
        }
        let first = self
            .batches
            .partition_point(|batch| batch.info.last_offset < from);
        let mut bytes = 0;
        let mut found = Vec::new();
        for batch in self.batches.range(first..) {
            let size = batch.bytes.len();
            if batch.info.end_offset() > up_to || (bytes + size > max_bytes && !found.is_empty()) {
                break;
            }
            bytes += size;
            found.push(batch.clone());
        }
        Some(found)
    }
}

/// Counts what all tails hold and says which batch goes first.
#[derive(Debug)]
pub struct TailCache {
    limit: u64,
    held: AtomicU64,
    order: Mutex<VecDeque<(TopicPartition, Offset, u32)>>,
}

impl TailCache {
    /// A cache of so many bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            held: AtomicU64::new(0),
            order: Mutex::default(),
        }
    }

    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, at: TopicPartition, info: &BatchInfo) {
        self.held.fetch_add(u64::from(info.size), Ordering::Relaxed);
        self.order
            .lock()
            .push_back((at, info.base_offset, info.size));
    }

    /// Evicts the oldest batches until the limit holds. `evict` drops one batch and says whether it
    /// is gone; it is called without any partition's lock held.
    pub fn trim(&self, evict: impl Fn(TopicPartition, Offset) -> bool) {
        while self.held() > self.limit {
            let Some((at, base, size)) = self.order.lock().pop_front() else {
                return;
            };
            if !evict(at, base) {
                // Not synced yet; what comes behind it is not either.
                self.order.lock().push_front((at, base, size));
                return;
            }
            self.held.fetch_sub(u64::from(size), Ordering::Relaxed);
        }
    }
}

impl super::Partition {
    /// Drops the oldest batch of the tail, if it is the one named and synced.
    pub fn evict(&self, base: Offset) -> bool {
        let mut state = self.state.lock();
        let synced_end = state.role.log().synced_end();
        state.deleted || state.tail.evict(base, synced_end)
    }
}
