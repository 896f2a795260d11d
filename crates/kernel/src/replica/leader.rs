//! A replica that leads.

mod isr;
mod progress;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::{
    BatchInfo, BrokerEpoch, BrokerId, LeaderEpoch, Monotonic, Offset, ReplicaId, invariant,
};

pub use progress::Progress;

use super::lag::EndMarks;
use super::message::{Acked, AppendHeader, Opened, RefusedReason, SessionId, Start};
use super::view::PartitionView;
use crate::log::epochs::{Agreement, LogRange};
use crate::log::{ReplicaLog, SegmentLimits, SequenceCheck};
use crate::planted::Planted;
use isr::IsrState;

/// What a leader is told when it takes over.
#[derive(Clone, Copy, Debug)]
pub struct LeaderOptions {
    /// Its own disk.
    pub replica: ReplicaId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// A follower that was not caught up for so long leaves the ISR.
    pub lag_max: Duration,
    /// For tests of the tests.
    pub planted: Planted,
}

/// The leader of one partition in one epoch.
#[derive(Clone, Debug)]
pub struct Leader {
    options: LeaderOptions,
    epoch: LeaderEpoch,
    epoch_start: Offset,
    log: ReplicaLog,
    high_watermark: Offset,
    isr: IsrState,
    followers: BTreeMap<BrokerId, Progress>,
    marks: EndMarks,
    began: Monotonic,
}

/// What to do about a follower that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRefusal {
    /// The refusal belongs to an old conversation.
    Ignore,
    /// Open another conversation.
    Reopen,
    /// This leadership is over: a newer epoch exists.
    StepBack(LeaderEpoch),
    /// The follower cannot follow; a human must see it.
    Alarm,
}

impl Leader {
    /// Takes over in the epoch of the view. The log end becomes the start of the epoch.
    pub fn new(
        options: LeaderOptions,
        log: ReplicaLog,
        view: &PartitionView,
        now: Monotonic,
    ) -> Self {
        let mut log = log;
        log.accept_epoch(view.leader_epoch);
        let high_watermark = log.known_high_watermark().min(log.log_end());
        let mut leader = Self {
            epoch: view.leader_epoch,
            epoch_start: log.log_end(),
            marks: EndMarks::new(now, log.log_end()),
            high_watermark,
            isr: IsrState::new(view),
            followers: BTreeMap::new(),
            began: now,
            log,
            options,
        };
        leader.advance();
        leader
    }

