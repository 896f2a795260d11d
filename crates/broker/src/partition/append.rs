//! A client's batch becomes part of the log.

use bytes::BytesMut;
use holdfast_kernel::log::SequenceCheck;
use holdfast_model::{BatchInfo, ErrorCode, LeaderEpoch, Offset};
use holdfast_store::{Op, Permit};
use holdfast_wire::batch;

use super::{Partition, ProduceWaiter, Produced, TailBatch};

/// A batch that passed every check that does not depend on the log.
#[derive(Debug)]
pub struct PreparedBatch {
    /// The batch in memory of its own, to be patched with its offset and epoch.
    pub bytes: BytesMut,
    /// What describes it, still with the client's offsets.
    pub info: BatchInfo,
    /// The leader's time, if it stamped the batch; else -1.
    pub append_time_ms: i64,
}

/// How an append is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendAnswer {
    /// Now, with this.
    Now(Produced),
    /// When the waiter is finished.
    Later,
}

/// What the producer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nothing.
    None,
    /// The leader's own sync.
    Leader,
    /// Every member of the ISR.
    All,
}

impl Partition {
    /// Gives a batch its place, hands it to the writer and to the followers, and arranges for the
    /// answer. `waiter` makes the waiter from what the answer will say.
    pub fn append(
        &self,
        prepared: PreparedBatch,
        permit: Permit,
        acks: Acks,
        waiter: impl FnOnce(Produced) -> ProduceWaiter,
    ) -> AppendAnswer {
        self.append_under(None, prepared, permit, acks, waiter)
    }

    /// A coordinator's batch: only under the leadership under which it was decided, and safe on
    /// every member of the ISR before the waiter is told.
    pub fn append_in(
        &self,
        epoch: LeaderEpoch,
        prepared: PreparedBatch,
        permit: Permit,
        waiter: impl FnOnce(Produced) -> ProduceWaiter,
    ) -> AppendAnswer {
        self.append_under(Some(epoch), prepared, permit, Acks::All, waiter)
    }

    fn append_under(
        &self,
        expected: Option<LeaderEpoch>,
        prepared: PreparedBatch,
        permit: Permit,
        acks: Acks,
        waiter: impl FnOnce(Produced) -> ProduceWaiter,
    ) -> AppendAnswer {
        let limits = self.segment_limits();
        let now = self.environment.clock.monotonic();
        let PreparedBatch {
            mut bytes,
            info,
            append_time_ms,
        } = prepared;
        let mut state = self.state.lock();
        let aside = self.stands_aside(&state);
        let Some(leader) = state.role.leader_mut().filter(|_| !aside) else {
            return AppendAnswer::Now(Produced::refused(ErrorCode::NotLeaderOrFollower));
        };
        if acks == Acks::All && !leader.has_min_isr() {
            return AppendAnswer::Now(Produced::refused(ErrorCode::NotEnoughReplicas));
        }
        let epoch = leader.epoch();
        if expected.is_some_and(|expected| expected != epoch) {
            return AppendAnswer::Now(Produced::refused(ErrorCode::NotLeaderOrFollower));
        }
        let log_start = leader.log().log_start();
        let found = leader.check(&info);
        let repeated = matches!(found, SequenceCheck::Duplicate { .. });
        let (base_offset, last_offset) = match found {
            SequenceCheck::Refused(code) => return AppendAnswer::Now(Produced::refused(code)),
            SequenceCheck::Duplicate {
                base_offset,
                last_offset,
            } => {
                self.environment.metrics.duplicates.inc();
                (base_offset, last_offset)
            }
            SequenceCheck::Next => {
                let placed = leader.append(info, limits, now);
                let high_watermark = leader.high_watermark();
                patch(&mut bytes, placed.base_offset, epoch);
                let bytes = bytes.freeze();
                let op = Op::Append {
                    partition: self.at,
                    batch: bytes.clone(),
                    info: placed,
                    high_watermark,
                };
                // The offsets are spent: a batch that cannot be written now must never be.
                if let Err(error) = self.environment.store.submit(permit, token(epoch), op) {
                    tracing::error!(%error, "cannot write a batch that has its offset, aborting");
                    std::process::abort();
                }
                state.tail.push(TailBatch {
                    info: placed,
                    bytes,
                });
                self.environment.tail.note(self.at, &placed);
                self.queue_senders(&mut state);
                (placed.base_offset, placed.last_offset)
            }
        };
        let outcome = Produced {
            code: ErrorCode::None,
            base_offset,
            append_time_ms,
            log_start,
        };
        let end = last_offset.next();
        Self::answer_later(&mut state, acks, epoch, end, repeated, outcome, waiter)
    }

    fn answer_later(
        state: &mut super::State,
        acks: Acks,
        epoch: LeaderEpoch,
        end: Offset,
        repeated: bool,
        outcome: Produced,
        waiter: impl FnOnce(Produced) -> ProduceWaiter,
    ) -> AppendAnswer {
        let safe = match acks {
            Acks::None => true,
            Acks::Leader => state.role.log().synced_end() >= end,
            Acks::All => state
                .role
                .leader()
                .is_some_and(|leader| leader.is_safe(end, repeated)),
        };
        // A retry of a batch that is safe already, or nobody who waits.
        if safe {
            return AppendAnswer::Now(outcome);
        }
        let waiters = match acks {
            Acks::All => &mut state.committed,
            Acks::Leader | Acks::None => &mut state.synced,
        };
        waiters.add(epoch, end, waiter(outcome));
        AppendAnswer::Later
    }
}

/// Completions name the epoch of the leadership in which they were submitted.
pub(super) fn token(epoch: LeaderEpoch) -> u64 {
    u64::from(epoch.0.unsigned_abs())
}

fn patch(bytes: &mut BytesMut, base: Offset, epoch: LeaderEpoch) {
    let patched = batch::patch_base_offset(bytes, base)
        .and_then(|()| batch::patch_leader_epoch(bytes, epoch));
    patched.expect("the batch was parsed before it was given an offset");
}
