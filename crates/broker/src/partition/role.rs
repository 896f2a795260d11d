//! Leading, following, or neither; and how the cluster image moves a replica between them.

use holdfast_kernel::log::ReplicaLog;
use holdfast_kernel::planted::Planted;
use holdfast_kernel::replica::{Follower, Leader, LeaderOptions, PartitionView, RefusedReason};
use holdfast_model::internal_topic::is_internal;
use holdfast_model::{BrokerEpoch, ErrorCode, LeaderEpoch, Offset, ReplicaId};

use super::{Partition, ProduceWaiter, State};
use crate::replication::message::{Item, Refused};

/// What this replica does.
#[derive(Debug)]
pub enum Role {
    /// Nothing yet: the broker has not registered, or the image does not name this replica.
    Idle(Box<ReplicaLog>),
    /// Leads.
    Leader(Box<Leader>),
    /// Follows.
    Follower(Box<Follower>),
    /// Serves nothing: damaged, or it refused a leader that lacks acknowledged records.
    Offline {
        /// What it did before, kept as it was: a leader goes on as the same leader, with what it had
        /// under way, or not at all.
        kept: Box<Role>,
        /// Why, in words for a person.
        reason: String,
        /// Its bytes are damaged: it comes back once they are mended.
        damaged: bool,
    },
}

impl Role {
    /// The log, whatever the role.
    pub fn log(&self) -> &ReplicaLog {
        match self {
            Self::Idle(log) => log,
            Self::Leader(leader) => leader.log(),
            Self::Follower(follower) => follower.log(),
            Self::Offline { kept, .. } => kept.log(),
        }
    }

    /// The log for changes that do not depend on the role.
    pub fn log_mut(&mut self) -> &mut ReplicaLog {
        match self {
            Self::Idle(log) => log,
            Self::Leader(leader) => leader.log_mut(),
            Self::Follower(follower) => follower.log_mut(),
            Self::Offline { kept, .. } => kept.log_mut(),
        }
    }

    /// Takes the role out and leaves an idle one behind.
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Idle(Box::new(ReplicaLog::empty())))
    }

    /// Takes the log out and leaves an idle role behind.
    pub(super) fn take_log(&mut self) -> ReplicaLog {
        match self.take() {
            Self::Idle(log) => *log,
            Self::Leader(leader) => leader.into_log(),
            Self::Follower(follower) => follower.into_log(),
            Self::Offline { mut kept, .. } => kept.take_log(),
        }
    }

    /// The leader, if this replica leads.
    pub fn leader(&self) -> Option<&Leader> {
        match self {
            Self::Leader(leader) => Some(leader),
            Self::Idle(_) | Self::Follower(_) | Self::Offline { .. } => None,
        }
    }

    /// The leader for a change.
    pub(super) fn leader_mut(&mut self) -> Option<&mut Leader> {
        match self {
            Self::Leader(leader) => Some(leader),
            Self::Idle(_) | Self::Follower(_) | Self::Offline { .. } => None,
        }
    }

    /// The follower for a change.
    pub(super) fn follower_mut(&mut self) -> Option<&mut Follower> {
        match self {
            Self::Follower(follower) => Some(follower),
            Self::Idle(_) | Self::Leader(_) | Self::Offline { .. } => None,
        }
    }

    /// The high watermark that this replica may serve to.
    pub fn high_watermark(&self) -> Offset {
        match self {
            Self::Leader(leader) => leader.high_watermark(),
            Self::Follower(follower) => follower.high_watermark(),
            Self::Idle(_) | Self::Offline { .. } => {
                let log = self.log();
                log.known_high_watermark().min(log.log_end())
            }
        }
    }
}

/// Waiters to be answered once the lock is released.
pub(super) type Answers = Vec<(ProduceWaiter, ErrorCode)>;

impl Partition {
    /// The image shows this partition as `view`.
    pub fn apply_view(&self, view: PartitionView) {
        let Some(registration) = self.environment.broker_epoch() else {
            return;
        };
        let mut answers = Answers::new();
        {
            let mut state = self.state.lock();
            let older = state
                .view
                .as_ref()
                .is_some_and(|known| known.partition_epoch > view.partition_epoch);
            if state.deleted || older {
                return;
            }
            self.count_isr_change(&state, &view);
            state.view = Some(view);
            self.reconcile(&mut state, registration, &mut answers);
        }
        Self::finish(answers);
    }

