//! Records by partition: what forms a batch, when it is due, and which sequence numbers it gets.
//! No input or output happens here.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use holdfast_model::Monotonic;
use holdfast_wire::Codec;
use holdfast_wire::build::{BatchBuilder, Record};

use super::Queued;
use crate::Error;

/// Records of one batch, as Kafka's clients bound them by the size of theirs.
const BATCH_RECORDS: usize = 10_000;

/// Who an idempotent batch comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// A batch that is ready to be sent, and the records it holds.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) bytes: Bytes,
    pub(super) records: Vec<Queued>,
    /// When its first record was given.
    pub(super) since: Monotonic,
}

/// One partition's queue.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<(Queued, Monotonic)>,
    bytes: usize,
    in_flight: bool,
    identity: Option<Identity>,
    next_sequence: i32,
}

/// When a batch is due, and how it is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) linger: Duration,
    pub(super) batch_bytes: usize,
    pub(super) codec: Codec,
}

/// All partitions' queues. Bounded by the bytes of records that may be outstanding.
#[derive(Debug)]
pub(super) struct Accumulator {
    rules: Rules,
    lanes: BTreeMap<(String, i32), Lane>,
}

impl Accumulator {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            lanes: BTreeMap::new(),
        }
    }

    /// Takes a record.
    pub(super) fn push(&mut self, record: Queued, now: Monotonic) {
        let key = (record.record.topic.clone(), record.partition);
        let lane = self.lanes.entry(key).or_default();
        lane.bytes += record.size;
        lane.waiting.push_back((record, now));
    }

    /// Whether nothing waits and nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.lanes
            .values()
            .all(|lane| lane.waiting.is_empty() && !lane.in_flight)
    }

    /// Time until the next batch is due by its age; `None` if no partition waits for that.
    pub(super) fn next_due(&self, now: Monotonic, idempotent: bool) -> Option<Duration> {
        self.lanes
            .values()
            .filter(|lane| !lane.in_flight && (!idempotent || lane.identity.is_some()))
            .filter_map(|lane| lane.waiting.front())
            .map(|(_, since)| self.rules.linger.saturating_sub(now.since(*since)))
            .min()
    }

    /// Whether a partition with records lacks an identity, which an idempotent batch must have.
    pub(super) fn lacks_identity(&self) -> bool {
        self.lanes
            .values()
            .any(|lane| lane.identity.is_none() && !lane.waiting.is_empty())
    }

    /// No identity can be had: answers every record that waits for one with the error.
    pub(super) fn fail_unidentified(&mut self, error: &Error) {
        self.lanes.retain(|_, lane| {
            if lane.identity.is_some() {
                return true;
            }
            lane.bytes = 0;
            for (queued, _) in lane.waiting.drain(..) {
                drop(queued.answer.send(Err(error.clone())));
            }
            lane.in_flight
        });
    }

    /// Gives an identity to the partitions that have none; their sequences start at 0.
    pub(super) fn identify(&mut self, identity: Identity) {
        for lane in self
            .lanes
            .values_mut()
            .filter(|lane| lane.identity.is_none())
        {
            lane.identity = Some(identity);
            lane.next_sequence = 0;
        }
    }

    /// Takes the next batch of every partition that is due and has none in flight; `hurry` makes
    /// all due. Records that cannot be built are answered with their error.
    pub(super) fn take_due(&mut self, now: Monotonic, hurry: bool, idempotent: bool) -> Vec<Batch> {
        let due: Vec<(String, i32)> = self
            .lanes
            .iter()
            .filter(|(_, lane)| self.is_due(lane, now, hurry))
            .filter(|(_, lane)| !idempotent || lane.identity.is_some())
            .map(|(key, _)| key.clone())
            .collect();
        let rules = self.rules;
        due.into_iter()
            .filter_map(|(topic, partition)| {
                let lane = self.lanes.get_mut(&(topic.clone(), partition))?;
                lane.take(rules, idempotent, topic, partition)
            })
            .collect()
    }

    /// The partition's batch is resolved, its sequences are used.
    pub(super) fn finish(&mut self, topic: &str, partition: i32) {
        if let Some(lane) = self.lanes.get_mut(&(topic.to_owned(), partition)) {
            lane.in_flight = false;
            // Without an identity there is nothing to remember of an idle partition.
            if lane.waiting.is_empty() && lane.identity.is_none() {
                self.lanes.remove(&(topic.to_owned(), partition));
            }
        }
    }

    /// The partition's batch failed and nobody knows whether it was written, or its sequences are
    /// out of step: the next batch comes under a new identity, whose sequences start at 0.
    pub(super) fn finish_and_reset(&mut self, topic: &str, partition: i32) {
        if let Some(lane) = self.lanes.get_mut(&(topic.to_owned(), partition)) {
            lane.identity = None;
        }
        self.finish(topic, partition);
    }

    fn is_due(&self, lane: &Lane, now: Monotonic, hurry: bool) -> bool {
        let Some((_, since)) = lane.waiting.front() else {
            return false;
        };
        !lane.in_flight
            && (hurry
                || lane.bytes >= self.rules.batch_bytes
                || now.since(*since) >= self.rules.linger)
    }
}

impl Lane {
    fn take(
        &mut self,
        rules: Rules,
        idempotent: bool,
        topic: String,
        partition: i32,
    ) -> Option<Batch> {
        let mut records: Vec<Queued> = Vec::new();
        let mut since = None;
        let mut bytes = 0;
        while let Some((next, _)) = self.waiting.front() {
            let full = bytes + next.size > rules.batch_bytes || records.len() >= BATCH_RECORDS;
            if full && !records.is_empty() {
                break;
            }
            let Some((next, given)) = self.waiting.pop_front() else {
                break;
            };
            since.get_or_insert(given);
            bytes += next.size;
            self.bytes -= next.size;
            records.push(next);
        }
        let identity = if idempotent { self.identity } else { None };
        match build(&records, rules.codec, identity, self.next_sequence) {
            Ok(built) => {
                self.in_flight = true;
                if identity.is_some() {
                    self.next_sequence = sequence_after(self.next_sequence, records.len());
                }
                Some(Batch {
                    topic,
                    partition,
                    bytes: built,
                    records,
                    since: since?,
                })
            }
            Err(error) => {
                // Sequences are taken only by batches that were built, so none is lost here.
                for record in records {
                    drop(record.answer.send(Err(error.clone())));
                }
                None
            }
        }
    }
}

/// Sequences wrap from 2^31 - 1 to 0.
fn sequence_after(sequence: i32, count: usize) -> i32 {
    ((i64::from(sequence) + count as i64) & 0x7fff_ffff) as i32
}

fn build(
    records: &[Queued],
    codec: Codec,
    identity: Option<Identity>,
    sequence: i32,
) -> Result<Bytes, Error> {
    let failed = |error: holdfast_wire::build::Error| Error::Record {
        reason: error.to_string(),
    };
    let mut builder = BatchBuilder::new(codec);
    if let Some(identity) = identity {
        builder = builder.producer(identity.id, identity.epoch, sequence);
    }
    for queued in records {
        let record = &queued.record;
        let headers: Vec<(&[u8], Option<&[u8]>)> = record
            .headers
            .iter()
            .map(|(k, v)| (k.as_ref(), v.as_deref()))
            .collect();
        builder
            .push(&Record {
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: &headers,
                timestamp: queued.timestamp,
            })
            .map_err(failed)?;
    }
    builder.finish().map_err(failed)
}
