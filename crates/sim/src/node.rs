//! A broker: a disk that lasts, and a process that comes and goes.

mod control;

use std::collections::BTreeMap;

use holdfast_kernel::image::ClusterImage;
use holdfast_kernel::log::{ReplicaLog, TrustedWall};
use holdfast_kernel::replica::{IsrProposal, PartitionView};
use holdfast_model::{
    BrokerEpoch, BrokerId, Incarnation, Monotonic, Offset, ReplicaId, TopicPartition,
};

use crate::Time;
use crate::clock::{self, WallClock};
use crate::context::{Context, Local};
use crate::disk::{Disk, Op};
use crate::event::Endpoint;
use crate::message::Message;
use crate::replica::Replica;

/// One broker.
#[derive(Debug)]
pub struct Node {
    /// Its index, which is also its broker id.
    pub index: usize,
    /// Its disk.
    pub disk: Disk,
    /// Its process, while one runs.
    pub process: Option<Process>,
    /// Until then its process does nothing.
    pub paused_until: Time,
    /// Until then its disk is slow.
    pub slow_until: Time,
    /// The wall clock of its machine.
    pub clock: WallClock,
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    /// What it knows of itself.
    pub local: Local,
    /// The cluster image as far as it has heard.
    pub image: ClusterImage,
    /// Its replicas.
    pub replicas: BTreeMap<TopicPartition, Replica>,
    /// It is asked to stop, and since when.
    pub stopping: Option<Time>,
    /// Nothing is led by it any more: it may stop.
    pub may_stop: bool,
    /// The controller takes its disk for a copy.
    shut_out: bool,
    /// The controller asks where its logs end.
    report_wanted: bool,
    started: Time,
    rate: u64,
    /// How far the machine's wall clock is believed.
    wall: TrustedWall,
    retention_due: Monotonic,
    heartbeat_due: Monotonic,
    asked: BTreeMap<u64, Asked>,
}

/// What a process waits to hear from the controller.
#[derive(Clone, Debug)]
enum Asked {
    Register,
    Isr(TopicPartition, IsrProposal),
    Shutdown,
}

/// Time between looks for expired segments, nanoseconds.
const RETENTION: u64 = 100_000_000;

/// Requests that a process remembers; older ones are forgotten and asked again.
const ASKED: usize = 64;

impl Node {
    /// A broker with a formatted disk and no process.
    pub fn new(index: usize, incarnation: Incarnation) -> Self {
        Self {
            index,
            disk: Disk::new(incarnation),
            process: None,
            paused_until: 0,
            slow_until: 0,
            clock: WallClock::default(),
        }
    }

    /// Its number.
    pub fn id(&self) -> BrokerId {
        BrokerId(self.index as i32)
    }

    /// Its disk, by name.
    pub fn replica(&self) -> ReplicaId {
        ReplicaId {
            broker: self.id(),
            incarnation: self.disk.incarnation,
        }
    }

    /// Whether its running process is this one.
    pub fn runs(&self, process: u64) -> bool {
        self.process
            .as_ref()
            .is_some_and(|running| running.local.process == process)
    }

    /// Starts a process: the start number is synced, every log is read back.
    pub fn start(&mut self, ctx: &mut Context<'_>) {
        self.disk.start.0 += 1;
        let number = ctx.rng.next_u64();
        // A process believes the wall time at its start, so a machine sets its clock before: see
        // docs/simulation.md.
        self.clock.put_right();
        let wall_ms = self.clock.wall_ms(ctx.now);
        let planted = ctx.settings.planted;
        let limits = ctx.settings.segment_limits();
        let replicas = self.disk.logs().map(|(at, stored)| {
            let log = stored.restore(limits);
            let mut replica = Replica::new(*at, log, stored.entries().to_vec(), planted);
            if self.disk.damaged.contains(at) {
                replica.be_offline();
            }
            (*at, replica)
        });
        let local = Local {
            node: self.index,
            replica: self.replica(),
            registration: None,
            process: number,
            next_number: number >> 16,
            now: Monotonic(0),
        };
        self.process = Some(Process {
            local,
            image: self.disk.image.clone(),
            replicas: replicas.collect(),
            stopping: None,
            may_stop: false,
            shut_out: false,
            report_wanted: false,
            started: ctx.now,
            rate: ctx.rng.within((900, 1100)),
            wall: TrustedWall::new(wall_ms, Monotonic(0), clock::SLACK, planted),
            retention_due: Monotonic(0),
            heartbeat_due: Monotonic(0),
            asked: BTreeMap::new(),
        });
        let (index, start) = (self.index, self.disk.start);
        ctx.trace
            .log(ctx.now, || format!("node {index} starts as number {start}"));
        if let Some(process) = &mut self.process {
            process.drop_deleted(ctx);
        }
        self.write(ctx);
    }