    /// Counts members that came or went under this replica's own leadership.
    fn count_isr_change(&self, state: &State, next: &PartitionView) {
        let epoch = state.role.leader().map(Leader::epoch);
        let before = state.view.as_ref().map_or(&[][..], |view| &view.isr);
        if epoch != Some(next.leader_epoch) {
            return;
        }
        let lacking = |from: &[ReplicaId], of: &[ReplicaId]| {
            of.iter().filter(|member| !from.contains(member)).count() as u64
        };
        let metrics = &self.environment.metrics;
        metrics.isr_shrinks.inc_by(lacking(&next.isr, before));
        metrics.isr_expansions.inc_by(lacking(before, &next.isr));
    }

    /// Brings the role in line with the newest view; called again after a cut.
    pub(super) fn reconcile(
        &self,
        state: &mut State,
        registration: BrokerEpoch,
        answers: &mut Answers,
    ) {
        let Some(view) = state.view.clone() else {
            return;
        };
        let me = self.environment.replica.broker;
        let leads = view.leads(me, registration, state.role.log());
        match &mut state.role {
            Role::Offline { .. } => {}
            Role::Leader(leader) if leads && leader.epoch() == view.leader_epoch => {
                if leader.on_view(&view) {
                    self.after_advance(state, answers);
                }
                self.update_senders(state, &view);
            }
            Role::Follower(follower) if follower.is_cutting() => follower.fence(view.leader_epoch),
            Role::Idle(_) | Role::Leader(_) | Role::Follower(_) if leads => {
                self.lead(state, &view, registration, answers);
            }
            Role::Follower(follower) => follower.fence(view.leader_epoch),
            Role::Idle(_) | Role::Leader(_) => {
                self.follow(state, view.leader_epoch, registration, answers);
            }
        }
    }

    fn lead(
        &self,
        state: &mut State,
        view: &PartitionView,
        registration: BrokerEpoch,
        answers: &mut Answers,
    ) {
        let options = LeaderOptions {
            replica: self.environment.replica,
            broker_epoch: registration,
            lag_max: self.environment.lag_max,
            planted: Planted::None,
        };
        let now = self.environment.clock.monotonic();
        let log = state.role.take_log();
        let leader = Leader::new(options, log, view, now);
        tracing::info!(
            topic = %self.topic_name, partition = self.at.partition, epoch = %view.leader_epoch,
            log_end = %leader.epoch_start(), "leads"
        );
        state.role = Role::Leader(Box::new(leader));
        state.deposed = false;
        self.change_epoch(state, view.leader_epoch, answers);
        self.persist_epoch(view.leader_epoch);
        state.senders.clear();
        self.update_senders(state, view);
    }

    pub(super) fn follow(
        &self,
        state: &mut State,
        epoch: LeaderEpoch,
        registration: BrokerEpoch,
        answers: &mut Answers,
    ) {
        let log = state.role.take_log();
        let replica = self.environment.replica;
        let mut follower = Follower::new(replica, registration, log, Planted::None);
        follower.fence(epoch);
        state.role = Role::Follower(Box::new(follower));
        state.deposed = false;
        state.senders.clear();
        self.change_epoch(state, epoch, answers);
    }

    fn change_epoch(&self, state: &mut State, epoch: LeaderEpoch, answers: &mut Answers) {
        let failed = state.committed.change_epoch(epoch);
        let failed = failed.into_iter().chain(state.synced.change_epoch(epoch));
        answers.extend(failed.map(|waiter| (waiter, ErrorCode::NotLeaderOrFollower)));
        // Readers find out whom to ask now.
        self.fetchers.wake();
        if is_internal(&self.topic_name) {
            self.environment.work.roles.add(self.at);
        }
    }

    /// Answers waiters; the lock is not held.
    pub(super) fn finish(answers: Answers) {
        for (waiter, code) in answers {
            waiter.finish(code);
        }
    }

    /// This replica serves nothing any more; its data stays as it is.
    pub fn take_offline(&self, reason: &str) {
        self.go_offline(reason, false);
    }

