//! The follower's side of replication.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_kernel::replica::{
    AppendHeader, Opened, RefusedReason, SessionId, Start, StartAction,
};
use holdfast_model::{BatchInfo, LeaderEpoch, LogCheckpoint, Offset};
use holdfast_store::{Op, Permit, Room};

use super::append::token;
use super::{Partition, State, TailBatch};
use crate::replication::AckOutbox;

/// What a follower answers to Open.
#[derive(Clone, Debug)]
pub enum FollowerReply {
    /// Where its log stands.
    Opened(Opened),
    /// Why it does not follow.
    Refused(RefusedReason),
}

impl Partition {
    /// A leader opens a conversation; acknowledgements go to `outbox` from now on.
    pub fn on_open(
        &self,
        epoch: LeaderEpoch,
        session: SessionId,
        outbox: &Arc<AckOutbox>,
    ) -> FollowerReply {
        let mut state = self.state.lock();
        if matches!(state.role, super::Role::Offline { .. }) {
            return FollowerReply::Refused(RefusedReason::Offline);
        }
        if let Some(leader) = state.role.leader() {
            // Only the image ends a leadership; a newer leader tries again until it has.
            let reason = if epoch < leader.epoch() {
                RefusedReason::Fenced(leader.epoch())
            } else {
                RefusedReason::NoSession
            };
            return FollowerReply::Refused(reason);
        }
        let Some(follower) = state.role.follower_mut() else {
            return FollowerReply::Refused(RefusedReason::UnknownPartition);
        };
        let before = follower.log().leader_epoch();
        match follower.on_open(epoch, session) {
            Ok(opened) => {
                state.acks = Some(Arc::clone(outbox));
                if epoch > before {
                    self.persist_epoch(epoch);
                }
                FollowerReply::Opened(opened)
            }
            Err(reason) => FollowerReply::Refused(reason),
        }
    }

    /// The leader says where to go on.
    ///
    /// # Errors
    /// The reason to tell the leader.
    pub fn on_start(&self, start: &Start) -> Result<(), RefusedReason> {
        // Before the kernel decides: a cut that it waits for must reach the disk.
        let permit = self.control_permit()?;
        let mut state = self.state.lock();
        let follower = state.role.follower_mut().ok_or(RefusedReason::NoSession)?;
        let epoch = start.leader_epoch;
        let action = match follower.on_start(start) {
            Ok(action) => action,
            Err(reason) => {
                drop(state);
                if let RefusedReason::BelowKnownHighWatermark(known) = reason {
                    self.environment.metrics.refused_truncations.inc();
                    self.take_offline(&format!(
                        "leader of epoch {epoch} ends at {} and asks to go on from {}, but records \
                         up to {known} were acknowledged",
                        start.log_end, start.from
                    ));
                }
                return Err(reason);
            }
        };
        match action {
            StartAction::GoOn => {
                self.send_ack(&state);
                Ok(())
            }
            StartAction::Truncate { to } => {
                tracing::info!(
                    topic = %self.topic_name, partition = self.at.partition, %to, %epoch,
                    "truncates to what it shares with its leader"
                );
                state.checkpointing.forget_waiting();
                state.tail.truncate(to);
                self.environment.metrics.truncations.inc();
                let op = Op::TruncateTo {
                    partition: self.at,
                    offset: to,
                };
                self.cut_on_disk(permit, epoch, op);
                Ok(())
            }
            StartAction::Reset { at, producers } => {
                tracing::info!(
                    topic = %self.topic_name, partition = self.at.partition, %at, %epoch,
                    "begins anew at its leader's log start"
                );
                state.checkpointing.forget_waiting();
                state.tail.restart(at);
                let high_watermark = follower_high_watermark(&state);
                let checkpoint = Box::new(LogCheckpoint {
                    log_start: at,
                    log_end: at,
                    high_watermark,
                    leader_epoch: epoch,
                    epochs: Vec::new(),
                    producers,
                    segments: Vec::new(),
                });
                let op = Op::ResetTo {
                    partition: self.at,
                    checkpoint,
                };
                self.cut_on_disk(permit, epoch, op);
                Ok(())
            }
        }
    }

