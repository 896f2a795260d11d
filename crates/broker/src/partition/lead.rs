//! The leader's side of replication: what each follower gets next, and what its answers move.

use holdfast_kernel::replica::leader::AfterRefusal;
use holdfast_kernel::replica::{
    Acked, AppendHeader, IsrProposal, Opened, PartitionView, RefusedReason, SessionId, Start,
};
use holdfast_model::{BrokerId, ErrorCode, LeaderEpoch, Offset};

use super::role::{Answers, Role};
use super::{Partition, State, TailBatch};

/// A wish for another ISR, for the controller.
pub type Proposal = (holdfast_model::TopicPartition, IsrProposal);

/// Where the stream to one follower stands.
#[derive(Clone, Debug, Default)]
pub(super) struct SendState {
    /// The conversation, and the connection on which it was opened.
    session: Option<(SessionId, u64)>,
    /// The answer to Opened, until it is sent: it goes before every append.
    start: Option<Box<Start>>,
    streaming: bool,
    /// The offset that the follower gets next.
    next: Offset,
    high_watermark_sent: Offset,
    log_start_sent: Offset,
    catching_up: bool,
}

/// What a follower gets next.
#[derive(Clone, Debug)]
pub enum NextAppend {
    /// A conversation begins.
    Open {
        /// The leadership.
        epoch: LeaderEpoch,
        /// The conversation.
        session: SessionId,
    },
    /// From where the follower goes on.
    Start(Box<Start>),
    /// Batches, or a high watermark alone.
    Append {
        /// What goes before the batches.
        header: AppendHeader,
        /// The batches.
        batches: Vec<TailBatch>,
        /// Whether there is more already.
        more: bool,
    },
    /// The tail does not reach back far enough: the disk must be read.
    CatchUp,
    /// Nothing now.
    Nothing,
}

impl Partition {
    /// Brings the list of followers in line with the view and has their streams look.
    pub(super) fn update_senders(&self, state: &mut State, view: &PartitionView) {
        let me = self.environment.replica.broker;
        state
            .senders
            .retain(|broker, _| view.replica(*broker).is_some());
        for replica in view
            .replicas
            .iter()
            .filter(|replica| replica.replica.broker != me)
        {
            let broker = replica.replica.broker;
            let sender = state.senders.entry(broker).or_default();
            // The kernel forgets a follower that registered anew; its stream starts over.
            let known = state
                .role
                .leader()
                .is_some_and(|l| l.follower(broker).is_some());
            if !known {
                *sender = SendState::default();
            }
            self.environment.peers.queue(broker, self.at);
        }
        self.environment.work.isr.add(self.at);
    }

    /// Has the streams to all followers look here.
    pub(super) fn queue_senders(&self, state: &mut State) {
        for broker in state.senders.keys() {
            self.environment.peers.queue(*broker, self.at);
        }
    }

    /// What a follower gets next on the connection `link`, at most about `max_bytes`.
    pub fn next_append(&self, broker: BrokerId, link: u64, max_bytes: usize) -> NextAppend {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.deposed {
            return NextAppend::Nothing;
        }
        let Role::Leader(leader) = &mut state.role else {
            return NextAppend::Nothing;
        };
        let Some(sender) = state.senders.get_mut(&broker) else {
            return NextAppend::Nothing;
        };
        if sender
            .session
            .is_none_or(|(_, opened_on)| opened_on != link)
        {
            let session = self.environment.peers.next_session();
            let Some(epoch) = leader.open(broker, session) else {
                return NextAppend::Nothing;
            };
            *sender = SendState {
                session: Some((session, link)),
                ..SendState::default()
            };
            return NextAppend::Open { epoch, session };
        }
        if let Some(start) = sender.start.take() {
            self.environment.peers.queue(broker, self.at);
            return NextAppend::Start(start);
        }
        if !sender.streaming || sender.catching_up {
            return NextAppend::Nothing;
        }
        let log_end = leader.log().log_end();
        let Some(header) = leader.header(broker, sender.next) else {
            return NextAppend::Nothing;
        };
        if sender.next >= log_end {
            let news = header.high_watermark > sender.high_watermark_sent
                || header.log_start > sender.log_start_sent;
            if !news {
                return NextAppend::Nothing;
            }
            sender.note_sent(&header, sender.next);
            return NextAppend::Append {
                header,
                batches: Vec::new(),
                more: false,
            };
        }
        let Some(batches) = state.tail.read(sender.next, log_end, max_bytes) else {
            sender.catching_up = true;
            return NextAppend::CatchUp;
        };
        let end = batches
            .last()
            .map_or(sender.next, |batch| batch.info.end_offset());
        sender.note_sent(&header, end);
        NextAppend::Append {
            header,
            batches,
            more: end < log_end,
        }
    }

