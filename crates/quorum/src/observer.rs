//! Watches openraft: tells who leads, starts snapshots by size, and notices its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::contacts::Contacts;
use crate::leadership::{Leadership, Metrics};
use crate::node::Raft;

pub(crate) struct Observer {
    pub(crate) raft: Raft,
    pub(crate) leadership: watch::Sender<Leadership>,
    pub(crate) contacts: Contacts,
    pub(crate) applied_bytes: Arc<AtomicU64>,
    pub(crate) snapshot_bytes: u64,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Observer {
    /// Runs until shutdown, or until openraft fails: its end then ends the process.
    pub(crate) async fn run(mut self) {
        let mut metrics = self.raft.metrics();
        loop {
            let seen = metrics.borrow_and_update().clone();
            if let Err(fatal) = &seen.running_state {
                if !*self.stopping.borrow() {
                    tracing::error!(error = %fatal, "metadata quorum failed");
                }
                self.leadership.send_replace(Leadership::default());
                return;
            }
            self.observe(&seen).await;
            tokio::select! {
                biased;
                // Both only wait for a change of a value that stays.
                _ = self.stopping.wait_for(|stop| *stop) => {
                    self.leadership.send_replace(Leadership::default());
                    return;
                }
                changed = metrics.changed() => if changed.is_err() {
                    tracing::error!("metadata quorum ended");
                    self.leadership.send_replace(Leadership::default());
                    return;
                }
            }
        }
    }

    async fn observe(&self, metrics: &Metrics) {
        let now = Leadership::of(metrics);
        self.leadership.send_if_modified(|before| {
            let changed = *before != now;
            if changed {
                let leader = now.leader.as_ref().map(|leader| leader.replica.to_string());
                tracing::info!(
                    term = now.term,
                    leader,
                    ready = now.ready,
                    "quorum leadership"
                );
                *before = now;
            }
            changed
        });
        let membership = metrics.membership_config.membership();
        self.contacts
            .keep(|member| membership.get_node(member).is_some());
        if self.applied_bytes.load(Ordering::Relaxed) >= self.snapshot_bytes {
            self.applied_bytes.store(0, Ordering::Relaxed);
            if let Err(error) = self.raft.trigger().snapshot().await {
                tracing::warn!(%error, "snapshot could not be started");
            }
        }
    }
}
