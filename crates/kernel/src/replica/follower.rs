//! A replica that follows.

use holdfast_model::{
    BatchInfo, BrokerEpoch, LeaderEpoch, Offset, ProducerEntry, ReplicaId, invariant,
};

use super::message::{Acked, AppendHeader, Opened, RefusedReason, SessionId, Start};
use crate::log::{ReplicaLog, SegmentLimits};
use crate::planted::Planted;

/// A follower of one partition.
#[derive(Clone, Debug)]
pub struct Follower {
    replica: ReplicaId,
    broker_epoch: BrokerEpoch,
    log: ReplicaLog,
    high_watermark: Offset,
    session: Option<Session>,
    /// The newest conversation ever opened here: an Open that arrives twice or late begins nothing.
    newest: Option<(LeaderEpoch, SessionId)>,
    /// The log is being cut on disk. It outlives the conversation that asked for it: whoever comes
    /// next, leader or this replica's own leadership, waits until the log is read back.
    cutting: bool,
    /// The furthest end that was ever synced here; only for a planted bug.
    furthest_synced: Offset,
    planted: Planted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    id: SessionId,
    epoch: LeaderEpoch,
    state: SessionState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionState {
    /// Opened was answered; Start has not come.
    Opened,
    /// Start was taken, and its cut is under way: appends are refused until it is done.
    Cutting,
    /// Appends are welcome.
    Streaming,
}

/// What Start asks the disk to do before appends may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAction {
    /// Nothing: the log ends where the leader goes on.
    GoOn,
    /// Cut the log, read its state back, call `cut`.
    Truncate {
        /// The new log end.
        to: Offset,
    },
    /// Drop the log and begin at an offset with this producer state, then call `cut`.
    Reset {
        /// The new log start and end.
        at: Offset,
        /// Producer state at that offset.
        producers: Vec<ProducerEntry>,
    },
}

impl Follower {
    /// A follower with a log as it stands on disk or as it was left by a leadership.
    pub fn new(
        replica: ReplicaId,
        broker_epoch: BrokerEpoch,
        log: ReplicaLog,
        planted: Planted,
    ) -> Self {
        let high_watermark = log.known_high_watermark().min(log.log_end());
        Self {
            replica,
            broker_epoch,
            log,
            high_watermark,
            session: None,
            newest: None,
            cutting: false,
            furthest_synced: Offset::ZERO,
            planted,
        }
    }

    /// The log.
    pub fn log(&self) -> &ReplicaLog {
        &self.log
    }

    /// The log for retention and checkpoints.
    pub fn log_mut(&mut self) -> &mut ReplicaLog {
        &mut self.log
    }

    /// Gives the log to the next role.
    pub fn into_log(self) -> ReplicaLog {
        self.log
    }

    /// The high watermark as far as it is known here.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The open conversation.
    pub fn session(&self) -> Option<SessionId> {
        self.session.map(|session| session.id)
    }

    /// Learns from the image that an epoch exists: conversations of older ones end.
    pub fn fence(&mut self, epoch: LeaderEpoch) {
        self.log.accept_epoch(epoch);
        if self.session.is_some_and(|session| session.epoch < epoch) {
            self.session = None;
        }
    }

    /// Ends the conversation: this replica was away for a while, and whatever comes of it is late.
    pub fn interrupt(&mut self) {
        self.session = None;
    }

    /// A leader opens a conversation.
    pub fn on_open(
        &mut self,
        epoch: LeaderEpoch,
        session: SessionId,
    ) -> Result<Opened, RefusedReason> {
        if epoch < self.log.leader_epoch() {
            return Err(RefusedReason::Fenced(self.log.leader_epoch()));
        }
        // A conversation begins once: the answer to a late copy would meet an answer to the first,
        // and the leader would cut this log to where it stood long ago.
        if self.cutting || self.newest >= Some((epoch, session)) {
            return Err(RefusedReason::NoSession);
        }
        self.newest = Some((epoch, session));
        self.log.accept_epoch(epoch);
        self.session = Some(Session {
            id: session,
            epoch,
            state: SessionState::Opened,
        });
        Ok(Opened {
            session,
            leader_epoch: epoch,
            replica: self.replica,
            broker_epoch: self.broker_epoch,
            log_start: self.log.log_start(),
            log_end: self.log.log_end(),
            synced_end: self.log.synced_end(),
            epochs: self.log.epochs().recent().to_vec(),
        })
    }

    /// The leader says where to go on. Nothing that was below a high watermark is given up here:
    /// not even for a leader (`INV-KNOWN-HW-KEPT`).
    pub fn on_start(&mut self, start: &Start) -> Result<StartAction, RefusedReason> {
        self.check_session(start.session, start.leader_epoch, SessionState::Opened)?;
        if start.broker_epoch != self.broker_epoch {
            return Err(RefusedReason::NoSession);
        }
        let known = self.log.known_high_watermark();
        let from = if self.planted == Planted::TruncateToHighWatermark && !start.reset {
            self.high_watermark.min(start.from)
        } else {
            start.from
        };
        // A log that ends below what it knew (a lost tail) has nothing there to give up.
        let gives_up = from < known.min(self.log.log_end());
        if (gives_up || start.log_end < known) && self.planted != Planted::TruncateToHighWatermark {
            self.session = None;
            return Err(RefusedReason::BelowKnownHighWatermark(known));
        }
        let action = if start.reset {
            StartAction::Reset {
                at: start.from,
                producers: start.producers.clone(),
            }
        } else if from < self.log.log_end() {
            StartAction::Truncate { to: from }
        } else {
            StartAction::GoOn
        };
        match &action {
            StartAction::GoOn => self.set_state(SessionState::Streaming),
            StartAction::Truncate { to } => {
                invariant!(
                    "INV-KNOWN-HW-KEPT",
                    *to >= known.min(self.log.log_end()) || self.planted != Planted::None,
                    "truncation to {to} below {known}"
                );
                self.log.truncate_ends(*to);
                if self.planted == Planted::TruncationNotWritten {
                    self.set_state(SessionState::Streaming);
                    return Ok(StartAction::GoOn);
                }
                self.begin_cut();
            }
            StartAction::Reset { .. } => self.begin_cut(),
        }
        if action == StartAction::GoOn {
            self.take_high_watermark(start.high_watermark);
        }
        Ok(action)
    }

