//! Batches that were refused on a connection while later ones of the same producer were on their way.
//!
//! Clients send up to five batches before the first is answered. If the first is refused for a reason
//! that passes (the leader is not ready yet, too few replicas are in sync), the second must not be
//! taken instead: a client whose second batch is acknowledged believes that the first was as well
//! (librdkafka's "implicit ack"), though it is in no log. The log refuses the second as out of order
//! where it knows the producer; where it does not, any first sequence is welcome, as in Kafka.
//!
//! So whatever follows a refused batch on its connection is refused for the same reason, until that
//! batch comes again. The client then sends all of them again, in order, under the same numbers;
//! "out of order" instead would have it draw new numbers, and what was already in the log twice.
//!
//! Only what was on its way when the batch was refused can follow it unknowingly. An idempotent
//! producer has at most five requests under way, so the fifth request after the refusal was sent by
//! a client that knows. It may have taken the batch elsewhere meanwhile, and come back with later ones.
//!
//! A batch that is refused for the one before it is a refused batch itself: what follows it has to
//! wait for it just as well, even when the first one's time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::{BatchInfo, ErrorCode, Monotonic, limits};
use parking_lot::Mutex;
use uuid::Uuid;

/// Holes remembered for one connection; the first in order goes for one more. A client that writes
/// to more partitions at once than this, all of which refuse, is better off without a memory of some.
const HOLES: usize = 1024;

/// Requests that may have been on their way with the refused one, itself included.
const UNDER_WAY: u64 = limits::PRODUCER_BATCHES as u64;

/// What was on its way has arrived after so long, on a connection with little else to count by.
const ARRIVED: Duration = Duration::from_secs(10);

/// Who wrote where: the topic by id or by name, the partition, the producer.
type Key = (Uuid, String, i32, i64);

/// The holes of one connection.
#[derive(Debug, Default)]
pub struct Holes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Produce requests that came so far.
    requests: u64,
    now: Monotonic,
    holes: BTreeMap<Key, Hole>,
}

/// What one producer was refused of one partition, and did not send again yet.
#[derive(Clone, Debug)]
struct Hole {
    epoch: i16,
    /// The oldest first; never empty, never more than can be under way at once.
    refusals: Vec<Refusal>,
}

#[derive(Clone, Copy, Debug)]
struct Refusal {
    sequence: i32,
    code: ErrorCode,
    /// The request that was refused, and when.
    request: u64,
    at: Monotonic,
}

/// One batch as far as holes are concerned.
#[derive(Debug)]
pub(super) struct Passing {
    key: Key,
    epoch: i16,
    sequence: i32,
}

impl Passing {
    /// A batch of an idempotent producer; none if it is not.
    pub(super) fn new(topic: (Uuid, &str), partition: i32, info: &BatchInfo) -> Option<Self> {
        info.is_idempotent().then(|| Self {
            key: (topic.0, topic.1.to_owned(), partition, info.producer_id),
            epoch: info.producer_epoch,
            sequence: info.base_sequence,
        })
    }
}

impl Holes {
    /// A produce request came.
    pub(super) fn next_request(&self, now: Monotonic) {
        let mut state = self.state.lock();
        state.requests += 1;
        state.now = now;
    }

    /// Whether a batch may pass; else why the one before it was refused. Nobody looks at the batch
    /// while there is no hole, as is usual.
    pub(super) fn check(&self, batch: impl FnOnce() -> Option<Passing>) -> Result<(), ErrorCode> {
        let mut state = self.state.lock();
        if state.holes.is_empty() {
            return Ok(());
        }
        let Some(batch) = batch() else {
            return Ok(());
        };
        let (request, now) = (state.requests, state.now);
        let Some(hole) = state.holes.get_mut(&batch.key) else {
            return Ok(());
        };
        // A batch that comes again closes its own refusal; so does the time after which whoever
        // sends knows what became of it. Another epoch begins anew.
        hole.refusals.retain(|refusal| {
            hole.epoch == batch.epoch
                && refusal.sequence != batch.sequence
                && request - refusal.request < UNDER_WAY
                && now.since(refusal.at) < ARRIVED
        });
        // A batch before all of them is a retry of what the log has.
        let mut earlier = hole.refusals.iter();
        let before = earlier.find(|refusal| is_after(batch.sequence, refusal.sequence));
        let blocked = before.map(|refusal| refusal.code);
        if hole.refusals.is_empty() {
            state.holes.remove(&batch.key);
        }
        let Some(code) = blocked else {
            return Ok(());
        };
        state.note(batch, code);
        Err(code)
    }

    /// A batch was refused before it had a place in the log.
    pub(super) fn refused(&self, batch: Passing, code: ErrorCode) {
        if !passes_by_itself(code) {
            return;
        }
        self.state.lock().note(batch, code);
    }
}

impl State {
    fn note(&mut self, batch: Passing, code: ErrorCode) {
        if self.holes.len() >= HOLES && !self.holes.contains_key(&batch.key) {
            self.holes.pop_first();
        }
        let refusal = Refusal {
            sequence: batch.sequence,
            code,
            request: self.requests,
            at: self.now,
        };
        let hole = self.holes.entry(batch.key).or_insert_with(|| Hole {
            epoch: batch.epoch,
            refusals: Vec::with_capacity(1),
        });
        if hole.epoch != batch.epoch {
            hole.epoch = batch.epoch;
            hole.refusals.clear();
        }
        if hole.refusals.len() == limits::PRODUCER_BATCHES {
            hole.refusals.remove(0);
        }
        hole.refusals.push(refusal);
    }
}