    /// The next piece of a catch-up from the disk: what goes before it and where the disk is read.
    /// None if there is none any more: the tail reaches back far enough, or the conversation ended.
    pub fn catch_up_from(&self, broker: BrokerId) -> Option<(AppendHeader, Offset)> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let leader = state.role.leader()?;
        let sender = state.senders.get_mut(&broker)?;
        if !sender.streaming || !sender.catching_up {
            return None;
        }
        if sender.next >= state.tail.start() {
            sender.catching_up = false;
            self.environment.peers.queue(broker, self.at);
            return None;
        }
        Some((leader.header(broker, sender.next)?, state.tail.start()))
    }

    /// Whether a follower is being brought up from the disk.
    pub fn is_catching_up(&self, broker: BrokerId) -> bool {
        let state = self.state.lock();
        let sender = state.senders.get(&broker);
        sender.is_some_and(|sender| sender.catching_up)
    }

    /// A piece of a catch-up was sent in a conversation.
    pub fn caught_up_to(&self, broker: BrokerId, header: &AppendHeader, end: Offset) {
        let mut state = self.state.lock();
        if let Some(sender) = state.senders.get_mut(&broker)
            && sender
                .session
                .is_some_and(|(session, _)| session == header.session)
        {
            sender.note_sent(header, end);
        }
    }

    /// How far a follower's log reaches in the present conversation, if it streams.
    pub fn follower_end(&self, broker: BrokerId) -> Option<(SessionId, Offset)> {
        let state = self.state.lock();
        let progress = state.role.leader()?.follower(broker)?;
        progress
            .is_streaming()
            .then_some((progress.session, progress.log_end))
    }

    /// A follower says where its log stands; the answer is queued.
    pub fn on_opened(&self, opened: &Opened) {
        let now = self.environment.clock.monotonic();
        let broker = opened.replica.broker;
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(leader) = state.role.leader_mut() else {
            return;
        };
        let Some(sender) = state.senders.get_mut(&broker) else {
            return;
        };
        if sender
            .session
            .is_none_or(|(session, _)| session != opened.session)
        {
            return;
        }
        let Some(start) = leader.on_opened(opened, now) else {
            // A registration that the image does not show here yet: begin again with the next one.
            sender.session = None;
            self.environment.peers.queue_later(broker, self.at);
            return;
        };
        sender.next = start.from;
        sender.streaming = true;
        sender.high_watermark_sent = start.high_watermark;
        sender.log_start_sent = start.log_start;
        sender.start = Some(Box::new(start));
        self.environment.peers.queue(broker, self.at);
    }

    /// A follower reports progress.
    pub fn on_acked(&self, acked: &Acked) {
        let now = self.environment.clock.monotonic();
        let mut answers = Answers::new();
        {
            let mut state = self.state.lock();
            let Some(leader) = state.role.leader_mut() else {
                return;
            };
            let moved = leader.on_acked(acked, now);
            let outside = !leader.committed_isr().contains(&acked.replica);
            if outside && leader.pending().is_none() {
                self.environment.work.isr.add(self.at);
            }
            if moved {
                self.after_advance(&mut state, &mut answers);
            }
        }
        Self::finish(answers);
    }

    /// A follower refuses.
    pub fn on_refused(&self, broker: BrokerId, session: SessionId, reason: RefusedReason) {
        let mut answers = Answers::new();
        self.take_refusal(broker, session, reason, &mut answers);
        Self::finish(answers);
    }

    fn take_refusal(
        &self,
        broker: BrokerId,
        session: SessionId,
        reason: RefusedReason,
        answers: &mut Answers,
    ) {
        let mut state = self.state.lock();
        let Some(leader) = state.role.leader_mut() else {
            return;
        };
        match leader.on_refused(broker, session, reason) {
            AfterRefusal::Ignore => return,
            AfterRefusal::Reopen => {}
            AfterRefusal::StepBack(epoch) => {
                // The image will say who leads; until then nothing can be acknowledged, because
                // this follower accepts nothing more. Its stream opens again with the next role.
                state.deposed = true;
                self.send_away(&mut state, answers);
                tracing::info!(
                    topic = %self.topic_name, partition = self.at.partition, %epoch,
                    "a follower knows a newer leader"
                );
                return;
            }
            AfterRefusal::Alarm => tracing::error!(
                topic = %self.topic_name, partition = self.at.partition, %broker, ?reason,
                "a follower holds acknowledged records that this leader lacks"
            ),
        }
        if let Some(sender) = state.senders.get_mut(&broker) {
            *sender = SendState::default();
        }
        self.environment.peers.queue_later(broker, self.at);
    }

    /// The connection to a follower is gone.
    pub fn link_lost(&self, broker: BrokerId) {
        let mut state = self.state.lock();
        if let Some(leader) = state.role.leader_mut() {
            leader.close(broker);
        }
        if let Some(sender) = state.senders.get_mut(&broker) {
            *sender = SendState::default();
        }
    }

    /// The ISR that this leader wishes: a new wish, or the one in flight again.
    pub fn propose_isr(&self) -> Option<Proposal> {
        let now = self.environment.clock.monotonic();
        let mut state = self.state.lock();
        let leader = state.role.leader_mut()?;
        let proposal = match leader.pending() {
            Some(pending) => pending.clone(),
            None => leader.propose(now)?,
        };
        Some((self.at, proposal))
    }

    /// The controller refused the wish in flight for good.
    pub fn isr_refused(&self) {
        if let Some(leader) = self.state.lock().role.leader_mut() {
            leader.on_refused_proposal();
        }
    }

    /// The high watermark moved: whoever waited for it is answered.
    pub(super) fn after_advance(&self, state: &mut State, answers: &mut Answers) {
        let Some(leader) = state.role.leader() else {
            return;
        };
        let (epoch, high_watermark) = (leader.epoch(), leader.high_watermark());
        let done = state.committed.reached(epoch, high_watermark);
        answers.extend(done.into_iter().map(|waiter| (waiter, ErrorCode::None)));
        for broker in state.senders.keys() {
            self.environment.peers.queue_later(*broker, self.at);
        }
        self.fetchers.wake();
    }
}

impl SendState {
    fn note_sent(&mut self, header: &AppendHeader, end: Offset) {
        self.next = end;
        self.high_watermark_sent = header.high_watermark;
        self.log_start_sent = header.log_start;
    }
}
