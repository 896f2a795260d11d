//! The quorum, as what it promises: one durable log of agreed changes, led by one controller at a
//! time, sometimes by none. How it keeps that promise is tested where it is built.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::controller::{
    Command, Controller, ControllerOptions, Draft, HeartbeatAnswer, Outcome, QuorumView,
};
use holdfast_kernel::image::{Change, ChangeBatch, ClusterImage, FEATURE_LEVEL, change_format};
use holdfast_model::{BrokerEpoch, BrokerId, Monotonic, ReplicaId, TopicPartition};

use crate::Time;
use crate::profile::Settings;

/// Requests that wait for the entry in flight.
const QUEUE: usize = 256;

/// Batches that one answer carries.
const IMAGE_BATCHES: usize = 32;

/// Who asked, and under which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A broker.
    Node(usize, u64),
    /// The person who runs the cluster; asks again until it is done.
    Operator,
    /// Whoever stops brokers with permits.
    Roller,
    /// Somebody else who wants permits, and listens to no answer.
    Rival,
}

/// An entry that the quorum is agreeing on.
#[derive(Debug)]
struct InFlight {
    batch: ChangeBatch,
    answers: Vec<(Asker, Command, Outcome)>,
    voters: QuorumView,
}

/// The agreed log and whoever leads it.
#[derive(Debug)]
pub struct Quorum {
    /// The image with everything agreed on.
    pub image: ClusterImage,
    log: Vec<Arc<ChangeBatch>>,
    controller: Option<Controller>,
    term: u64,
    queue: VecDeque<(Asker, Command)>,
    in_flight: Option<InFlight>,
    options: ControllerOptions,
}

/// What a step of the quorum has brought.
#[derive(Debug, Default)]
pub struct Progress {
    /// Answers to those who asked.
    pub answers: Vec<(Asker, Outcome)>,
    /// Partitions whose records changed.
    pub changed: Vec<TopicPartition>,
    /// The entry that was agreed on.
    pub batch: Option<Arc<ChangeBatch>>,
    /// The voters that answered when it was decided.
    pub voters: QuorumView,
}

impl Quorum {
    /// A quorum whose image is empty.
    pub fn new(settings: &Settings) -> Self {
        let options = ControllerOptions {
            session_timeout: Duration::from_micros(settings.session_us),
            heartbeat_interval: Duration::from_millis(100),
            election_wait: Duration::from_micros(settings.election_wait_us),
            preferred_interval: Duration::from_secs(1),
            settle_time: Duration::from_secs(2),
            planted: settings.planted,
            ..ControllerOptions::default()
        };
        Self {
            image: ClusterImage::default(),
            log: Vec::new(),
            controller: None,
            term: 0,
            queue: VecDeque::new(),
            in_flight: None,
            options,
        }
    }

    /// The first entry: formation names the disks.
    pub fn form(&mut self, disks: &[ReplicaId]) {
        let level = std::iter::once(Change::SetFeatureLevel(FEATURE_LEVEL));
        let changes = level.chain(disks.iter().map(|disk| Change::Admit(*disk)));
        let batch = ChangeBatch {
            format: change_format(FEATURE_LEVEL),
            decided_on: self.image.version,
            changes: changes.collect(),
        };
        self.agree(batch, QuorumView::default());
    }

    /// Whether nobody is left who may lead a partition: only an operator's recovery helps.
    pub fn is_stranded(&self, at: TopicPartition) -> bool {
        self.image.partition(at).is_some_and(|record| {
            let mut holders = record.isr.iter().chain(&record.elr);
            !holders.any(|member| {
                self.image.admitted.get(&member.replica.broker) == Some(&member.replica.incarnation)
            })
        })
    }

