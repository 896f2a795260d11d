//! Faults in a run.

use holdfast_kernel::controller::{
    AlterConfig, Command, ConfigOperation, ConfigResource, TopicReference,
};
use holdfast_model::{BrokerId, Incarnation, TopicPartition};

use super::{QUIET, World};
use crate::Time;
use crate::clock;
use crate::disk::Disk;
use crate::event::{Endpoint, Event};
use crate::fault::{FaultKind, Repair};
use crate::message::Message;
use crate::node::Node;
use crate::quorum::Asker;
use crate::replica::{PartitionName, Replica};
use crate::situation::Situation;

/// How far a clock jumps, milliseconds: a minute to three days.
const JUMP_MS: (u64, u64) = (60_000, 3 * 24 * 3_600_000);

impl World {
    /// Something goes wrong, until the time for faults is over.
    pub(super) fn fault(&mut self) {
        if self.now >= QUIET + self.settings.faulty_us {
            self.heal();
            return;
        }
        let total: u64 = self
            .settings
            .weights
            .iter()
            .map(|(_, weight)| u64::from(*weight))
            .sum();
        let mut ticket = self.rng.below(total);
        let kinds = self.settings.weights.clone();
        let chosen = kinds.iter().find(|(_, weight)| {
            let hit = ticket < u64::from(*weight);
            ticket = ticket.saturating_sub(u64::from(*weight));
            hit
        });
        if let Some((kind, _)) = chosen {
            let node = self.rng.index(self.nodes.len());
            let until = self.now + self.rng.within(self.settings.fault_length_us);
            self.faults += 1;
            self.trace.log(self.now, || {
                format!("fault {kind:?} at {node} until {until}")
            });
            self.strike(*kind, node, until);
        }
        let again = self.now + self.rng.within(self.settings.fault_interval_us);
        self.schedule.add(again, Event::Fault);
    }

    fn strike(&mut self, kind: FaultKind, node: usize, until: Time) {
        let all = self.nodes.len();
        match kind {
            FaultKind::Crash => self.crash(node, until),
            FaultKind::PowerCut => {
                for node in 0..all {
                    if self.nodes[node].disk.rolled_back {
                        continue;
                    }
                    let until = self.now + self.rng.within(self.settings.fault_length_us);
                    self.on_node(node, |node, ctx| node.crash(true, ctx));
                    self.schedule.add(until, Event::Repair(Repair::Start(node)));
                }
                self.depose(until);
            }
            FaultKind::Pause => self.nodes[node].paused_until = until,
            FaultKind::Isolate => {
                for other in 0..=all {
                    self.cut(node, other, until);
                    self.cut(other, node, until);
                }
            }
            FaultKind::OneWay => {
                let out = self.rng.chance(500);
                for other in 0..=all {
                    let (from, to) = if out { (node, other) } else { (other, node) };
                    self.cut(from, to, until);
                }
            }
            FaultKind::CutPair => {
                let other = self.rng.index(all);
                self.cut(node, other, until);
                self.cut(other, node, until);
            }
            FaultKind::CutController => {
                let way = self.rng.below(3);
                if way != 1 {
                    self.cut(node, all, until);
                }
                if way != 2 {
                    self.cut(all, node, until);
                }
            }
            FaultKind::Storm => {
                self.network.storm = self.rng.within((50, 500)) as u32;
                self.schedule.add(until, Event::Repair(Repair::Storm));
            }
            FaultKind::SlowDisk => self.nodes[node].slow_until = until,
            FaultKind::ControllerChange => self.depose(until),
            FaultKind::Shutdown => {
                let now = self.now;
                let copied = self.nodes[node].disk.rolled_back;
                if let Some(process) = &mut self.nodes[node].process
                    && !copied
                {
                    process.stopping.get_or_insert(now);
                }
            }
            FaultKind::Resign => self.resign(node),
            FaultKind::DeleteRecords => self.delete_records(),
            FaultKind::MinIsr => self.change_min_isr(),
            FaultKind::ReplaceTopic => self.replace_topic(),
            FaultKind::Wipe => self.wipe(node, until),
            FaultKind::RollBack => self.roll_back(node, until),
            FaultKind::ClockJump => self.jump(node, until),
            FaultKind::Damage => self.damage(node, until),
        }
    }