    /// Its process dies, with or without the power.
    pub fn crash(&mut self, power: bool, ctx: &mut Context<'_>) {
        if self.process.take().is_some() {
            let index = self.index;
            ctx.trace
                .log(ctx.now, || format!("node {index} dies, power {power}"));
            self.disk.crash(power, ctx.rng);
        }
    }

    /// Its process ends in order.
    pub fn stop(&mut self, ctx: &mut Context<'_>) {
        if self.process.take().is_some() {
            let index = self.index;
            ctx.trace.log(ctx.now, || format!("node {index} stops"));
            self.disk.flush();
        }
    }

    /// Damage is found in a replica; whether it leaves service for it.
    pub fn damage(&mut self, at: TopicPartition, ctx: &mut Context<'_>) -> bool {
        let Some(process) = &mut self.process else {
            return false;
        };
        process.refresh(ctx.now);
        let mut left = false;
        process.with(at, ctx, |replica, local, ctx| {
            left = replica.go_offline(local, ctx);
        });
        if left {
            self.disk.damaged.insert(at);
        }
        left
    }

    /// A replica's bytes are what they were.
    pub fn mend(&mut self, at: TopicPartition, ctx: &mut Context<'_>) {
        self.disk.damaged.remove(&at);
        if let Some(process) = &mut self.process {
            process.refresh(ctx.now);
            process.with(at, ctx, Replica::come_back);
        }
        self.write(ctx);
    }

    /// A message arrives.
    pub fn on_message(&mut self, from: Endpoint, message: Message, ctx: &mut Context<'_>) {
        let Some(process) = &mut self.process else {
            return;
        };
        process.refresh(ctx.now);
        process.on_message(from, message, ctx);
        self.disk.found_out |= process.is_shut_out();
        if self.disk.rolled_back && process.registration().is_some() {
            let index = self.index;
            ctx.oracle.broken("INV-ISR-INCARNATION", || {
                format!("node {index} is registered with a disk that was set back")
            });
        }
        self.write(ctx);
    }

    /// A commit group is synced.
    pub fn on_synced(&mut self, ctx: &mut Context<'_>) {
        let group = self.disk.end_group();
        let Some(process) = &mut self.process else {
            return;
        };
        process.refresh(ctx.now);
        let mut ends: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
        for op in group {
            match op {
                Op::Append(at, info, _) => {
                    ends.insert(at, info.end_offset());
                }
                Op::Truncate(at, _) | Op::Reset(at, _) => {
                    // What was synced before the cut is reported before it.
                    if let Some(end) = ends.remove(&at) {
                        process.with(at, ctx, |replica, local, ctx| {
                            replica.on_synced(end, local, ctx);
                        });
                    }
                    let limits = ctx.settings.segment_limits();
                    let log: Option<ReplicaLog> =
                        self.disk.log(at).map(|stored| stored.restore(limits));
                    if let Some(log) = log {
                        process.with(at, ctx, |replica, local, ctx| {
                            replica.on_cut(log, local, ctx);
                        });
                    }
                }
                Op::LogStart(at, start) => process.with(at, ctx, |replica, local, ctx| {
                    replica.on_start_synced(start, local, ctx);
                }),
                Op::HighWatermark(..) | Op::Checkpoint(..) | Op::Drop(_) => {}
            }
        }
        for (at, end) in ends {
            process.with(at, ctx, |replica, local, ctx| {
                replica.on_synced(end, local, ctx);
            });
        }
        self.write(ctx);
    }

    /// The timer.
    pub fn on_tick(&mut self, ctx: &mut Context<'_>) {
        let wall_ms = self.clock.wall_ms(ctx.now);
        let Some(process) = &mut self.process else {
            return;
        };
        process.refresh(ctx.now);
        process.retain(wall_ms, ctx);
        let start = self.disk.start;
        process.on_tick(start, ctx);
        if ctx.rng.chance(50) {
            self.disk.image = process.image.clone();
        }
        self.write(ctx);
    }

