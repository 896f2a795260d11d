//! The loop that decides, while this node leads the quorum.
//!
//! One command after the other is decided on a draft of the newest image; the changes of all that
//! wait go to the quorum as one entry. The next ones wait until it is committed, so that decisions
//! always start from what was agreed.

use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::controller::{
    Command, Controller, ControllerOptions, Draft, Failure, HeartbeatAnswer, Outcome, QuorumView,
};
use holdfast_kernel::image::ClusterImage;
use holdfast_model::{BrokerEpoch, BrokerId, Clock, ErrorCode};
use holdfast_quorum::{Leadership, Quorum};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::ANSWERS_WITHIN_MS;

/// Commands that wait for the loop; more are refused as overload.
const QUEUE: usize = 1024;

/// Commands decided together.
const COMMANDS_PER_ENTRY: usize = 256;

/// How often the loop looks at sessions and vacancies when nobody asks.
const TICK: Duration = Duration::from_millis(25);

/// A command and who waits for its outcome.
#[derive(Debug)]
pub struct Submission {
    command: Command,
    answer: oneshot::Sender<Result<Outcome, Refusal>>,
}

/// Why a command was not decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This node does not lead the quorum, or not yet with a complete image.
    NotController,
    /// Too much waits.
    Overloaded,
    /// The quorum did not answer: it may or may not have been committed.
    Unknown,
}

/// The way into the loop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OfficeHandle {
    commands: mpsc::Sender<Submission>,
    controller: Arc<Mutex<Option<Controller>>>,
    quorum: Quorum,
    clock: Arc<dyn Clock>,
}

impl OfficeHandle {
    /// Decides a command here.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn submit(&self, command: Command) -> Result<Outcome, Refusal> {
        let (answer, outcome) = oneshot::channel();
        if self.controller.lock().is_none() {
            return Err(Refusal::NotController);
        }
        self.commands
            .try_send(Submission { command, answer })
            .map_err(|_full| Refusal::Overloaded)?;
        outcome.await.unwrap_or(Err(Refusal::Unknown))
    }

    /// A broker reports; none if this node is not the controller, or cannot know: one that hears no
    /// majority of the quorum may have a successor.
    pub fn heartbeat(
        &self,
        broker: BrokerId,
        epoch: BrokerEpoch,
        ready: bool,
    ) -> Option<HeartbeatAnswer> {
        let now = self.clock.monotonic();
        let image = self.quorum.image();
        let mut guard = self.controller.lock();
        let controller = guard.as_mut()?;
        if !self
            .quorum
            .hears_majority(controller.options().session_timeout)
        {
            return None;
        }
        Some(controller.heartbeat(&image, broker, epoch, ready, now))
    }

    /// A broker's address refuses connections.
    pub fn refuses_connections(&self, broker: BrokerId) {
        if let Some(controller) = self.controller.lock().as_mut() {
            controller.sessions_mut().refuses_connections(broker);
        }
    }

    /// Whether this node is the controller now.
    pub fn is_open(&self) -> bool {
        self.controller.lock().is_some()
    }
}

/// The loop.
#[derive(Debug)]
pub struct Office {
    handle: OfficeHandle,
    commands: mpsc::Receiver<Submission>,
    options: ControllerOptions,
}

impl Office {
    /// A loop and the way into it.
    pub fn new(
        quorum: Quorum,
        clock: Arc<dyn Clock>,
        options: ControllerOptions,
    ) -> (Self, OfficeHandle) {
        let (sender, commands) = mpsc::channel(QUEUE);
        let handle = OfficeHandle {
            commands: sender,
            controller: Arc::default(),
            quorum,
            clock,
        };
        (
            Self {
                handle: handle.clone(),
                commands,
                options,
            },
            handle,
        )
    }

