//! The order in which a broker goes down: leaderships first, then clients, then the disk.

use std::time::Duration;

use holdfast_kernel::controller::{Command, Outcome};
use holdfast_model::ErrorCode;

use super::{Broker, StartError, Stopped};
use crate::controller::Lifecycle;

/// How long one try to be relieved waits for a controller.
const RELIEF_PATIENCE: Duration = Duration::from_millis(500);

/// Pause between two tries while nobody else can lead.
const RELIEF_PAUSE: Duration = Duration::from_millis(50);

/// How long a broker that nobody can relieve keeps trying.
const RELIEF_TRIES: u32 = 20;

/// After the last leadership is gone: time for clients to hear of it from this broker.
const FAREWELL: Duration = Duration::from_millis(300);

/// Tasks that end later than this after they were told are named in the log.
const SOON: Duration = Duration::from_secs(3);

impl Broker {
    /// Serves until a signal asks to stop, then stops in order.
    ///
    /// # Errors
    /// Another process took this broker's place.
    pub async fn run_until_stopped(mut self) -> Result<Stopped, StartError> {
        let asked = self.asked_to_stop.clone();
        let replaced = tokio::select! {
            biased;
            () = asked.cancelled() => None,
            stage = self.lifecycle.wait_for(|stage| matches!(stage, Lifecycle::Replaced(_))) => {
                match stage.as_deref() {
                    Ok(Lifecycle::Replaced(reason)) => Some(reason.clone()),
                    _ => None,
                }
            }
        };
        self.probes.set_stopping();
        let stopped = match &replaced {
            None => self.hand_over().await,
            Some(_) => Stopped::WithLeaderships,
        };
        self.go_down().await;
        replaced.map_or(Ok(stopped), |reason| Err(StartError::Replaced(reason)))
    }

    /// Asks the controller to move every leadership elsewhere.
    async fn hand_over(&self) -> Stopped {
        let Some(broker_epoch) = self.state.environment().broker_epoch() else {
            return Stopped::Gracefully;
        };
        let broker = self.state.id();
        for _ in 0..RELIEF_TRIES {
            let command = Command::Shutdown {
                broker,
                broker_epoch,
            };
            match self.state.controller.submit(command, RELIEF_PATIENCE).await {
                Outcome::Stopping { still_led: 0 } => {
                    tokio::time::sleep(FAREWELL).await;
                    return Stopped::Gracefully;
                }
                Outcome::Stopping { still_led } => {
                    tracing::info!(still_led, "nobody else can lead these partitions yet");
                }
                Outcome::Failed(failure) => {
                    tracing::info!(reason = failure.message, "cannot be relieved");
                    if failure.code == ErrorCode::NotController {
                        // The others are going too: what is synced is safe.
                        return Stopped::WithLeaderships;
                    }
                }
                other => tracing::error!(?other, "impossible answer to a shutdown"),
            }
            tokio::time::sleep(RELIEF_PAUSE).await;
        }
        Stopped::WithLeaderships
    }

    async fn go_down(&self) {
        let deadline = Duration::from_millis(self.state.config.shutdown_timeout_ms);
        let now = self.state.clock.monotonic();
        self.state
            .partitions
            .for_each(|partition| partition.checkpoint(now, true));
        let leaving = self.state.quorum.step_down(Duration::from_millis(500));
        if !leaving.await {
            tracing::debug!("leads the quorum to the end");
        }
        self.last.cancel();
        self.tasks.begin_shutdown();
        self.state.quorum.shutdown().await;
        if let Err(slow) = self.tasks.drain(deadline.min(SOON)).await {
            tracing::info!(running = slow.names.join(", "), "tasks have not ended yet");
            if let Err(late) = self.tasks.drain(deadline.saturating_sub(SOON)).await {
                tracing::warn!(%late, "some tasks did not end in time");
            }
        }
        let state = std::sync::Arc::clone(&self.state);
        let closing = tokio::task::spawn_blocking(move || state.environment().store.close());
        if closing.await.is_err() {
            tracing::error!("closing the store failed");
        }
        tracing::info!("stopped");
    }
}
