//! A run in which a test says what goes wrong, and when: three brokers, one partition, clients that
//! write all the time, a network that does what it is told.

use std::panic::{AssertUnwindSafe, catch_unwind};

use holdfast_kernel::controller::Command;
use holdfast_kernel::image::{IsrMember, PartitionRecord};
use holdfast_kernel::log::ReplicaLog;
use holdfast_kernel::planted::Planted;
use holdfast_model::{BatchInfo, BrokerId, Incarnation, Offset, TopicPartition};

use super::World;
use super::gate::Kind;
use crate::Time;
use crate::disk::Disk;
use crate::event::{Endpoint, Event};
use crate::message::Message;
use crate::node::Node;
use crate::oracle::Violation;
use crate::profile::Settings;
use crate::quorum::Asker;
use crate::replica::Role;
use crate::report::Report;
use crate::rng::Rng;
use crate::trace::Mode;

/// How long a script waits for something at most, microseconds.
const PATIENCE: Time = 20_000_000;

/// Where the controller is reached.
pub const CONTROLLER: Endpoint = 3;

/// Where clients are reached.
pub const CLIENTS: Endpoint = 4;

/// A scripted run. Once a promise is broken nothing moves any more, and every wait ends at once.
#[derive(Debug)]
pub struct Script {
    world: World,
    panicked: Option<Violation>,
}

impl Script {
    /// Three brokers that serve one partition, which needs two in sync.
    pub fn new(planted: Planted) -> Self {
        let mut script = Self {
            world: World::with(
                Settings::scripted(planted),
                Rng::new(1),
                Mode::Last,
                "script",
            ),
            panicked: None,
        };
        script.wait("the partition is whole and written to", |script| {
            script.isr().len() == 3 && script.leads().is_some() && script.committed() >= 5
        });
        script
    }

    /// The first broken promise.
    pub fn broken(&self) -> Option<&Violation> {
        self.panicked
            .as_ref()
            .or_else(|| self.world.oracle.violation())
    }

    /// Lets time pass.
    pub fn run(&mut self, for_us: Time) {
        let until = self.world.now + for_us;
        self.go(|world| world.now >= until);
    }

    /// Lets time pass until something is so.
    pub fn wait(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = self.world.now + PATIENCE;
        while self.broken().is_none() && !is_so(self) {
            assert!(self.world.now < end, "not reached: {what}");
            let now = self.world.now;
            self.go(|world| world.now > now);
        }
    }

    /// What must be so by now, as long as no promise is broken.
    #[track_caller]
    pub fn must(&self, is_so: impl Fn(&Self) -> bool) {
        assert!(self.broken().is_some() || is_so(self), "not as it must be");
    }

    fn go(&mut self, over: impl Fn(&World) -> bool) {
        if self.broken().is_some() {
            return;
        }
        let world = &mut self.world;
        let ran = catch_unwind(AssertUnwindSafe(|| world.run_until(over)));
        if let Err(payload) = ran {
            self.panicked = Some(Violation::of_panic(&*payload));
        }
    }

    /// Everything is set right; the run ends once the partition is whole and takes batches.
    pub fn finish(mut self) -> Report {
        self.release();
        if self.broken().is_none() {
            self.world.heal();
        }
        self.go(|_| false);
        let mut report = self.world.report();
        report.violation = self.panicked.or(report.violation);
        report
    }

    fn at(&self) -> TopicPartition {
        self.world.topics[0]
    }

    fn record(&self) -> Option<&PartitionRecord> {
        self.world.quorum.image.partition(self.at())
    }

    /// The broker whose process leads in the newest epoch.
    pub fn leads(&self) -> Option<usize> {
        let record = self.record()?;
        let node = record.leader?.0 as usize;
        let process = self.world.nodes[node].process.as_ref()?;
        match &process.replicas.get(&self.at())?.role {
            Role::Leader(leader) if leader.epoch() == record.leader_epoch => Some(node),
            _ => None,
        }
    }

    /// The leader, and the two others in the order in which they are preferred.
    pub fn cast(&self) -> (usize, usize, usize) {
        let leader = self.leads().unwrap_or_default();
        let replicas = self.record().map(|record| record.replicas.clone());
        let replicas = replicas.unwrap_or_default();
        let mut others = replicas
            .iter()
            .map(|broker| broker.0 as usize)
            .filter(|node| *node != leader);
        let mut next = || others.next().unwrap_or_default();
        (leader, next(), next())
    }

    /// The committed ISR.
    pub fn isr(&self) -> Vec<usize> {
        self.record()
            .map_or(Vec::new(), |record| numbers(&record.isr))
    }

    /// The eligible leader replicas.
    pub fn eligible(&self) -> Vec<usize> {
        self.record()
            .map_or(Vec::new(), |record| numbers(&record.elr))
    }

    /// How many batches came below a high watermark so far.
    pub fn committed(&self) -> usize {
        self.world.oracle.committed()
    }

    fn log(&self, node: usize) -> Option<&ReplicaLog> {
        let process = self.world.nodes[node].process.as_ref()?;
        Some(process.replicas.get(&self.at())?.role.log())
    }

    /// The log end of a broker's process; zero if none runs.
    pub fn log_end(&self, node: usize) -> Offset {
        self.log(node).map_or(Offset::ZERO, ReplicaLog::log_end)
    }

    /// First offset held by a broker's process; zero if none runs.
    pub fn log_start(&self, node: usize) -> Offset {
        self.log(node).map_or(Offset::ZERO, ReplicaLog::log_start)
    }

