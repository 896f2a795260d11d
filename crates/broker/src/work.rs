//! Work that partitions ask for while they hold their lock, and that others do without it.

use std::collections::BTreeSet;

use holdfast_model::TopicPartition;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// A set of partitions that want something; asking twice is asking once, so it is bounded by the
/// number of partitions.
#[derive(Debug, Default)]
pub struct Wanted {
    partitions: Mutex<BTreeSet<TopicPartition>>,
    added: Notify,
}

impl Wanted {
    /// Asks for a partition.
    pub fn add(&self, at: TopicPartition) {
        if self.partitions.lock().insert(at) {
            self.added.notify_one();
        }
    }

    /// Takes everything asked for.
    pub fn take(&self) -> BTreeSet<TopicPartition> {
        std::mem::take(&mut *self.partitions.lock())
    }

    /// Waits until something is asked for. Cancel-safe.
    pub async fn wait(&self) {
        loop {
            if !self.partitions.lock().is_empty() {
                return;
            }
            self.added.notified().await;
        }
    }
}

/// What partitions ask for.
#[derive(Debug, Default)]
pub struct Work {
    /// Look whether the ISR should change.
    pub isr: Wanted,
    /// A cut is on disk: read the log's state back.
    pub rebuild: Wanted,
    /// Damage, a refusal or a slow disk was found: give leadership away.
    pub resign: Wanted,
    /// Stored bytes are damaged: mend them.
    pub damaged: Wanted,
    /// A partition of the brokers' own topics changed its role: its coordinator comes or goes.
    pub roles: Wanted,
}
