//! A broker and the controller: registration, heartbeats, wishes, the image.

use std::sync::Arc;

use holdfast_kernel::controller::{Command, HeartbeatAnswer, Outcome, Registration, is_final};
use holdfast_kernel::image::{ChangeBatch, Endpoint, FEATURE_LEVEL, Standing};
use holdfast_model::{BrokerEpoch, ErrorCode, Monotonic, StartNumber, TopicPartition};

use super::{ASKED, Asked, Process};
use crate::context::Context;
use crate::disk::Op;
use crate::message::Message;
use crate::profile::Rolls;
use crate::replica::upkeep::Wish;
use crate::roller::zone_of;
use crate::situation::Situation;

/// Time between heartbeats, nanoseconds.
const HEARTBEAT: u64 = 100_000_000;

impl Process {
    pub(super) fn on_tick(&mut self, start: StartNumber, ctx: &mut Context<'_>) {
        let partitions: Vec<TopicPartition> = self.replicas.keys().copied().collect();
        for at in partitions {
            let Some(replica) = self.replicas.get_mut(&at) else {
                continue;
            };
            let wish = replica.tick(&mut self.local, ctx);
            let Some(registration) = self.local.registration else {
                continue;
            };
            let broker = self.local.replica.broker;
            match wish {
                Some(Wish::Isr(proposal)) => {
                    let command = Command::AlterIsr {
                        broker,
                        broker_epoch: registration,
                        proposals: vec![(at, proposal.clone())],
                    };
                    self.ask(Some(Asked::Isr(at, proposal)), command, ctx);
                }
                Some(Wish::Resign(epoch)) => self.resign(at, epoch, ctx),
                None => {}
            }
        }
        if self.local.now >= self.heartbeat_due {
            self.heartbeat_due = Monotonic(self.local.now.0 + HEARTBEAT);
            self.heartbeat(start, ctx);
        }
    }

    /// Asks for another leader in this broker's place.
    pub fn resign(
        &mut self,
        at: TopicPartition,
        epoch: holdfast_model::LeaderEpoch,
        ctx: &mut Context<'_>,
    ) {
        let Some(broker_epoch) = self.local.registration else {
            return;
        };
        let broker = self.local.replica.broker;
        let partitions = vec![(at, epoch)];
        self.ask(
            None,
            Command::Resign {
                broker,
                broker_epoch,
                partitions,
            },
            ctx,
        );
    }

    fn heartbeat(&mut self, start: StartNumber, ctx: &mut Context<'_>) {
        let broker = self.local.replica.broker;
        let registration = self.local.registration;
        let registered = self.image.brokers.get(&broker).map(|record| record.epoch);
        let message = Message::Heartbeat {
            broker,
            epoch: registration,
            ready: registration.is_some() && registered == registration,
            version: self.image.version,
        };
        let controller = ctx.controller();
        ctx.send(self.local.node, controller, message);
        match registration {
            None => {
                let command = Command::Register(self.describe(start, ctx.settings.rolls));
                self.ask(Some(Asked::Register), command, ctx);
            }
            Some(broker_epoch) if self.stopping.is_some() => {
                let command = Command::Shutdown {
                    broker,
                    broker_epoch,
                };
                self.ask(Some(Asked::Shutdown), command, ctx);
            }
            Some(_) if self.report_wanted => {
                self.report_wanted = false;
                let command = Command::Register(self.describe(start, ctx.settings.rolls));
                self.ask(None, command, ctx);
            }
            Some(_) => {}
        }
    }

    fn describe(&self, start: StartNumber, rolls: Rolls) -> Registration {
        let rack = (rolls != Rolls::Never).then(|| zone_of(self.local.node));
        let rpc = Endpoint {
            listener: String::new(),
            host: String::new(),
            port: 0,
        };
        // What is damaged must not be elected for its length.
        let whole = self
            .replicas
            .iter()
            .filter(|(_, replica)| !replica.is_offline());
        let logs = whole.map(|(at, replica)| {
            let log = replica.role.log();
            (*at, log.epochs().last(), log.log_end())
        });
        Registration {
            broker: self.local.replica.broker,
            incarnation: self.local.replica.incarnation,
            start,
            process: self.local.process,
            rack,
            endpoints: Vec::new(),
            rpc,
            logs: logs.collect(),
            version: String::new(),
            max_feature_level: FEATURE_LEVEL,
        }
    }

    fn ask(&mut self, asked: Option<Asked>, command: Command, ctx: &mut Context<'_>) {
        let number = self.local.number();
        if let Some(asked) = asked {
            if self.asked.len() == ASKED {
                self.asked.pop_first();
            }
            self.asked.insert(number, asked);
        }
        let controller = ctx.controller();
        ctx.send(
            self.local.node,
            controller,
            Message::Ask(number, Box::new(command)),
        );
    }

    pub(super) fn on_outcome(&mut self, number: u64, outcome: &Outcome, ctx: &mut Context<'_>) {
        let Some(asked) = self.asked.remove(&number) else {
            return;
        };
        match (asked, outcome) {
            (Asked::Register, Outcome::Registered(epoch)) => self.on_registered(*epoch, ctx),
            (Asked::Isr(at, proposal), Outcome::IsrAltered(results)) => {
                let refused = results.iter().any(|(_, code)| is_final(*code));
                if refused && let Some(replica) = self.replicas.get_mut(&at) {
                    ctx.oracle.saw(Situation::WishRefused);
                    replica.on_refused_wish(&proposal);
                }
            }
            (Asked::Register, Outcome::Failed(failure)) => {
                self.shut_out |= failure.code == ErrorCode::DuplicateBrokerRegistration;
            }
            (Asked::Shutdown, Outcome::Stopping { still_led: 0 }) => self.may_stop = true,
            _ => {}
        }
    }

    fn on_registered(&mut self, epoch: BrokerEpoch, ctx: &mut Context<'_>) {
        if self.local.registration.is_none() {
            self.local.registration = Some(epoch);
            self.apply_views(ctx);
        }
    }

    pub(super) fn on_heard(&mut self, epoch: BrokerEpoch, answer: HeartbeatAnswer) {
        if let HeartbeatAnswer::Known { report, .. } = answer {
            self.report_wanted = report;
        }
        if answer == HeartbeatAnswer::Unknown && self.local.registration == Some(epoch) {
            // Another registration has taken this one's place, or the answer overtook the commit.
            let broker = self.local.replica.broker;
            let newer = self
                .image
                .brokers
                .get(&broker)
                .is_some_and(|record| record.epoch > epoch);
            if newer {
                self.local.registration = None;
            }
        }
    }

    pub(super) fn on_image(&mut self, batches: &[Arc<ChangeBatch>], ctx: &mut Context<'_>) {
        let before = self.image.version;
        for batch in batches {
            if batch.decided_on == self.image.version {
                self.image.apply_batch(batch);
            }
        }
        if self.image.version == before {
            return;
        }
        self.drop_deleted(ctx);
        self.apply_views(ctx);
    }

    /// What was deleted goes. At a start the image may be older than the replicas that the disk has.
    pub(super) fn drop_deleted(&mut self, ctx: &mut Context<'_>) {
        let gone: Vec<TopicPartition> = self
            .replicas
            .keys()
            .filter(|at| {
                let standing = self.image.standing(at.topic, ctx.settings.planted);
                standing == Standing::Deleted
            })
            .copied()
            .collect();
        for at in gone {
            self.replicas.remove(&at);
            ctx.ops.push(Op::Drop(at));
        }
    }
}