    /// Sets a fault right.
    pub(super) fn repair(&mut self, repair: Repair) {
        match repair {
            Repair::Start(node) => self.start(node),
            Repair::Link(from, to) => self.network.set_blocked(from, to, false),
            Repair::Storm => self.network.storm = 0,
            Repair::Elect => self.quorum.elect(self.now),
            Repair::Clock(node) => self.nodes[node].clock.put_right(),
            Repair::Mend(node, at) => self.on_node(node, |node, ctx| node.mend(at, ctx)),
            Repair::Replace(node) => {
                if self.nodes[node].disk.rolled_back {
                    self.on_node(node, |node, ctx| node.crash(true, ctx));
                    self.replace_disk(node);
                    self.start(node);
                }
            }
        }
    }

    /// A broker that was asked to stop has nothing left to lead, or nobody answers it.
    pub(super) fn end_if_stopped(&mut self, index: usize) {
        let Some(process) = &self.nodes[index].process else {
            return;
        };
        let Some(since) = process.stopping else {
            return;
        };
        if process.may_stop || self.now - since > 1_500_000 {
            self.on_node(index, Node::stop);
            let again = self.now + self.rng.within(self.settings.fault_length_us);
            self.schedule
                .add(again, Event::Repair(Repair::Start(index)));
        }
    }

    fn crash(&mut self, node: usize, until: Time) {
        // A copied disk is found out when it registers. One that starts twice before the controller
        // hears of it is not: see docs/simulation.md.
        let disk = &self.nodes[node].disk;
        if disk.rolled_back && !disk.found_out {
            return;
        }
        let power = self.rng.chance(600);
        self.on_node(node, |node, ctx| node.crash(power, ctx));
        self.schedule.add(until, Event::Repair(Repair::Start(node)));
    }

    fn cut(&mut self, from: Endpoint, to: Endpoint, until: Time) {
        if from != to {
            self.network.set_blocked(from, to, true);
            self.schedule
                .add(until, Event::Repair(Repair::Link(from, to)));
        }
    }

    /// A clock jumps: mostly far, sometimes by less than may pass unnoticed, and then again: small
    /// jumps must not add up.
    fn jump(&mut self, node: usize, until: Time) {
        let range = if self.rng.chance(300) {
            (1, clock::SLACK.as_millis() as u64)
        } else {
            JUMP_MS
        };
        let by = self.rng.within(range) as i64;
        let by = if self.rng.chance(600) { by } else { -by };
        self.nodes[node].clock.jump(by);
        self.trace.log(self.now, || {
            format!("node {node} has a clock that jumps by {by} ms")
        });
        self.schedule.add(until, Event::Repair(Repair::Clock(node)));
    }

    fn damage(&mut self, node: usize, until: Time) {
        if self.topics.is_empty() {
            return;
        }
        let at = self.topics[self.rng.index(self.topics.len())];
        let mut left = false;
        self.on_node(node, |node, ctx| left = node.damage(at, ctx));
        if left {
            self.schedule
                .add(until, Event::Repair(Repair::Mend(node, at)));
        }
    }

    fn depose(&mut self, until: Time) {
        let agreed = self.rng.chance(500);
        if self.quorum.is_busy() {
            self.oracle.saw(if agreed {
                Situation::DecidedByTheGone
            } else {
                Situation::DecisionLost
            });
        }
        let progress = self.quorum.depose(agreed);
        self.carry_on(progress);
        let soon = self.now + self.rng.within((5_000, 200_000));
        self.schedule
            .add(until.min(soon), Event::Repair(Repair::Elect));
    }

    pub(super) fn resign(&mut self, node: usize) {
        let topics = self.topics.clone();
        self.on_node(node, |node, ctx| {
            let Some(process) = &mut node.process else {
                return;
            };
            for at in topics {
                let led = process.replicas.get(&at).and_then(Replica::leadership);
                if let Some(epoch) = led {
                    process.resign(at, epoch, ctx);
                }
            }
        });
    }

    fn delete_records(&mut self) {
        if self.topics.is_empty() {
            return;
        }
        let at = self.topics[self.rng.index(self.topics.len())];
        let permille = self.rng.within((0, 1000)) as u32;
        let clients = self.nodes.len() + 1;
        for node in 0..self.nodes.len() {
            self.send(clients, node, Message::DeleteRecords(at, permille));
        }
    }

