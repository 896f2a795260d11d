//! The thin driver around one replica's kernel: roles, the log's view of the page cache, waiters.

mod follow;
mod lead;
mod offline;
pub mod upkeep;

use std::collections::BTreeMap;

use holdfast_kernel::log::ReplicaLog;
use holdfast_kernel::planted::Planted;
use holdfast_kernel::replica::{Follower, Leader, LeaderOptions, PartitionView, Waiters};
use holdfast_model::{
    BatchInfo, BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, LogCheckpoint, Offset, TopicPartition,
};

use crate::context::{Context, Local};
use crate::event::Endpoint;
use crate::message::Message;
use crate::situation::Situation;
use lead::Sender;

/// What a replica does.
#[derive(Debug)]
pub enum Role {
    /// Nothing: the broker is not registered yet.
    Idle(Box<ReplicaLog>),
    /// Leads.
    Leader(Box<Leader>),
    /// Follows.
    Follower(Box<Follower>),
    /// Serves nothing, because its bytes are damaged; what it did before is kept.
    Offline(Box<Role>),
}

/// A producer that waits for the high watermark.
#[derive(Clone, Copy, Debug)]
pub struct Waiter {
    producer: usize,
    crc: u32,
    base_offset: Offset,
}

/// One replica in one process.
#[derive(Debug)]
pub struct Replica {
    at: TopicPartition,
    /// What it does.
    pub role: Role,
    view: Option<PartitionView>,
    /// The batches as written, synced or not.
    batches: Vec<BatchInfo>,
    waiters: Waiters<Waiter>,
    senders: BTreeMap<BrokerId, Sender>,
    /// Who opened the conversation in which this replica follows.
    leader: Endpoint,
    /// A checkpoint that waits for the high watermark.
    checkpoint: Option<Box<LogCheckpoint>>,
    high_watermark_written: Offset,
    /// The oracle has seen everything before it.
    shown: Offset,
}

impl Role {
    fn idle() -> Self {
        Self::Idle(Box::new(ReplicaLog::empty()))
    }

    /// The log.
    pub fn log(&self) -> &ReplicaLog {
        match self {
            Self::Idle(log) => log,
            Self::Leader(leader) => leader.log(),
            Self::Follower(follower) => follower.log(),
            Self::Offline(kept) => kept.log(),
        }
    }

    fn log_mut(&mut self) -> &mut ReplicaLog {
        match self {
            Self::Idle(log) => log,
            Self::Leader(leader) => leader.log_mut(),
            Self::Follower(follower) => follower.log_mut(),
            Self::Offline(kept) => kept.log_mut(),
        }
    }

    fn high_watermark(&self) -> Offset {
        match self {
            Self::Idle(_) | Self::Offline(_) => {
                let log = self.log();
                log.known_high_watermark().min(log.log_end())
            }
            Self::Leader(leader) => leader.high_watermark(),
            Self::Follower(follower) => follower.high_watermark(),
        }
    }

    fn take_log(&mut self) -> ReplicaLog {
        match std::mem::replace(self, Self::idle()) {
            Self::Idle(log) => *log,
            Self::Leader(leader) => leader.into_log(),
            Self::Follower(follower) => follower.into_log(),
            Self::Offline(mut kept) => kept.take_log(),
        }
    }
}

impl Replica {
    /// A replica as its disk has it.
    pub fn new(
        at: TopicPartition,
        log: ReplicaLog,
        batches: Vec<BatchInfo>,
        planted: Planted,
    ) -> Self {
        Self {
            at,
            shown: log.log_start(),
            high_watermark_written: log.known_high_watermark(),
            role: Role::Idle(Box::new(log)),
            view: None,
            batches,
            waiters: Waiters::new(LeaderEpoch::UNKNOWN, planted),
            senders: BTreeMap::new(),
            leader: 0,
            checkpoint: None,
        }
    }

    /// The image shows the partition like this.
    pub fn apply_view(&mut self, view: PartitionView, local: &mut Local, ctx: &mut Context<'_>) {
        self.view = Some(view);
        self.reconcile(local, ctx);
    }

    /// Brings the role in line with the newest view; again after a cut.
    pub fn reconcile(&mut self, local: &mut Local, ctx: &mut Context<'_>) {
        let (Some(view), Some(registration)) = (self.view.clone(), local.registration) else {
            return;
        };
        let leads = view.leads(local.replica.broker, registration, self.role.log());
        match &mut self.role {
            Role::Offline(_) => {}
            Role::Leader(leader) if leads && leader.epoch() == view.leader_epoch => {
                let moved = leader.on_view(&view);
                self.senders
                    .retain(|broker, _| view.replica(*broker).is_some());
                if moved {
                    self.after_advance(local, ctx);
                }
            }
            Role::Follower(follower) if follower.is_cutting() => {
                follower.fence(view.leader_epoch);
            }
            _ if leads => self.lead(&view, registration, local, ctx),
            Role::Follower(follower) => follower.fence(view.leader_epoch),
            Role::Idle(_) | Role::Leader(_) => self.follow(&view, registration, local, ctx),
        }
    }

