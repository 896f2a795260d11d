//! The controller's side of a run: requests, commits, images on their way to brokers.

use holdfast_kernel::controller::{Command, NewTopic};
use holdfast_kernel::image::{Change, ChangeBatch};
use holdfast_model::BrokerId;

use super::World;
use crate::event::{Endpoint, Event};
use crate::message::Message;
use crate::profile::Rolls;
use crate::quorum::{Asker, Progress};
use crate::replica::{PartitionName, names};

impl World {
    pub(super) fn on_controller(&mut self, from: Endpoint, message: Message) {
        match message {
            Message::Heartbeat {
                broker,
                epoch,
                ready,
                version,
            } => {
                let me = self.nodes.len();
                if let Some(epoch) = epoch
                    && let Some(answer) = self.quorum.heartbeat(broker, epoch, ready, self.now)
                {
                    self.send(me, from, Message::Heard(epoch, answer));
                }
                let changes = self.quorum.changes_from(version);
                if !changes.is_empty() {
                    self.send(me, from, Message::Image(changes));
                }
            }
            Message::Ask(number, command) => {
                self.quorum.ask(Asker::Node(from, number), *command);
            }
            _ => {}
        }
    }

    pub(super) fn control(&mut self) {
        if self.quorum.has_controller() {
            self.make_topics();
            self.look_for_the_dead();
        }
        let progress = self.quorum.control(self.voters(), self.now);
        self.carry_on(progress);
        self.agree_later();
        let again = self.now + self.rng.within((10_000, 40_000));
        self.schedule.add(again, Event::Control);
    }

    fn agree_later(&mut self) {
        if self.quorum.is_busy() {
            let at = self.now + self.rng.within(self.settings.commit_us);
            self.schedule.add(
                at,
                Event::Commit {
                    term: self.quorum.term(),
                },
            );
        }
    }

    pub(super) fn commit(&mut self, term: u64) {
        let progress = self.quorum.commit(term, self.now);
        self.carry_on(progress);
        if self.rng.chance(500) {
            let progress = self.quorum.control(self.voters(), self.now);
            self.carry_on(progress);
            self.agree_later();
        }
    }

    pub(super) fn carry_on(&mut self, progress: Progress) {
        let me = self.nodes.len();
        for at in progress.changed {
            self.oracle
                .check_members(&self.quorum.image, at, &self.nodes);
            let image = &self.quorum.image;
            self.trace.log(self.now, || match image.partition(at) {
                None => format!("{} is gone", at.partition_name()),
                Some(record) => format!(
                    "agreed {}: leader {:?} epoch {} isr {:?} eligible {:?} min {} version {}",
                    at.partition_name(),
                    record.leader.map(|leader| leader.0),
                    record.leader_epoch,
                    names(record.isr.iter().map(|member| member.replica.broker)),
                    names(record.elr.iter().map(|member| member.replica.broker)),
                    record.min_isr,
                    record.partition_epoch,
                ),
            });
        }
        if let Some(batch) = progress.batch {
            if self.settings.rolls != Rolls::Never {
                self.trace_permits(&batch);
                self.oracle
                    .agreed(&batch, &progress.voters, self.settings.rolls);
            }
            for node in 0..self.nodes.len() {
                self.send(me, node, Message::Image(vec![batch.clone()]));
            }
        }
        for (asker, outcome) in progress.answers {
            match asker {
                Asker::Node(node, number) => {
                    self.send(me, node, Message::Outcome(number, Box::new(outcome)));
                }
                // An answer is lost now and then.
                Asker::Roller if self.rng.chance(900) => {
                    self.trace
                        .log(self.now, || format!("the roller hears {outcome:?}"));
                    self.roller.on_outcome(&outcome);
                }
                Asker::Roller | Asker::Rival | Asker::Operator => {}
            }
        }
    }

    fn trace_permits(&mut self, batch: &ChangeBatch) {
        for change in &batch.changes {
            if matches!(change, Change::PutPermit(_) | Change::EndPermit { .. }) {
                self.trace.log(self.now, || format!("agreed {change:?}"));
            }
        }
    }

    /// Asks for topics that are wanted and do not exist.
    fn make_topics(&mut self) {
        let missing = self
            .topics
            .iter()
            .find(|at| self.quorum.image.partition(**at).is_none());
        let Some(at) = missing.copied() else {
            return;
        };
        if self.quorum.operator_waits() {
            return;
        }
        let min_isr = self.settings.min_isr.to_string();
        let topic = NewTopic {
            id: at.topic,
            name: at.partition_name(),
            partitions: Some(1),
            replication_factor: Some(3),
            assignments: std::collections::BTreeMap::new(),
            configs: [("min.insync.replicas".to_owned(), min_isr)].into(),
        };
        let command = Command::CreateTopics {
            topics: vec![topic],
            validate_only: false,
        };
        self.quorum.ask(Asker::Operator, command);
    }

    /// The controller tries the addresses of brokers: where no process is, connections are refused.
    fn look_for_the_dead(&mut self) {
        let me = self.nodes.len();
        for node in 0..me {
            let reached = !self.network.is_blocked(me, node) && !self.network.is_blocked(node, me);
            if self.nodes[node].process.is_none() && reached && self.rng.chance(100) {
                self.quorum.finds_nobody(BrokerId(node as i32));
            }
        }
    }
}
