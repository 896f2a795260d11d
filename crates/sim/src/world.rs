//! One run: brokers, links, the quorum and clients under one virtual clock.

mod clients;
mod faults;
pub mod gate;
mod healing;
mod office;
mod rolls;
pub mod script;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use holdfast_kernel::planted::Planted;
use holdfast_model::{Incarnation, ReplicaId, TopicPartition};

use crate::Time;
use crate::context::Context;
use crate::disk::Disk;
use crate::event::{Effect, Endpoint, Event};
use crate::message::Message;
use crate::network::Network;
use crate::node::Node;
use crate::oracle::Oracle;
use crate::producer::Producer;
use crate::profile::{Profile, Rolls, Settings};
use crate::quorum::Quorum;
use crate::report::Report;
use crate::rng::Rng;
use crate::roller::Roller;
use crate::schedule::Schedule;
use crate::trace::{Mode, Trace};
use gate::Gate;

/// Time that everything has to come up before the first fault, microseconds.
const QUIET: Time = 700_000;

/// How often a sync that is held back is looked at again, microseconds.
const HELD: Time = 1_000;

/// A whole cluster.
#[derive(Debug)]
pub struct World {
    settings: Settings,
    rng: Rng,
    now: Time,
    schedule: Schedule<Event>,
    network: Network,
    nodes: Vec<Node>,
    quorum: Quorum,
    producers: Vec<Producer>,
    topics: Vec<TopicPartition>,
    topics_made: u128,
    snapshots: BTreeMap<usize, Disk>,
    roller: Roller,
    gate: Gate,
    oracle: Oracle,
    trace: Trace,
    effects: Vec<Effect>,
    next_crc: u32,
    /// Faults are over: from then on progress is demanded.
    healed_at: Option<Time>,
    last_batches_begun: bool,
    events: u64,
    faults: u64,
    stranded: usize,
}

impl World {
    /// A cluster that is a function of profile, seed and planted bug alone.
    pub fn new(profile: &Profile, seed: u64, planted: Planted, mode: Mode) -> Self {
        let mut rng = Rng::new(seed);
        let settings = profile.draw(planted, &mut rng);
        Self::with(
            settings,
            rng,
            mode,
            &format!("seed {seed} profile {}", profile.name),
        )
    }

    fn with(settings: Settings, mut rng: Rng, mode: Mode, name: &str) -> Self {
        let nodes: Vec<Node> = (0..settings.brokers)
            .map(|index| Node::new(index, Incarnation(rng.next_u64() | 1)))
            .collect();
        let mut quorum = Quorum::new(&settings);
        let disks: Vec<ReplicaId> = nodes.iter().map(Node::replica).collect();
        quorum.form(&disks);
        let mut world = Self {
            network: Network::new(settings.brokers + 2),
            quorum,
            nodes,
            rng,
            now: 0,
            schedule: Schedule::default(),
            producers: Vec::new(),
            topics: Vec::new(),
            topics_made: 0,
            snapshots: BTreeMap::new(),
            roller: Roller::default(),
            gate: Gate::default(),
            oracle: Oracle::default(),
            trace: Trace::new(mode),
            effects: Vec::new(),
            next_crc: 0,
            healed_at: None,
            last_batches_begun: false,
            events: 0,
            faults: 0,
            stranded: 0,
            settings,
        };
        world.begin(name);
        world
    }

    fn begin(&mut self, name: &str) {
        let settings = self.settings.clone();
        self.trace.log(0, || format!("{name} {settings:?}"));
        self.oracle.begin(&self.quorum.image);
        self.quorum.elect(0);
        for _ in 0..self.settings.topics {
            self.add_topic();
        }
        for node in 0..self.nodes.len() {
            self.start(node);
        }
        self.schedule.add(1, Event::Control);
        self.schedule.add(QUIET / 2, Event::Read);
        self.schedule.add(QUIET, Event::Fault);
        if self.settings.rolls != Rolls::Never {
            self.schedule.add(QUIET, Event::Roll);
        }
    }

    /// Runs to the end: a broken promise, or a healed cluster that has shown progress.
    pub fn run(&mut self) {
        self.run_until(|_| false);
    }

    /// Runs until a test wants to do something, or to the end.
    fn run_until(&mut self, over: impl Fn(&Self) -> bool) {
        while self.oracle.violation().is_none() && !over(self) {
            let Some((at, event)) = self.schedule.take() else {
                break;
            };
            self.now = self.now.max(at);
            self.events += 1;
            self.step(event);
            self.oracle.check_disks(&self.quorum.image, &self.nodes);
            if self.is_over() {
                break;
            }
        }
    }

