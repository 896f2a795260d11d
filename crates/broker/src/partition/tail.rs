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

    /// Makes good for one batch that was noted at `base`: drops the oldest batch if it begins there
    /// or before and is synced. Nothing is held for a batch that a truncation took; the one that
    /// came in its place may begin elsewhere, and goes on its behalf or with its own turn.
    fn evict(&mut self, base: Offset, synced_end: Offset) -> bool {
        let Some(oldest) = self.batches.front() else {
            return true;
        };
        if oldest.info.base_offset > base {
            return true;
        }
        let synced = oldest.info.end_offset() <= synced_end;
        if synced {
            self.batches.pop_front();
        }
        synced
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

#[cfg(test)]
mod tests {
    use holdfast_model::{LeaderEpoch, TopicId};
    use uuid::Uuid;

    use super::*;

    const AT: TopicPartition = TopicPartition {
        topic: TopicId(Uuid::from_u128(1)),
        partition: 0,
    };

    fn batch(base: i64, last: i64) -> TailBatch {
        let info = BatchInfo {
            base_offset: Offset(base),
            last_offset: Offset(last),
            leader_epoch: LeaderEpoch(0),
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 1,
            attributes: 0,
            crc: 0,
            size: 100,
        };
        TailBatch {
            info,
            bytes: Bytes::from_static(&[0; 100]),
        }
    }

    #[test]
    fn after_a_truncation_the_oldest_batches_still_make_room() {
        let cache = TailCache::new(0);
        let tail = Mutex::new(Tail::new(Offset(100)));
        let push = |base, last| {
            let batch = batch(base, last);
            cache.note(AT, &batch.info);
            tail.lock().push(batch);
        };
        for (base, last) in [(100, 109), (110, 119), (120, 129)] {
            push(base, last);
        }
        // Another leader's batches came in their place, cut elsewhere.
        tail.lock().truncate(Offset(100));
        for (base, last) in [(100, 114), (115, 124), (125, 134)] {
            push(base, last);
        }
        let synced = |end| {
            let tail = &tail;
            move |_at, base| tail.lock().evict(base, Offset(end))
        };
        cache.trim(synced(0));
        assert_eq!(cache.held(), 600, "nothing is synced yet");
        cache.trim(synced(135));
        assert_eq!(cache.held(), 0);
        assert!(tail.lock().batches.is_empty());
    }
}