    fn lead(
        &mut self,
        view: &PartitionView,
        registration: BrokerEpoch,
        local: &mut Local,
        ctx: &mut Context<'_>,
    ) {
        let options = LeaderOptions {
            replica: local.replica,
            broker_epoch: registration,
            lag_max: std::time::Duration::from_micros(ctx.settings.lag_us),
            planted: ctx.settings.planted,
        };
        let log = self.role.take_log();
        let who = (local.node, local.process);
        ctx.oracle.leads(
            self.at,
            who,
            view.leader_epoch,
            &self.batches,
            log.log_start(),
        );
        let leader = Leader::new(options, log, view, local.now);
        if !leader.is_settled() {
            ctx.oracle.saw(Situation::LedBelowEpochStart);
        }
        ctx.trace.log(ctx.now, || {
            format!(
                "node {} leads {} in epoch {} from {}, high watermark {}, isr {:?}",
                local.node,
                self.at.partition_name(),
                leader.epoch(),
                leader.epoch_start(),
                leader.high_watermark(),
                names(leader.committed_isr().iter().map(|member| member.broker)),
            )
        });
        self.role = Role::Leader(Box::new(leader));
        self.change_epoch(view.leader_epoch, local, ctx);
        self.begin_senders(view, local);
        self.after_advance(local, ctx);
        self.pump_all(false, local, ctx);
    }

    fn begin_senders(&mut self, view: &PartitionView, local: &Local) {
        self.senders = view
            .replicas
            .iter()
            .map(|replica| replica.replica.broker)
            .filter(|broker| *broker != local.replica.broker)
            .map(|broker| (broker, Sender::default()))
            .collect();
    }

    fn follow(
        &mut self,
        view: &PartitionView,
        registration: BrokerEpoch,
        local: &Local,
        ctx: &mut Context<'_>,
    ) {
        let log = self.role.take_log();
        let mut follower = Follower::new(local.replica, registration, log, ctx.settings.planted);
        follower.fence(view.leader_epoch);
        self.role = Role::Follower(Box::new(follower));
        self.senders.clear();
        self.change_epoch(view.leader_epoch, local, ctx);
        self.show(local, ctx);
    }

    fn change_epoch(&mut self, epoch: LeaderEpoch, local: &Local, ctx: &mut Context<'_>) {
        let waiters = self.waiters.change_epoch(epoch);
        if !waiters.is_empty() {
            ctx.oracle.saw(Situation::WaitersFailed);
        }
        for waiter in waiters {
            waiter.answer(ErrorCode::NotLeaderOrFollower, local, ctx);
        }
    }

    /// Shows the oracle what came below the high watermark.
    fn show(&mut self, local: &Local, ctx: &mut Context<'_>) {
        let high_watermark = self.role.high_watermark();
        if high_watermark <= self.shown {
            return;
        }
        let from = self
            .batches
            .partition_point(|info| info.end_offset() <= self.shown);
        let to = self
            .batches
            .partition_point(|info| info.end_offset() <= high_watermark);
        let epoch = match &self.role {
            Role::Leader(leader) => leader.epoch(),
            Role::Idle(_) | Role::Follower(_) | Role::Offline(_) => self.role.log().leader_epoch(),
        };
        ctx.oracle.shows(
            self.at,
            local.node,
            epoch,
            &self.batches[from..to.max(from)],
        );
        self.shown = high_watermark;
    }

    /// What a reader sees here: the batches below the high watermark.
    pub fn read(&self) -> &[BatchInfo] {
        let cutting = matches!(&self.role, Role::Follower(follower) if follower.is_cutting());
        let high_watermark = self.role.high_watermark();
        let to = self
            .batches
            .partition_point(|info| info.end_offset() <= high_watermark);
        if cutting || self.is_offline() {
            &[]
        } else {
            &self.batches[..to]
        }
    }
}

impl Waiter {
    fn answer(self, code: ErrorCode, local: &Local, ctx: &mut Context<'_>) {
        let message = Message::Produced {
            producer: self.producer,
            batch: self.crc,
            code,
            base_offset: self.base_offset,
        };
        let clients = ctx.clients();
        ctx.send(local.node, clients, message);
    }
}

/// Broker numbers for the trace.
pub fn names(brokers: impl Iterator<Item = BrokerId>) -> Vec<i32> {
    brokers.map(|broker| broker.0).collect()
}

/// A short name of a partition for the trace.
pub trait PartitionName {
    /// The number from which its topic's id was made.
    fn partition_name(&self) -> String;
}

impl PartitionName for TopicPartition {
    fn partition_name(&self) -> String {
        format!("t{}", self.topic.0.as_u128())
    }
}