    fn write(&mut self, ctx: &mut Context<'_>) {
        for op in ctx.ops.drain(..) {
            self.disk.submit(op);
        }
    }
}

impl Process {
    fn refresh(&mut self, now: Time) {
        self.local.now = Monotonic((now - self.started) * self.rate);
    }

    /// Now and then has every leader drop what has expired, by a wall clock that is believed only
    /// as far as it can be.
    fn retain(&mut self, wall_ms: i64, ctx: &mut Context<'_>) {
        if self.local.now < self.retention_due {
            return;
        }
        self.retention_due = Monotonic(self.local.now.0 + RETENTION);
        let now_ms = self.wall.now(wall_ms, self.local.now);
        for replica in self.replicas.values_mut() {
            replica.retain(now_ms, &self.local, ctx);
        }
    }

    /// Works on one replica.
    pub fn with(
        &mut self,
        at: TopicPartition,
        ctx: &mut Context<'_>,
        work: impl FnOnce(&mut Replica, &mut Local, &mut Context<'_>),
    ) {
        if let Some(replica) = self.replicas.get_mut(&at) {
            work(replica, &mut self.local, ctx);
        }
    }

    fn on_message(&mut self, from: Endpoint, message: Message, ctx: &mut Context<'_>) {
        match message {
            Message::Open(at, epoch, session) => {
                self.with(at, ctx, |replica, local, ctx| {
                    replica.on_open(from, epoch, session, local, ctx);
                });
            }
            Message::Opened(at, opened) => {
                self.with(at, ctx, |replica, local, ctx| {
                    replica.on_opened(&opened, local, ctx);
                });
            }
            Message::Start(at, start) => {
                self.with(at, ctx, |replica, local, ctx| {
                    replica.on_start(from, &start, local, ctx);
                });
            }
            Message::Append(at, header, batches) => {
                self.with(at, ctx, |replica, local, ctx| {
                    replica.on_append(from, &header, &batches, local, ctx);
                });
            }
            Message::Acked(at, acked) => {
                self.with(at, ctx, |replica, local, ctx| {
                    replica.on_acked(&acked, local, ctx);
                });
            }
            Message::Refused(at, session, reason) => {
                let broker = BrokerId(from as i32);
                self.with(at, ctx, |replica, local, _| {
                    replica.on_refused(broker, session, reason, local);
                });
            }
            Message::Produce(produce) => {
                self.with(produce.at, ctx, |replica, local, ctx| {
                    replica.produce(&produce, local, ctx);
                });
            }
            Message::DeleteRecords(at, permille) => {
                self.with(at, ctx, |replica, _, ctx| {
                    replica.delete_records(permille, ctx);
                });
            }
            Message::WhoLeads(producer, at) => {
                let leader = self.image.partition(at).and_then(|record| record.leader);
                ctx.send(self.local.node, from, Message::Leads(producer, leader));
            }
            Message::Image(batches) => self.on_image(&batches, ctx),
            Message::Outcome(number, outcome) => self.on_outcome(number, &outcome, ctx),
            Message::Heard(epoch, answer) => self.on_heard(epoch, answer),
            Message::Heartbeat { .. }
            | Message::Ask(..)
            | Message::Produced { .. }
            | Message::Leads(..) => {}
        }
    }

    /// The registration is known, or the image has changed: every role is looked at again.
    fn apply_views(&mut self, ctx: &mut Context<'_>) {
        let mine = self.local.replica.broker;
        let image = self.image.clone();
        for (id, topic) in image.topics.iter() {
            for (index, record) in topic.partitions.iter().enumerate() {
                if !record.replicas.contains(&mine) {
                    continue;
                }
                let at = TopicPartition {
                    topic: *id,
                    partition: index as i32,
                };
                let planted = ctx.settings.planted;
                let replica = self
                    .replicas
                    .entry(at)
                    .or_insert_with(|| Replica::new(at, ReplicaLog::empty(), Vec::new(), planted));
                if let Some(view) = PartitionView::of(&image, at) {
                    replica.apply_view(view, &mut self.local, ctx);
                }
            }
        }
    }

    /// The controller said that this disk is not the one it knows.
    pub fn is_shut_out(&self) -> bool {
        self.shut_out
    }

    /// The registration, once the controller has answered.
    pub fn registration(&self) -> Option<BrokerEpoch> {
        self.local.registration
    }
}
