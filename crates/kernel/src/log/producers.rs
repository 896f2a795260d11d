//! Idempotence: what is remembered of each producer, and whether a batch follows from it.

use std::collections::BTreeMap;

use holdfast_model::{BatchInfo, ErrorCode, Offset, ProducerBatch, ProducerEntry, limits};

/// What a batch is to its producer's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceCheck {
    /// The next batch: append it.
    Next,
    /// Already in the log at these offsets: answer with them.
    Duplicate {
        /// Offset of its first record.
        base_offset: Offset,
        /// Offset of its last record.
        last_offset: Offset,
    },
    /// Refused.
    Refused(ErrorCode),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    last_timestamp: i64,
    batches: Vec<ProducerBatch>,
    /// Wrote since the last look for expired producers: record timestamps may be old in a log that
    /// is a copy of another one, and its producer is as alive as any.
    active: bool,
}

impl Producer {
    fn last_offset(&self) -> Offset {
        self.batches
            .last()
            .map_or(Offset::ZERO, |batch| batch.last_offset)
    }
}

/// The producers of one partition, at most [`limits::PRODUCERS`]: the one that wrote longest ago
/// makes room. Which one that is depends on offsets alone, so that every replica forgets the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerTable {
    producers: BTreeMap<i64, Producer>,
    /// By the offset of each producer's newest record.
    by_age: BTreeMap<Offset, i64>,
}

impl ProducerTable {
    /// A table as stored.
    pub fn from_entries(entries: &[ProducerEntry]) -> Self {
        let mut table = Self::default();
        for entry in entries.iter().filter(|entry| !entry.batches.is_empty()) {
            let producer = Producer {
                epoch: entry.epoch,
                last_timestamp: entry.last_timestamp,
                batches: entry.batches.clone(),
                active: true,
            };
            let id = entry.producer_id;
            table.by_age.insert(producer.last_offset(), id);
            table.producers.insert(id, producer);
        }
        table.make_room();
        table
    }

    /// The table to be stored.
    pub fn entries(&self) -> Vec<ProducerEntry> {
        self.producers
            .iter()
            .map(|(id, producer)| ProducerEntry {
                producer_id: *id,
                epoch: producer.epoch,
                last_timestamp: producer.last_timestamp,
                batches: producer.batches.clone(),
            })
            .collect()
    }

    /// The table as it was at an offset, as far as it is still known: the batches before it. A
    /// replica that begins there and takes in what follows ends with this very table.
    pub fn entries_before(&self, offset: Offset) -> Vec<ProducerEntry> {
        let mut entries = self.entries();
        for entry in &mut entries {
            entry.batches.retain(|batch| batch.last_offset < offset);
        }
        entries.retain(|entry| !entry.batches.is_empty());
        entries
    }

    /// How many producers are remembered.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// Checks a batch from a client. Only leaders check; followers and replay take what the leader
    /// took.
    pub fn check(&self, info: &BatchInfo) -> SequenceCheck {
        if !info.is_idempotent() {
            return SequenceCheck::Next;
        }
        if info.producer_epoch < 0 || info.base_sequence < 0 {
            return SequenceCheck::Refused(ErrorCode::InvalidRecord);
        }
        let Some(producer) = self.producers.get(&info.producer_id) else {
            // A producer forgotten by expiry goes on where it is.
            return SequenceCheck::Next;
        };
        if info.producer_epoch < producer.epoch {
            return SequenceCheck::Refused(ErrorCode::InvalidProducerEpoch);
        }
        if info.producer_epoch > producer.epoch {
            return if info.base_sequence == 0 {
                SequenceCheck::Next
            } else {
                SequenceCheck::Refused(ErrorCode::OutOfOrderSequenceNumber)
            };
        }
        let last_sequence = info.last_sequence();
        let same = producer.batches.iter().find(|batch| {
            batch.base_sequence == info.base_sequence && batch.last_sequence == last_sequence
        });
        if let Some(batch) = same {
            return SequenceCheck::Duplicate {
                base_offset: batch.base_offset,
                last_offset: batch.last_offset,
            };
        }
        match producer.batches.last() {
            Some(last) if info.base_sequence == next_sequence(last.last_sequence) => {
                SequenceCheck::Next
            }
            None => SequenceCheck::Next,
            Some(_) => SequenceCheck::Refused(ErrorCode::OutOfOrderSequenceNumber),
        }
    }

    /// Takes note of an appended batch.
    pub fn note(&mut self, info: &BatchInfo) {
        if !info.is_idempotent() || info.is_control() {
            return;
        }
        let producer = self
            .producers
            .entry(info.producer_id)
            .or_insert_with(|| Producer {
                epoch: info.producer_epoch,
                last_timestamp: info.max_timestamp,
                batches: Vec::with_capacity(limits::PRODUCER_BATCHES),
                active: true,
            });
        if !producer.batches.is_empty() {
            self.by_age.remove(&producer.last_offset());
        }
        producer.active = true;
        if info.producer_epoch != producer.epoch {
            producer.epoch = info.producer_epoch;
            producer.batches.clear();
        }
        producer.last_timestamp = producer.last_timestamp.max(info.max_timestamp);
        if producer.batches.len() == limits::PRODUCER_BATCHES {
            producer.batches.remove(0);
        }
        producer.batches.push(ProducerBatch {
            base_sequence: info.base_sequence,
            last_sequence: info.last_sequence(),
            base_offset: info.base_offset,
            last_offset: info.last_offset,
            timestamp: info.max_timestamp,
        });
        self.by_age.insert(info.last_offset, info.producer_id);
        self.make_room();
    }