/// Refusals after which clients send the same batch again.
fn passes_by_itself(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::KafkaStorageError
    )
}

/// Whether a sequence number comes after another; they wrap at 2^31.
fn is_after(one: i32, other: i32) -> bool {
    let distance = one.wrapping_sub(other) & i32::MAX;
    distance != 0 && distance < 1 << 30
}

#[cfg(test)]
mod tests {
    use holdfast_model::{LeaderEpoch, Offset};

    use super::*;

    fn batch(producer: i64, epoch: i16, sequence: i32) -> Passing {
        let info = BatchInfo {
            base_offset: Offset(0),
            last_offset: Offset(0),
            leader_epoch: LeaderEpoch(0),
            max_timestamp: 0,
            producer_id: producer,
            producer_epoch: epoch,
            base_sequence: sequence,
            record_count: 1,
            attributes: 0,
            crc: 0,
            size: 100,
        };
        Passing::new((Uuid::nil(), "orders"), 0, &info).unwrap()
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic(seconds * 1_000_000_000)
    }

    #[test]
    fn the_second_batch_of_a_new_producer_is_not_taken_when_the_first_was_refused() {
        let holes = Holes::default();
        holes.next_request(at(0));
        holes.check(|| Some(batch(7, 0, 0))).unwrap();
        holes.refused(batch(7, 0, 0), ErrorCode::NotEnoughReplicas);
        holes.next_request(at(0));
        let after = holes.check(|| Some(batch(7, 0, 2))).unwrap_err();
        assert_eq!(after, ErrorCode::NotEnoughReplicas);
        holes.check(|| Some(batch(8, 0, 2))).unwrap();
        // All of them come again, in order.
        holes.next_request(at(0));
        holes.check(|| Some(batch(7, 0, 0))).unwrap();
        holes.next_request(at(0));
        holes.check(|| Some(batch(7, 0, 2))).unwrap();
    }

    #[test]
    fn what_was_appended_before_the_hole_may_be_asked_for_again() {
        let holes = Holes::default();
        holes.next_request(at(0));
        holes.refused(batch(7, 0, 10), ErrorCode::NotLeaderOrFollower);
        holes.check(|| Some(batch(7, 0, 5))).unwrap();
        holes.check(|| Some(batch(7, 0, 15))).unwrap_err();
        holes.check(|| Some(batch(7, 0, 10))).unwrap();
        holes.check(|| Some(batch(7, 0, 15))).unwrap();
    }

    #[test]
    fn a_new_epoch_and_a_refusal_for_good_leave_no_hole() {
        let holes = Holes::default();
        holes.next_request(at(0));
        holes.refused(batch(7, 0, 0), ErrorCode::NotLeaderOrFollower);
        holes.check(|| Some(batch(7, 1, 3))).unwrap();
        holes.refused(batch(7, 1, 3), ErrorCode::MessageTooLarge);
        holes.check(|| Some(batch(7, 1, 4))).unwrap();
    }

    /// It stood for four seconds, refused by a hole of the failover before.
    #[test]
    fn a_client_that_comes_back_with_later_batches_is_not_held_up() {
        let holes = Holes::default();
        holes.next_request(at(0));
        holes.refused(batch(7, 0, i32::MAX), ErrorCode::NotLeaderOrFollower);
        for _ in 1..UNDER_WAY {
            holes.next_request(at(1));
            holes.check(|| Some(batch(7, 0, 3))).unwrap_err();
        }
        holes.next_request(at(1));
        holes.check(|| Some(batch(7, 0, 3))).unwrap();
        // On a connection where nothing else comes, time tells.
        holes.refused(batch(7, 0, 3), ErrorCode::NotLeaderOrFollower);
        holes.next_request(at(12));
        holes.check(|| Some(batch(7, 0, 9))).unwrap();
    }

    /// Seen with librdkafka, when a leader came back within ten seconds: the second batch was out of
    /// order, the client began a new epoch, and what another partition had was in it twice.
    #[test]
    fn the_second_batch_waits_although_the_hole_that_refused_the_first_is_over() {
        let holes = Holes::default();
        holes.next_request(at(0));
        holes.refused(batch(7, 0, 10), ErrorCode::NotLeaderOrFollower);
        // The client takes 10 elsewhere, and comes back with 20 and 21 at once.
        for _ in 2..UNDER_WAY {
            holes.next_request(at(9));
        }
        holes.next_request(at(9));
        holes.check(|| Some(batch(7, 0, 20))).unwrap_err();
        holes.next_request(at(9));
        holes.check(|| Some(batch(7, 0, 21))).unwrap_err();
        // Both come again, in order.
        holes.next_request(at(9));
        holes.check(|| Some(batch(7, 0, 20))).unwrap();
        holes.next_request(at(9));
        holes.check(|| Some(batch(7, 0, 21))).unwrap();
        assert!(holes.state.lock().holes.is_empty());
    }

    #[test]
    fn holes_without_end_are_bounded() {
        let holes = Holes::default();
        for producer in 0..5_000 {
            holes.refused(batch(producer, 0, 0), ErrorCode::NotLeaderOrFollower);
        }
        assert_eq!(holes.state.lock().holes.len(), HOLES);
        let last = (Uuid::nil(), "orders".to_owned(), 0, 4_999);
        for sequence in 1..5_000 {
            let same = Passing {
                key: last.clone(),
                ..batch(0, 0, sequence)
            };
            holes.check(|| Some(same)).unwrap_err();
        }
        let kept = holes.state.lock().holes[&last].refusals.len();
        assert_eq!(kept, limits::PRODUCER_BATCHES);
    }
}