    /// The high watermark as a broker's process knows it; zero if none runs.
    pub fn high_watermark(&self, node: usize) -> Offset {
        self.log(node)
            .map_or(Offset::ZERO, ReplicaLog::known_high_watermark)
    }

    /// Where the batches on a broker's synced disk end.
    pub fn disk_end(&self, node: usize) -> Offset {
        let log = self.world.nodes[node].disk.log(self.at());
        let last = log.and_then(|log| log.entries().last());
        last.map_or(Offset::ZERO, BatchInfo::end_offset)
    }

    /// Whether a broker's process is registered.
    pub fn is_registered(&self, node: usize) -> bool {
        let process = self.world.nodes[node].process.as_ref();
        process.is_some_and(|process| process.registration().is_some())
    }

    /// Holds a kind of message back on a link, from now on.
    pub fn hold(&mut self, from: Endpoint, to: Endpoint, kind: Kind) {
        self.world.gate.close(from, to, kind);
    }

    /// A broker's disk does not come to the end of a sync, from now on.
    pub fn hold_syncs(&mut self, node: usize) {
        self.world.gate.syncs.insert(node);
    }

    /// Whatever was held back arrives, and nothing is held back any more.
    pub fn release(&mut self) {
        let gate = std::mem::take(&mut self.world.gate);
        self.deliver(gate.waiting);
    }

    fn deliver(&mut self, messages: Vec<(Endpoint, Endpoint, Message)>) {
        let at = self.world.now + 1;
        for (from, to, message) in messages {
            self.world
                .schedule
                .add(at, Event::Deliver { from, to, message });
        }
    }

    /// What a sender sends of a kind is not held back any more; what was, still is.
    pub fn let_pass(&mut self, from: Endpoint, kind: Kind) {
        self.world.gate.open(from, kind);
    }

    /// What was held back of a sender and a kind arrives, and more of it is not held back.
    pub fn release_from(&mut self, from: Endpoint, kind: Kind) {
        self.world.gate.open(from, kind);
        let messages = self.world.gate.take(from, kind);
        self.deliver(messages);
    }

    /// How many messages of a kind are held back.
    pub fn held(&self, kind: Kind) -> usize {
        self.world.gate.count(kind)
    }

    /// Whatever was held back is lost.
    pub fn lose(&mut self) {
        self.world.gate = super::gate::Gate::default();
    }

    /// A broker's process dies, and what its machine has not synced stays in the page cache.
    pub fn kill(&mut self, node: usize) {
        self.world.on_node(node, |node, ctx| node.crash(false, ctx));
    }

    /// A broker's machine loses its power.
    pub fn cut_power(&mut self, node: usize) {
        self.world.on_node(node, |node, ctx| node.crash(true, ctx));
    }

    /// A broker gives its leaderships away.
    pub fn resign(&mut self, node: usize) {
        self.world.resign(node);
    }

    /// A broker's process stands still.
    pub fn pause(&mut self, node: usize, for_us: Time) {
        self.world.nodes[node].paused_until = self.world.now + for_us;
    }

    /// Whether the controller takes a broker for gone.
    pub fn is_fenced(&self, node: usize) -> bool {
        let broker = self.world.quorum.image.brokers.get(&BrokerId(node as i32));
        broker.is_none_or(|broker| broker.fenced)
    }

    /// A broker's process starts.
    pub fn start(&mut self, node: usize) {
        self.world.start(node);
    }

    /// Another controller takes office, which has heard of nobody yet.
    pub fn change_controller(&mut self) {
        let progress = self.world.quorum.depose(true);
        self.world.carry_on(progress);
        self.world.quorum.elect(self.world.now);
    }

    /// A broker's disk is lost, and an empty one takes its place, which nobody admits yet.
    pub fn wipe(&mut self, node: usize) {
        self.cut_power(node);
        let incarnation = Incarnation(self.world.rng.next_u64() | 1);
        self.world.nodes[node].disk = Disk::new(incarnation);
    }

    /// A person admits a broker's present disk.
    pub fn admit(&mut self, node: usize) {
        let replica = Node::replica(&self.world.nodes[node]);
        let command = Command::Admit(replica);
        self.world.quorum.ask(Asker::Operator, command);
    }

    /// A copy of a broker's disk, as a snapshot of its volume.
    pub fn copy_disk(&mut self, node: usize) -> Disk {
        let mut copy = self.world.nodes[node].disk.clone();
        copy.crash(true, &mut self.world.rng);
        copy
    }

    /// A broker's disk is set back to a copy.
    pub fn set_back(&mut self, node: usize, mut copy: Disk) {
        self.cut_power(node);
        copy.rolled_back = true;
        self.world.nodes[node].disk = copy;
    }

    /// The end of a broker's synced log is lost on its disk: a fault of the disk that nothing shows.
    pub fn lose_tail(&mut self, node: usize, batches: usize) {
        let at = self.at();
        self.world.nodes[node].disk.lose_tail(at, batches);
    }

    /// `min.insync.replicas` is set.
    pub fn set_minimum(&mut self, value: u32) {
        self.world.ask_for_minimum(self.at(), u64::from(value));
    }

    /// The minimum as it is in force.
    pub fn minimum(&self) -> u32 {
        self.record().map_or(0, |record| record.min_isr)
    }

    /// A client deletes everything that is committed.
    pub fn delete_records(&mut self) {
        let at = self.at();
        for node in 0..self.world.nodes.len() {
            self.world
                .send(CLIENTS, node, Message::DeleteRecords(at, 1000));
        }
    }
}

fn numbers(members: &[IsrMember]) -> Vec<usize> {
    let number = |broker: BrokerId| broker.0 as usize;
    members
        .iter()
        .map(|member| number(member.replica.broker))
        .collect()
}