    /// Forgets producers whose newest record is older than a time, in milliseconds, and that did
    /// not write since the last call.
    pub fn expire(&mut self, older_than_ms: i64) {
        let by_age = &mut self.by_age;
        self.producers.retain(|_, producer| {
            let stays = producer.active || producer.last_timestamp >= older_than_ms;
            producer.active = false;
            if !stays {
                by_age.remove(&producer.last_offset());
            }
            stays
        });
    }

    fn make_room(&mut self) {
        while self.producers.len() > limits::PRODUCERS {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                return;
            };
            self.producers.remove(&oldest);
        }
    }
}

fn next_sequence(last: i32) -> i32 {
    if last == i32::MAX { 0 } else { last + 1 }
}

#[cfg(test)]
mod tests {
    use holdfast_model::LeaderEpoch;

    use super::*;

    fn batch(epoch: i16, sequence: i32, count: i32, base: i64) -> BatchInfo {
        BatchInfo {
            base_offset: Offset(base),
            last_offset: Offset(base + i64::from(count) - 1),
            leader_epoch: LeaderEpoch(0),
            max_timestamp: 0,
            producer_id: 7,
            producer_epoch: epoch,
            base_sequence: sequence,
            record_count: count,
            attributes: 0,
            crc: 0,
            size: 100,
        }
    }

    #[test]
    fn a_retry_of_one_of_the_last_five_batches_gets_its_old_offsets() {
        let mut table = ProducerTable::default();
        for i in 0..6 {
            let info = batch(0, i * 10, 10, i64::from(i) * 10);
            assert_eq!(table.check(&info), SequenceCheck::Next);
            table.note(&info);
        }
        assert_eq!(
            table.check(&batch(0, 10, 10, 999)),
            SequenceCheck::Duplicate {
                base_offset: Offset(10),
                last_offset: Offset(19)
            }
        );
        assert_eq!(
            table.check(&batch(0, 0, 10, 999)),
            SequenceCheck::Refused(ErrorCode::OutOfOrderSequenceNumber)
        );
    }

    #[test]
    fn sequences_wrap_and_gaps_are_refused() {
        let mut table = ProducerTable::default();
        table.note(&batch(0, i32::MAX - 1, 3, 0));
        assert_eq!(table.check(&batch(0, 1, 1, 3)), SequenceCheck::Next);
        assert_eq!(
            table.check(&batch(0, 2, 1, 3)),
            SequenceCheck::Refused(ErrorCode::OutOfOrderSequenceNumber)
        );
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_an_old_one_is_fenced() {
        let mut table = ProducerTable::default();
        table.note(&batch(3, 0, 1, 0));
        assert_eq!(table.check(&batch(4, 0, 1, 1)), SequenceCheck::Next);
        assert_eq!(
            table.check(&batch(4, 5, 1, 1)),
            SequenceCheck::Refused(ErrorCode::OutOfOrderSequenceNumber)
        );
        assert_eq!(
            table.check(&batch(2, 1, 1, 1)),
            SequenceCheck::Refused(ErrorCode::InvalidProducerEpoch)
        );
    }

    fn of_producer(id: i64, base: i64, timestamp: i64) -> BatchInfo {
        BatchInfo {
            producer_id: id,
            max_timestamp: timestamp,
            ..batch(0, 0, 1, base)
        }
    }

    #[test]
    fn producers_without_end_push_out_the_one_that_wrote_longest_ago() {
        let mut table = ProducerTable::default();
        let most = limits::PRODUCERS as i64;
        for id in 0..most {
            table.note(&of_producer(id, id, 0));
        }
        // The first one writes again: now the second is the oldest.
        let again = BatchInfo {
            base_sequence: 1,
            ..of_producer(0, most, 0)
        };
        table.note(&again);
        table.note(&of_producer(most, most + 1, 0));
        assert_eq!(table.len(), limits::PRODUCERS);
        assert!(table.producers.contains_key(&0));
        assert!(!table.producers.contains_key(&1));
        assert_eq!(table.by_age.len(), table.producers.len());
        assert_eq!(ProducerTable::from_entries(&table.entries()), table);
    }

    #[test]
    fn a_producer_expires_by_its_records_time_unless_it_still_writes() {
        let mut table = ProducerTable::default();
        table.note(&of_producer(1, 0, 5_000));
        table.note(&of_producer(2, 1, 100));
        table.expire(1_000);
        assert_eq!(table.len(), 2, "both wrote a moment ago");
        table.expire(1_000);
        assert_eq!(table.len(), 1);
        assert!(table.producers.contains_key(&1));
        assert_eq!(table.by_age.len(), 1);
    }

    #[test]
    fn a_producer_that_nobody_remembers_goes_on_where_it_is() {
        let table = ProducerTable::default();
        assert_eq!(table.check(&batch(3, 777, 5, 0)), SequenceCheck::Next);
    }
}
