//! The replicas on this broker.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use holdfast_model::{LeaderEpoch, Offset, TopicPartition};
use holdfast_store::{CommitSink, Completed, GroupStats};
use parking_lot::RwLock;

use crate::environment::Environment;
use crate::metrics::StoreMetrics;
use crate::partition::{Partition, by_partition};

/// Every replica that this broker holds, by partition.
#[derive(Debug)]
pub struct Partitions {
    by_id: RwLock<HashMap<TopicPartition, Arc<Partition>>>,
    environment: OnceLock<Arc<Environment>>,
    store_metrics: StoreMetrics,
}

impl Partitions {
    /// None yet. The store is opened with this as its sink; its surroundings follow.
    pub fn new(store_metrics: StoreMetrics) -> Self {
        Self {
            by_id: RwLock::default(),
            environment: OnceLock::new(),
            store_metrics,
        }
    }

    /// Sets the surroundings, once.
    pub fn attach(&self, environment: Arc<Environment>) {
        if self.environment.set(environment).is_err() {
            tracing::error!("partitions were attached twice");
        }
    }

    /// The surroundings.
    pub fn environment(&self) -> &Arc<Environment> {
        self.environment
            .get()
            .expect("attached before the first use")
    }

    /// A replica.
    pub fn get(&self, at: TopicPartition) -> Option<Arc<Partition>> {
        self.by_id.read().get(&at).map(Arc::clone)
    }

    /// Adds a replica, if there is none yet.
    pub fn insert(&self, partition: Arc<Partition>) {
        self.by_id
            .write()
            .entry(partition.at())
            .or_insert(partition);
    }

    /// Forgets a replica.
    pub fn remove(&self, at: TopicPartition) -> Option<Arc<Partition>> {
        self.by_id.write().remove(&at)
    }

    /// Every replica.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.by_id.read().values().map(Arc::clone).collect()
    }

    /// Where the log of each replica ends, for elections among replicas that restarted. What is
    /// offline must not be elected for its length.
    pub fn log_ends(&self) -> Vec<(TopicPartition, LeaderEpoch, Offset)> {
        self.all()
            .iter()
            .filter(|partition| partition.offline_reason().is_none())
            .map(|partition| {
                let (epoch, end) = partition.log_report();
                (partition.at(), epoch, end)
            })
            .collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Does something with each. The registry is not locked meanwhile.
    pub fn for_each(&self, mut action: impl FnMut(&Arc<Partition>)) {
        for partition in self.all() {
            action(&partition);
        }
    }

    fn trim_tail(&self) {
        if let Some(environment) = self.environment.get() {
            environment
                .tail
                .trim(|at, base| self.get(at).is_none_or(|partition| partition.evict(base)));
        }
    }
}

impl CommitSink for Partitions {
    fn committed(&self, group: &[Completed]) {
        for (at, steps) in by_partition(group) {
            if let Some(partition) = self.get(at) {
                partition.committed(steps.into_iter());
            }
        }
        self.trim_tail();
    }

    fn measured(&self, stats: &GroupStats) {
        self.store_metrics.observe(stats);
    }
}