    fn change_min_isr(&mut self) {
        if self.topics.is_empty() {
            return;
        }
        let at = self.topics[self.rng.index(self.topics.len())];
        let value = self.rng.within((1, 3));
        self.ask_for_minimum(at, value);
    }

    /// A person sets `min.insync.replicas` of a topic.
    pub(super) fn ask_for_minimum(&mut self, at: TopicPartition, value: u64) {
        let alteration = AlterConfig {
            resource: ConfigResource::Topic(at.partition_name()),
            replace_all: false,
            operations: vec![(
                "min.insync.replicas".to_owned(),
                ConfigOperation::Set(value.to_string()),
            )],
        };
        let command = Command::AlterConfigs {
            alterations: vec![alteration],
            validate_only: false,
        };
        self.quorum.ask(Asker::Operator, command);
    }

    fn replace_topic(&mut self) {
        if self.topics.is_empty() {
            return;
        }
        let at = self.topics.swap_remove(self.rng.index(self.topics.len()));
        self.silence(at.topic);
        let topics = vec![TopicReference::Id(at.topic)];
        self.quorum
            .ask(Asker::Operator, Command::DeleteTopics { topics });
        self.add_topic();
    }

    /// Whether every partition can lose this disk: another member of the ISR holds everything.
    fn can_spare(&self, node: usize) -> bool {
        let broker = BrokerId(node as i32);
        let others = self.nodes.iter().filter(|other| other.index != node);
        let mut spare = !self.quorum.is_busy() && others.clone().all(|n| !n.disk.rolled_back);
        for (_, topic) in self.quorum.image.topics.iter() {
            for record in &topic.partitions {
                let another = record.isr.iter().any(|member| {
                    others
                        .clone()
                        .any(|other| other.replica() == member.replica)
                });
                spare &= another && record.leader != Some(broker);
            }
        }
        spare
    }

    fn wipe(&mut self, node: usize, until: Time) {
        if self.can_spare(node) && !self.nodes[node].disk.rolled_back {
            self.on_node(node, |node, ctx| node.crash(true, ctx));
            self.replace_disk(node);
            self.schedule.add(until, Event::Repair(Repair::Start(node)));
        }
    }

    /// An empty disk takes the place of the present one; the operator admits it.
    pub(super) fn replace_disk(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.process = None;
        node.disk = Disk::new(Incarnation(self.rng.next_u64() | 1));
        self.snapshots.remove(&index);
        let replica = node.replica();
        self.quorum.ask(Asker::Operator, Command::Admit(replica));
        self.trace.log(self.now, || {
            format!("node {index} gets an empty disk {replica}")
        });
    }

    /// Takes a copy of a disk, or sets the disk back to the copy taken before. The controller must
    /// have seen a later start than the copy's: without that, nobody can tell the two apart.
    fn roll_back(&mut self, index: usize, until: Time) {
        let broker = BrokerId(index as i32);
        let seen = self
            .quorum
            .image
            .brokers
            .get(&broker)
            .filter(|record| record.incarnation == self.nodes[index].disk.incarnation)
            .map(|record| record.start);
        let usable = self.snapshots.get(&index).is_some_and(|copy| {
            seen.is_some_and(|seen| seen > copy.start)
                && copy.incarnation == self.nodes[index].disk.incarnation
        });
        if !usable {
            let mut copy = self.nodes[index].disk.clone();
            copy.crash(true, &mut self.rng);
            self.snapshots.insert(index, copy);
            return;
        }
        if !self.can_spare(index) {
            return;
        }
        if let Some(mut copy) = self.snapshots.remove(&index) {
            copy.rolled_back = true;
            self.on_node(index, |node, ctx| node.crash(true, ctx));
            self.nodes[index].disk = copy;
            self.trace
                .log(self.now, || format!("node {index} has an older disk"));
            self.schedule
                .add(until, Event::Repair(Repair::Start(index)));
            let noticed = until + self.rng.within((200_000, 2_000_000));
            self.schedule
                .add(noticed, Event::Repair(Repair::Replace(index)));
        }
    }
}