    /// The present term.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Whether an entry is being agreed on.
    pub fn is_busy(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Whether somebody leads.
    pub fn has_controller(&self) -> bool {
        self.controller.is_some()
    }

    /// Whether the operator still waits for something.
    pub fn operator_waits(&self) -> bool {
        let queued = self
            .queue
            .iter()
            .any(|(asker, _)| *asker == Asker::Operator);
        let in_flight = self.in_flight.iter().flat_map(|entry| &entry.answers);
        queued
            || in_flight
                .into_iter()
                .any(|(asker, ..)| *asker == Asker::Operator)
    }

    /// The leader is gone. The entry in flight may or may not have been agreed on; nobody gets an
    /// answer. What a controller knew beyond the image is lost.
    pub fn depose(&mut self, agreed: bool) -> Progress {
        self.controller = None;
        self.term += 1;
        self.queue.retain(|(asker, _)| *asker == Asker::Operator);
        let Some(entry) = self.in_flight.take() else {
            return Progress::default();
        };
        for (asker, command, _) in &entry.answers {
            if *asker == Asker::Operator && !agreed {
                self.queue.push_back((*asker, command.clone()));
            }
        }
        if agreed {
            self.agree(entry.batch, entry.voters)
        } else {
            Progress::default()
        }
    }

    /// A leader takes office.
    pub fn elect(&mut self, now: Time) {
        if self.controller.is_none() {
            let controller = Controller::new(self.options.clone(), &self.image, monotonic(now));
            self.controller = Some(controller);
        }
    }

    /// A request; refused silently where nobody leads.
    pub fn ask(&mut self, asker: Asker, command: Command) {
        let taken = self.controller.is_some() || asker == Asker::Operator;
        if taken && self.queue.len() < QUEUE {
            self.queue.push_back((asker, command));
        }
    }

    /// A broker reports.
    pub fn heartbeat(
        &mut self,
        broker: BrokerId,
        epoch: BrokerEpoch,
        ready: bool,
        now: Time,
    ) -> Option<HeartbeatAnswer> {
        let controller = self.controller.as_mut()?;
        Some(controller.heartbeat(&self.image, broker, epoch, ready, monotonic(now)))
    }

    /// The controller finds that no process listens at a broker's address.
    pub fn finds_nobody(&mut self, broker: BrokerId) {
        if let Some(controller) = self.controller.as_mut() {
            controller.sessions_mut().refuses_connections(broker);
        }
    }

    /// Committed changes that a broker with an image of this version lacks.
    pub fn changes_from(&self, version: u64) -> Vec<Arc<ChangeBatch>> {
        let from = (version as usize).min(self.log.len());
        self.log[from..]
            .iter()
            .take(IMAGE_BATCHES)
            .cloned()
            .collect()
    }

    /// The controller decides what is due. What changes nothing is answered at once.
    pub fn control(&mut self, voters: QuorumView, now: Time) -> Progress {
        let Some(controller) = self
            .controller
            .as_mut()
            .filter(|_| self.in_flight.is_none())
        else {
            return Progress::default();
        };
        controller.set_quorum_view(voters.clone());
        let mut draft: Draft = controller.tick(&self.image, monotonic(now));
        let mut answers = Vec::new();
        for (asker, command) in self.queue.drain(..) {
            let outcome = controller.decide(&mut draft, &command, monotonic(now));
            answers.push((asker, command, outcome));
        }
        if draft.is_empty() {
            let answers = answers
                .into_iter()
                .map(|(asker, _, outcome)| (asker, outcome));
            return Progress {
                answers: answers.collect(),
                ..Progress::default()
            };
        }
        let batch = draft.into_batch(self.image.version);
        self.in_flight = Some(InFlight {
            batch,
            answers,
            voters,
        });
        Progress::default()
    }

    /// The quorum has agreed on the entry of a term.
    pub fn commit(&mut self, term: u64, now: Time) -> Progress {
        if term != self.term {
            return Progress::default();
        }
        let Some(entry) = self.in_flight.take() else {
            return Progress::default();
        };
        if let Some(controller) = self.controller.as_mut() {
            controller.observe(&entry.batch.changes, monotonic(now));
        }
        let mut progress = self.agree(entry.batch, entry.voters);
        progress.answers = entry
            .answers
            .into_iter()
            .map(|(asker, _, outcome)| (asker, outcome))
            .collect();
        progress
    }

    fn agree(&mut self, batch: ChangeBatch, voters: QuorumView) -> Progress {
        let applied = self.image.apply_batch(&batch);
        assert!(applied, "the entry was decided on the newest image");
        let changed = batch.changes.iter().filter_map(|change| match change {
            Change::PutPartition { at, .. } => Some(*at),
            _ => None,
        });
        let changed = changed.collect();
        let batch = Arc::new(batch);
        self.log.push(Arc::clone(&batch));
        Progress {
            answers: Vec::new(),
            changed,
            batch: Some(batch),
            voters,
        }
    }
}

fn monotonic(now: Time) -> Monotonic {
    Monotonic(now * 1000)
}