    pub(super) fn go_offline(&self, reason: &str, damaged: bool) {
        let mut answers = Answers::new();
        {
            let mut state = self.state.lock();
            if matches!(state.role, Role::Offline { .. }) {
                return;
            }
            tracing::error!(
                topic = %self.topic_name, partition = self.at.partition, reason,
                "replica is offline"
            );
            self.tell_leader_offline(&state);
            let kept = Box::new(state.role.take());
            state.role = Role::Offline {
                kept,
                reason: reason.to_owned(),
                damaged,
            };
            state.senders.clear();
            self.change_epoch(&mut state, LeaderEpoch::UNKNOWN, &mut answers);
        }
        self.environment.metrics.replicas_taken_offline.inc();
        self.environment.work.resign.add(self.at);
        Self::finish(answers);
    }

    /// This replica is whole again: it goes on where it stopped.
    pub(super) fn come_back(&self) {
        let Some(registration) = self.environment.broker_epoch() else {
            return;
        };
        let mut answers = Answers::new();
        {
            let mut state = self.state.lock();
            state.role = match state.role.take() {
                Role::Offline { kept, .. } => *kept,
                role @ (Role::Idle(_) | Role::Leader(_) | Role::Follower(_)) => role,
            };
            if let Role::Follower(follower) = &mut state.role {
                follower.interrupt();
            }
            let epoch = match (&state.role, &state.view) {
                (Role::Leader(leader), _) => leader.epoch(),
                (_, Some(view)) => view.leader_epoch,
                (_, None) => LeaderEpoch::UNKNOWN,
            };
            self.change_epoch(&mut state, epoch, &mut answers);
            self.reconcile(&mut state, registration, &mut answers);
        }
        Self::finish(answers);
    }

    /// Ends the conversation with the leader: a log to which nobody appends would stay in sync.
    fn tell_leader_offline(&self, state: &State) {
        if let Role::Follower(follower) = &state.role
            && let Some(session) = follower.session()
            && let Some(outbox) = &state.acks
        {
            let reason = RefusedReason::Offline;
            outbox.reply(Item::Refused(self.at, Refused { session, reason }));
        }
    }

    /// This broker hears from nobody: whoever waits for others is sent to look for another leader.
    /// What they sent stays in the log; it is committed or cut once the others are heard again.
    pub fn step_aside(&self) {
        let mut answers = Answers::new();
        self.send_away(&mut self.state.lock(), &mut answers);
        Self::finish(answers);
    }

    /// Fails whoever waits for others, if this replica stands aside.
    pub(super) fn send_away(&self, state: &mut State, answers: &mut Answers) {
        if self.stands_aside(state) {
            let waiting = state.committed.give_up().into_iter();
            answers.extend(waiting.map(|waiter| (waiter, ErrorCode::NotLeaderOrFollower)));
            self.fetchers.wake();
        }
    }

    /// The leadership that must be given away: this replica went offline, or its disk is so slow
    /// that it holds up everybody.
    pub fn leadership_to_resign(&self) -> Option<LeaderEpoch> {
        let now = self.environment.clock.monotonic();
        let state = self.state.lock();
        let view = state.view.as_ref()?;
        let leader = view.leader.map(|(broker, _)| broker);
        let leads = leader == Some(self.environment.replica.broker);
        let unfit = match &state.role {
            Role::Offline { .. } => true,
            Role::Leader(leader) => leader.should_resign(now),
            Role::Idle(_) | Role::Follower(_) => false,
        };
        (leads && unfit).then_some(view.leader_epoch)
    }

    /// Asks again for another leader, if this replica is unfit: the one who was asked may not have
    /// had anybody, or this replica was elected since.
    pub fn ask_to_resign(&self) {
        if self.leadership_to_resign().is_some() {
            self.environment.work.resign.add(self.at);
        }
    }

    /// The topic was deleted: everybody who waits is told, nothing is accepted any more.
    pub fn delete(&self) {
        let mut answers = Answers::new();
        {
            let mut state = self.state.lock();
            state.deleted = true;
            let log = state.role.take_log();
            state.role = Role::Idle(Box::new(log));
            state.senders.clear();
            self.change_epoch(&mut state, LeaderEpoch::UNKNOWN, &mut answers);
            state.tail.clear();
        }
        for (waiter, _) in answers {
            waiter.finish(ErrorCode::UnknownTopicOrPartition);
        }
    }
}