    /// What came of it.
    pub fn report(self) -> Report {
        Report {
            violation: self.oracle.violation().cloned(),
            hash: self.trace.hash(),
            events: self.events,
            faults: self.faults,
            acknowledged: self.oracle.acknowledged(),
            committed: self.oracle.committed() as u64,
            expired: self.oracle.expired(),
            stranded: self.stranded as u64,
            granted: self.oracle.granted(),
            rolled: self.oracle.rolled(),
            coverage: self.oracle.coverage().clone(),
            ended: self.now,
            lines: self.trace.into_lines(),
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, message } => self.deliver(from, to, message),
            Event::Synced { node, process } => {
                let event = Event::Synced { node, process };
                if self.gate.syncs.contains(&node) {
                    self.schedule.add(self.now + HELD, event);
                } else if self.ready(node, process, event) {
                    self.on_node(node, Node::on_synced);
                }
            }
            Event::Tick { node, process } => {
                if self.ready(node, process, Event::Tick { node, process }) {
                    self.on_node(node, Node::on_tick);
                    self.end_if_stopped(node);
                    let again = self.now + self.rng.within((15_000, 45_000));
                    self.schedule.add(again, Event::Tick { node, process });
                }
            }
            Event::Control => self.control(),
            Event::Commit { term } => self.commit(term),
            Event::Produce(index) => self.produce(index),
            Event::Read => self.read(),
            Event::Roll => self.roll(),
            Event::Fault => self.fault(),
            Event::Repair(repair) => self.repair(repair),
        }
    }

    /// Whether a process runs and is not paused; what a paused one misses comes when it goes on.
    fn ready(&mut self, node: usize, process: u64, event: Event) -> bool {
        if !self.nodes[node].runs(process) {
            return false;
        }
        let paused_until = self.nodes[node].paused_until;
        if paused_until > self.now {
            self.schedule.add(paused_until, event);
            return false;
        }
        true
    }

    fn deliver(&mut self, from: Endpoint, to: Endpoint, message: Message) {
        if self.gate.holds(from, to, &message) {
            self.gate.waiting.push((from, to, message));
            return;
        }
        match to.cmp(&self.nodes.len()) {
            Ordering::Less => {
                let paused_until = self.nodes[to].paused_until;
                if paused_until > self.now && self.nodes[to].process.is_some() {
                    self.schedule
                        .add(paused_until, Event::Deliver { from, to, message });
                    return;
                }
                self.trace.log(self.now, || {
                    format!("{from} -> {to} {}", message.describe())
                });
                self.on_node(to, |node, ctx| node.on_message(from, message, ctx));
            }
            Ordering::Equal => {
                self.trace.log(self.now, || {
                    format!("{from} -> controller {}", message.describe())
                });
                self.on_controller(from, message);
            }
            Ordering::Greater => {
                self.trace.log(self.now, || {
                    format!("{from} -> clients {}", message.describe())
                });
                self.on_clients(&message);
            }
        }
    }

    /// Lets a broker work, then carries out what it caused.
    fn on_node(&mut self, index: usize, work: impl FnOnce(&mut Node, &mut Context<'_>)) {
        let mut ctx = Context {
            now: self.now,
            settings: &self.settings,
            rng: &mut self.rng,
            oracle: &mut self.oracle,
            trace: &mut self.trace,
            effects: &mut self.effects,
            ops: Vec::new(),
        };
        work(&mut self.nodes[index], &mut ctx);
        self.sync(index);
        self.carry_out();
    }

    fn sync(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let Some(process) = node.process.as_ref().map(|process| process.local.process) else {
            return;
        };
        if !node.disk.begin_group() {
            return;
        }
        let slow = node.slow_until > self.now || self.rng.chance(self.settings.slow_sync);
        let range = if slow {
            self.settings.slow_sync_us
        } else {
            self.settings.sync_us
        };
        let at = self.now + self.rng.within(range);
        self.schedule.add(
            at,
            Event::Synced {
                node: index,
                process,
            },
        );
    }

    fn carry_out(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            let Effect::Send { from, to, message } = effect;
            self.send(from, to, message);
        }
    }

    fn send(&mut self, from: Endpoint, to: Endpoint, message: Message) {
        let arrivals = self
            .network
            .arrivals((from, to), self.now, &self.settings, &mut self.rng);
        if let Some(copy) = arrivals[1] {
            let message = message.clone();
            self.schedule
                .add(copy, Event::Deliver { from, to, message });
        }
        if let Some(at) = arrivals[0] {
            self.schedule.add(at, Event::Deliver { from, to, message });
        }
    }

    fn start(&mut self, index: usize) {
        if self.nodes[index].process.is_some() {
            return;
        }
        self.nodes[index].paused_until = 0;
        self.on_node(index, Node::start);
        if let Some(process) = &self.nodes[index].process {
            let process = process.local.process;
            self.schedule.add(
                self.now + 1,
                Event::Tick {
                    node: index,
                    process,
                },
            );
        }
    }
}