    /// Verified batches from the leader, with the permits to write them.
    ///
    /// # Errors
    /// The reason to tell the leader.
    pub fn on_append(
        &self,
        header: &AppendHeader,
        batches: Vec<(BatchInfo, Bytes)>,
        permits: Vec<Permit>,
    ) -> Result<(), RefusedReason> {
        let limits = self.segment_limits();
        let infos: Vec<BatchInfo> = batches.iter().map(|(info, _)| *info).collect();
        let mut state = self.state.lock();
        let follower = state.role.follower_mut().ok_or(RefusedReason::NoSession)?;
        let before = follower.high_watermark();
        follower.on_append(header, &infos, limits)?;
        let high_watermark = follower.high_watermark();
        for ((info, bytes), permit) in batches.into_iter().zip(permits) {
            let op = Op::Append {
                partition: self.at,
                batch: bytes.clone(),
                info,
                high_watermark,
            };
            if let Err(error) =
                self.environment
                    .store
                    .submit(permit, token(header.leader_epoch), op)
            {
                tracing::error!(%error, "cannot write a batch that the log already counts, aborting");
                std::process::abort();
            }
            state.tail.push(TailBatch { info, bytes });
            self.environment.tail.note(self.at, &info);
        }
        self.follow_log_start(&mut state, header.log_start);
        drop(state);
        if high_watermark > before {
            self.fetchers.wake();
        }
        Ok(())
    }

    fn follow_log_start(&self, state: &mut State, leader_start: Offset) {
        let Some(follower) = state.role.follower_mut() else {
            return;
        };
        if let Some(start) = follower.allowed_start(leader_start) {
            let op = Op::AdvanceLogStart {
                partition: self.at,
                offset: start,
            };
            if self.submit_control(start.0.unsigned_abs(), op).is_ok() {
                follower.log_mut().advance_start(start);
            }
        }
    }

    /// Tells the leader how far this replica has come.
    pub(super) fn send_ack(&self, state: &State) {
        if let super::Role::Follower(follower) = &state.role
            && let Some(acked) = follower.acked()
            && let Some(outbox) = &state.acks
        {
            outbox.put(self.at, acked);
        }
    }

    /// Hands the cut that the kernel waits for to the writer.
    fn cut_on_disk(&self, permit: Permit, epoch: LeaderEpoch, op: Op) {
        if let Err(error) = self.environment.store.submit(permit, token(epoch), op) {
            tracing::error!(%error, "cannot cut a log that counts as cut, aborting");
            std::process::abort();
        }
    }

    /// Room for a step without data. The writer's queue has room of its own for these; if even that
    /// is full the leader is asked to begin again. It is counted in steps, not in bytes.
    fn control_permit(&self) -> Result<Permit, RefusedReason> {
        let permit = self.environment.store.try_reserve(Room::Control, 0);
        permit.map_err(|error| self.no_control(&error))
    }

    /// Hands a step without data to the writer, which may have no room: it is asked for again.
    pub(super) fn submit_control(&self, token: u64, op: Op) -> Result<(), RefusedReason> {
        let permit = self.control_permit()?;
        let submitted = self.environment.store.submit(permit, token, op);
        submitted.map_err(|error| self.no_control(&error))
    }

    fn no_control(&self, error: &holdfast_store::Error) -> RefusedReason {
        tracing::warn!(%error, partition = %self.at, "the writer takes no control step now");
        RefusedReason::Offline
    }

    pub(super) fn persist_epoch(&self, epoch: LeaderEpoch) {
        // Kept so that a restarted replica refuses old leaders at once; nothing depends on it.
        let op = Op::PutLeaderEpoch {
            partition: self.at,
            epoch,
        };
        if self.submit_control(token(epoch), op).is_err() {
            tracing::debug!(partition = %self.at, "leader epoch is written later");
        }
    }
}

fn follower_high_watermark(state: &State) -> Offset {
    state.role.log().known_high_watermark()
}