    /// The cut is on disk, and this is the log as read back. The conversation goes on, if it is
    /// still the same one.
    pub fn cut(&mut self, from_disk: ReplicaLog) {
        self.log.rebuilt(from_disk);
        self.cutting = false;
        self.high_watermark = self.high_watermark.min(self.log.log_end());
        if self
            .session
            .is_some_and(|session| session.state == SessionState::Cutting)
        {
            self.set_state(SessionState::Streaming);
        }
    }

    /// Whether the log is being cut on disk: nobody may read, append or take over the log meanwhile.
    pub fn is_cutting(&self) -> bool {
        self.cutting
    }

    /// Batches arrive, or a high watermark alone. On success the caller writes the batches and
    /// reports their sync with `on_synced`.
    pub fn on_append(
        &mut self,
        header: &AppendHeader,
        batches: &[BatchInfo],
        limits: SegmentLimits,
    ) -> Result<(), RefusedReason> {
        let known =
            self.check_session(header.session, header.leader_epoch, SessionState::Streaming);
        let any = self.planted == Planted::AppendOfAnyConversation && self.session.is_some();
        known.or_else(|refused| {
            if any && !self.cutting {
                Ok(())
            } else {
                Err(refused)
            }
        })?;
        if batches.is_empty() {
            if header.previous_end == self.log.log_end() {
                self.take_high_watermark(header.high_watermark);
            }
            return Ok(());
        }
        let empty = self.log.log_start() == self.log.log_end();
        let follows = header.previous_end == self.log.log_end()
            && (empty || header.previous_epoch == self.log.epochs().last());
        let mut end = header.previous_end;
        let ascending = batches.iter().enumerate().all(|(index, info)| {
            let goes_on = info.base_offset >= end || (index == 0 && self.log.holds_start(info));
            let fits = goes_on
                && info.last_offset >= info.base_offset.prev()
                && info.leader_epoch <= header.leader_epoch;
            end = info.end_offset();
            fits
        });
        if !follows || !ascending {
            self.session = None;
            return Err(RefusedReason::NotContiguous);
        }
        for info in batches {
            self.log.append(info, limits);
        }
        self.take_high_watermark(header.high_watermark);
        Ok(())
    }

    /// Everything up to `end` is synced; the answer for the leader, if a conversation is open.
    pub fn on_synced(&mut self, end: Offset) -> Option<Acked> {
        // A sync that was asked for before a truncation may report an end that is gone.
        self.log.synced(end.min(self.log.log_end()));
        self.furthest_synced = self.furthest_synced.max(self.log.synced_end());
        self.acked()
    }

    /// How far this replica has come.
    pub fn acked(&self) -> Option<Acked> {
        let session = self
            .session
            .filter(|open| open.state == SessionState::Streaming)?;
        let synced_end = match self.planted {
            Planted::AckBeforeSync => self.log.log_end(),
            Planted::SyncedOutlivesTruncation => self.furthest_synced.min(self.log.log_end()),
            _ => self.log.synced_end(),
        };
        Some(Acked {
            session: session.id,
            leader_epoch: session.epoch,
            replica: self.replica,
            broker_epoch: self.broker_epoch,
            log_end: self.log.log_end(),
            synced_end,
            log_start: self.log.synced_start(),
        })
    }

    /// The leader's log start, clamped to what this replica may drop.
    pub fn allowed_start(&self, leader_start: Offset) -> Option<Offset> {
        let start = leader_start.min(self.high_watermark);
        (start > self.log.log_start()).then_some(start)
    }

    fn take_high_watermark(&mut self, high_watermark: Offset) {
        self.high_watermark = self
            .high_watermark
            .max(high_watermark.min(self.log.log_end()));
        self.log.learn_high_watermark(self.high_watermark);
    }

    fn check_session(
        &mut self,
        id: SessionId,
        epoch: LeaderEpoch,
        wanted: SessionState,
    ) -> Result<(), RefusedReason> {
        if epoch < self.log.leader_epoch() {
            return Err(RefusedReason::Fenced(self.log.leader_epoch()));
        }
        match self.session {
            Some(session)
                if session.id == id && session.epoch == epoch && session.state == wanted =>
            {
                Ok(())
            }
            _ => Err(RefusedReason::NoSession),
        }
    }

    fn begin_cut(&mut self) {
        self.cutting = true;
        self.set_state(SessionState::Cutting);
    }

    fn set_state(&mut self, state: SessionState) {
        if let Some(session) = &mut self.session {
            session.state = state;
        }
    }
}