    /// The leadership.
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// The log end at which it began.
    pub fn epoch_start(&self) -> Offset {
        self.epoch_start
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

    /// Everything before it is acknowledged and visible.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Whether the high watermark has reached the epoch's start, so that it is exact (KIP-207).
    pub fn is_settled(&self) -> bool {
        self.high_watermark >= self.epoch_start
    }

    /// What is known of a follower.
    pub fn follower(&self, broker: BrokerId) -> Option<&Progress> {
        self.followers.get(&broker)
    }

    /// The disks of the committed ISR.
    pub fn committed_isr(&self) -> &[ReplicaId] {
        self.isr.committed()
    }

    /// Whether its log alone decides what is committed: nobody else is in the ISR, nor in a change
    /// in flight, so that nobody else can be elected either.
    pub fn stands_alone(&self) -> bool {
        let maximal = self.isr.maximal();
        maximal.iter().all(|member| *member == self.options.replica)
    }

    /// Whether the committed ISR has enough countable members for acks=all.
    pub fn has_min_isr(&self) -> bool {
        self.isr.countable(self.options.planted) >= self.isr.min_isr()
    }

    /// Checks a client's batch against its producer's history.
    pub fn check(&self, info: &BatchInfo) -> SequenceCheck {
        let found = self.log.producers().check(info);
        match found {
            SequenceCheck::Duplicate { last_offset, .. }
                if self.options.planted == Planted::ProducersGoWithTheStart
                    && last_offset < self.log.log_start() =>
            {
                SequenceCheck::Next
            }
            _ => found,
        }
    }

    /// Whether a batch that ends before `end` is safe, so that an `acks=all` producer is answered now. One
    /// that was found instead of appended, because it came a second time, is safe no sooner than the first.
    pub fn is_safe(&self, end: Offset, repeated: bool) -> bool {
        let early = repeated && self.options.planted == Planted::DuplicateAnsweredEarly;
        self.high_watermark >= end || early
    }

    /// Gives a batch its offsets and epoch and takes it in. The caller must write and replicate
    /// exactly this batch, or stop the process: the offsets are spent.
    pub fn append(&mut self, info: BatchInfo, limits: SegmentLimits, now: Monotonic) -> BatchInfo {
        let base_offset = self.log.log_end();
        // Before the batch: whoever has synced what was there before was caught up until now.
        self.marks.note(now, base_offset);
        let span = info.last_offset.0 - info.base_offset.0;
        let placed = BatchInfo {
            base_offset,
            last_offset: Offset(base_offset.0 + span),
            leader_epoch: self.epoch,
            ..info
        };
        self.log.append(&placed, limits);
        placed
    }

    /// The leader's own disk has synced up to `end`. True if the high watermark moved.
    pub fn on_synced(&mut self, end: Offset) -> bool {
        self.log.synced(end);
        self.advance()
    }

    /// A conversation begins; older ones of that broker are forgotten. None if the broker holds no
    /// replica or is not registered.
    pub fn open(&mut self, broker: BrokerId, session: SessionId) -> Option<LeaderEpoch> {
        let view = self.isr.replica(broker)?;
        let before = self.followers.get(&broker);
        let last_caught_up = before.map_or(self.began, |old| old.last_caught_up);
        self.followers.insert(
            broker,
            Progress::opening(view.replica, view.broker_epoch, session, last_caught_up),
        );
        Some(self.epoch)
    }

    /// A follower says where its log stands; the answer says where it goes on. None if the answer
    /// belongs to no current conversation, or to a registration that this broker has not seen yet:
    /// the conversation is opened again later.
    pub fn on_opened(&mut self, opened: &Opened, now: Monotonic) -> Option<Start> {
        let mine = LogRange {
            start: self.log.log_start(),
            end: self.log.log_end(),
        };
        let progress = self.followers.get_mut(&opened.replica.broker)?;
        let current = progress.is(opened.replica, opened.broker_epoch, opened.session)
            && opened.leader_epoch == self.epoch;
        if !current {
            return None;
        }
        let theirs = LogRange {
            start: opened.log_start,
            end: opened.log_end,
        };
        let agreement = self.log.epochs().agreement(mine, &opened.epochs, theirs);
        let (from, reset) = match agreement {
            Agreement::UpTo(offset) if offset >= mine.start => (offset.min(theirs.end), false),
            _ => (mine.start, true),
        };
        // A log that begins anew has nothing until the follower says that it has begun: counted
        // before, it could join with its old end, below everything that was committed and deleted.
        let synced = if reset {
            Offset::ZERO
        } else {
            opened.synced_end.min(from)
        };
        progress.stream_from(from, synced, now);
        Some(Start {
            session: opened.session,
            leader_epoch: self.epoch,
            broker_epoch: opened.broker_epoch,
            from,
            reset,
            producers: if reset {
                self.log.producers().entries_before(from)
            } else {
                Vec::new()
            },
            high_watermark: self.high_watermark,
            log_start: self.log.log_start(),
            log_end: self.log.log_end(),
        })
    }

    /// What goes before batches that begin at `from`.
    pub fn header(&self, broker: BrokerId, from: Offset) -> Option<AppendHeader> {
        let progress = self
            .followers
            .get(&broker)
            .filter(|progress| progress.is_streaming())?;
        Some(AppendHeader {
            session: progress.session,
            leader_epoch: self.epoch,
            previous_end: from,
            previous_epoch: self.log.epochs().epoch_at(from.prev()),
            high_watermark: self.high_watermark,
            log_start: self.log.log_start(),
        })
    }

    /// A follower reports progress. True if the high watermark moved. Anything that is not of the
    /// current epoch, conversation, disk and registration counts for nothing.
    pub fn on_acked(&mut self, acked: &Acked, now: Monotonic) -> bool {
        if acked.leader_epoch != self.epoch || acked.log_end > self.log.log_end() {
            return false;
        }
        let log_end = self.log.log_end();
        let Some(progress) = self.followers.get_mut(&acked.replica.broker) else {
            return false;
        };
        let current = progress.is(acked.replica, acked.broker_epoch, acked.session)
            || self.options.planted == Planted::AckOfAnyConversation;
        if !current || !progress.is_streaming() {
            return false;
        }
        progress.acked(acked);
        if let Some(at) = self.marks.caught_up_at(progress.synced_end, log_end, now) {
            progress.last_caught_up = progress.last_caught_up.max(at);
        }
        self.advance()
    }

    /// When each follower's broker was last heard: whoever holds everything was caught up then, though there
    /// was nothing to acknowledge.
    pub fn on_heard(&mut self, heard: &BTreeMap<BrokerId, Monotonic>) {
        let log_end = self.log.log_end();
        for (broker, progress) in &mut self.followers {
            if let Some(at) = heard.get(broker)
                && progress.is_streaming()
                && progress.synced_end >= log_end
            {
                progress.last_caught_up = progress.last_caught_up.max(*at);
            }
        }
    }

    /// A follower refuses.
    pub fn on_refused(
        &mut self,
        broker: BrokerId,
        session: SessionId,
        reason: RefusedReason,
    ) -> AfterRefusal {
        if self
            .followers
            .get(&broker)
            .is_none_or(|progress| progress.session != session)
        {
            return AfterRefusal::Ignore;
        }
        self.close(broker);
        match reason {
            RefusedReason::Fenced(epoch) if epoch > self.epoch => AfterRefusal::StepBack(epoch),
            RefusedReason::BelowKnownHighWatermark(_) => AfterRefusal::Alarm,
            RefusedReason::Fenced(_)
            | RefusedReason::NoSession
            | RefusedReason::NotContiguous
            | RefusedReason::UnknownPartition
            | RefusedReason::Offline => AfterRefusal::Reopen,
        }
    }

    /// The conversation with a follower is broken; what it had synced is still synced, but only a
    /// new conversation can say so.
    pub fn close(&mut self, broker: BrokerId) {
        if let Some(progress) = self.followers.get_mut(&broker) {
            progress.close();
        }
    }

    /// The oldest synced log start among the ISR: what DeleteRecords waits for and answers.
    pub fn low_watermark(&self) -> Offset {
        self.isr
            .committed()
            .iter()
            .filter(|member| **member != self.options.replica)
            .map(|member| {
                self.current_progress(*member)
                    .map_or(Offset::ZERO, |progress| progress.log_start)
            })
            .fold(self.log.synced_start(), Offset::min)
    }

    /// For how long this leader's own disk has not kept up with its log.
    fn own_lag(&self, now: Monotonic) -> Duration {
        let caught_up = self
            .marks
            .caught_up_at(self.log.synced_end(), self.log.log_end(), now);
        now.since(caught_up.unwrap_or(self.began))
    }

    /// Whether another should lead: this leader's own disk has not kept up for longer than the lag
    /// limit, while another member of the ISR has. Where everybody is slow, nobody gains.
    pub fn should_resign(&self, now: Monotonic) -> bool {
        self.own_lag(now) > self.options.lag_max
            && self.isr.committed().iter().any(|member| {
                let countable = self.isr.replica(member.broker).is_some_and(|v| v.countable);
                *member != self.options.replica && countable && !self.is_lagging(*member, now)
            })
    }

    fn current_progress(&self, member: ReplicaId) -> Option<&Progress> {
        let view = self.isr.replica(member.broker)?;
        self.followers.get(&member.broker).filter(|progress| {
            progress.replica == member
                && progress.broker_epoch == view.broker_epoch
                && progress.is_streaming()
        })
    }

    fn synced_of(&self, member: ReplicaId) -> Offset {
        if member == self.options.replica {
            return if self.options.planted == Planted::AckBeforeSync {
                self.log.log_end()
            } else {
                self.log.synced_end()
            };
        }
        self.current_progress(member)
            .map_or(Offset::ZERO, |progress| progress.synced_end)
    }

    /// Moves the high watermark to the smallest synced end of the maximal ISR, if the committed ISR
    /// has its minimum.
    fn advance(&mut self) -> bool {
        if !self.has_min_isr() {
            return false;
        }
        let skipped = |member: &ReplicaId| {
            let view = self.isr.replica(member.broker);
            self.options.planted == Planted::FencedMembersSkipped
                && view.is_some_and(|view| !view.countable)
        };
        let mut ends: Vec<Offset> = self
            .isr
            .maximal()
            .iter()
            .filter(|member| !skipped(member))
            .map(|member| self.synced_of(*member))
            .collect();
        ends.sort_unstable();
        let reached = if self.options.planted == Planted::AckByMinIsr {
            let counted = self.isr.min_isr().clamp(1, ends.len().max(1));
            ends.get(ends.len().saturating_sub(counted)).copied()
        } else {
            ends.first().copied()
        };
        let Some(reached) = reached.filter(|end| *end > self.high_watermark) else {
            return false;
        };
        if self.options.planted == Planted::None {
            invariant!(
                "INV-HW-SYNCED",
                self.isr
                    .maximal()
                    .iter()
                    .all(|member| self.synced_of(*member) >= reached),
                "{reached}"
            );
            invariant!("INV-HW-MIN-ISR", self.has_min_isr());
        }
        invariant!("INV-HW-MONOTONE", reached >= self.high_watermark);
        self.high_watermark = reached;
        self.log.learn_high_watermark(reached);
        true
    }
}