    /// Runs until the process stops.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut leadership = self.handle.quorum.leadership();
        loop {
            let term = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                term = elected(&mut leadership) => term,
            };
            let Some(term) = term else { return };
            self.take_office();
            self.in_office(&mut leadership, term, &stop).await;
            self.leave_office();
        }
    }

    fn take_office(&self) {
        let image = self.handle.quorum.image();
        let now = self.handle.clock.monotonic();
        tracing::info!(image = image.version, "is the controller now");
        *self.handle.controller.lock() = Some(Controller::new(self.options.clone(), &image, now));
    }

    fn leave_office(&mut self) {
        tracing::info!("is no longer the controller");
        *self.handle.controller.lock() = None;
        while let Ok(submission) = self.commands.try_recv() {
            submission.refuse(Refusal::NotController);
        }
    }

    async fn in_office(
        &mut self,
        leadership: &mut watch::Receiver<Leadership>,
        term: u64,
        stop: &CancellationToken,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut waiting = Vec::new();
            tokio::select! {
                // Cancel-safe: recv_many takes nothing until it is ready.
                biased;
                () = stop.cancelled() => return,
                changed = leadership.changed() => if changed.is_err() { return },
                _ = self.commands.recv_many(&mut waiting, COMMANDS_PER_ENTRY) => {}
                _ = tick.tick() => {}
            }
            let current = leadership.borrow().clone();
            if !current.ready || current.term != term {
                for one in waiting {
                    Submission::refuse(one, Refusal::NotController);
                }
                return;
            }
            self.decide(waiting).await;
        }
    }

    async fn decide(&self, waiting: Vec<Submission>) {
        let image = self.handle.quorum.image();
        let (draft, outcomes) = self.draft(&image, &waiting);
        let result = if draft.is_empty() {
            Ok(())
        } else {
            self.commit(draft, &image).await
        };
        for (submission, outcome) in waiting.into_iter().zip(outcomes) {
            match result {
                Ok(()) => submission.answer(outcome),
                Err(refusal) => submission.refuse(refusal),
            }
        }
    }

    /// Which voters answer, for the permit: this node leads them.
    fn quorum_view(&self) -> QuorumView {
        let now = self.handle.clock.wall_ms();
        let answers = |last: Option<i64>| last.is_some_and(|at| now - at < ANSWERS_WITHIN_MS);
        let voters = self.handle.quorum.status().voters.into_iter();
        let voters = voters.map(|voter| (voter.replica, answers(voter.last_answer_ms)));
        QuorumView {
            voters: voters.collect(),
        }
    }

    fn draft(&self, image: &ClusterImage, waiting: &[Submission]) -> (Draft, Vec<Outcome>) {
        let now = self.handle.clock.monotonic();
        // Only a permit asks who votes; heartbeats wait for the lock below.
        let asks = |one: &Submission| matches!(one.command, Command::AcquirePermit(_));
        let view = (image.permit.is_some() || waiting.iter().any(asks)).then(|| self.quorum_view());
        let mut guard = self.handle.controller.lock();
        let Some(controller) = guard.as_mut() else {
            return (Draft::new(image), Vec::new());
        };
        if let Some(view) = view {
            controller.set_quorum_view(view);
        }
        let mut draft = controller.tick(image, now);
        let outcomes = waiting
            .iter()
            .map(|submission| {
                tracing::debug!(command = submission.command.name(), "decides");
                controller.decide(&mut draft, &submission.command, now)
            })
            .collect();
        (draft, outcomes)
    }

    async fn commit(&self, draft: Draft, image: &ClusterImage) -> Result<(), Refusal> {
        let batch = draft.into_batch(image.version);
        match self.handle.quorum.propose(&batch).await {
            Ok(outcome) if outcome.applied => {
                let now = self.handle.clock.monotonic();
                if let Some(controller) = self.handle.controller.lock().as_mut() {
                    controller.observe(&batch.changes, now);
                }
                Ok(())
            }
            other => {
                if let Err(error) = other {
                    tracing::warn!(%error, "the quorum did not take a decision");
                }
                if let Some(controller) = self.handle.controller.lock().as_mut() {
                    controller.lost_sight(image.version);
                }
                Err(Refusal::Unknown)
            }
        }
    }
}

/// Waits until this node leads with a complete image, and says in which term; none once the quorum
/// is gone. A leadership that began before anybody asked counts.
async fn elected(leadership: &mut watch::Receiver<Leadership>) -> Option<u64> {
    let now = leadership.wait_for(|now| now.ready).await;
    now.map(|now| now.term).ok()
}

impl Submission {
    fn answer(self, outcome: Outcome) {
        // Whoever asked may have gone.
        let _gone = self.answer.send(Ok(outcome));
    }

    fn refuse(self, refusal: Refusal) {
        let _gone = self.answer.send(Err(refusal));
    }
}

/// What a client is told when nobody could decide.
pub(super) fn no_controller(detail: &str) -> Outcome {
    Outcome::Failed(Failure::new(ErrorCode::NotController, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_leader_elected_anew_while_it_decided_is_the_controller_again() {
        let of = |term, ready| Leadership {
            term,
            leader: None,
            ready,
        };
        let (sender, mut leadership) = watch::channel(of(3, true));
        assert_eq!(elected(&mut leadership).await, Some(3));
        sender.send_replace(of(4, false));
        sender.send_replace(of(5, true));
        // The loop of term 3 saw that its term is over, and nothing changes after that.
        leadership.borrow_and_update();
        assert_eq!(elected(&mut leadership).await, Some(5));
        sender.send_replace(of(6, false));
        drop(sender);
        assert_eq!(elected(&mut leadership).await, None);
    }
}
