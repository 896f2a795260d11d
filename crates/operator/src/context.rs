//! What all reconciles share, and what is remembered of each cluster between two of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_api::{MessageCluster, MessageTopic, RecordedAct};
use holdfast_model::{Clock, Monotonic};
use holdfast_planner::planted::Planted;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};
use parking_lot::Mutex;

use crate::admin::{Access, Door};
use crate::cache::ClusterKey;
use crate::certificates::Life;
use crate::events::Events;
use crate::lease::Leadership;
use crate::metrics::OperatorMetrics;
use crate::outside::Outside;
use crate::watch::Caches;

/// A resource of ours, or what is known of one that cannot be read.
pub(crate) type Guarded<K> = DeserializeGuard<K>;

/// What all reconciles share.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leadership: Leadership,
    pub(crate) caches: Arc<Caches>,
    pub(crate) clusters: Store<Guarded<MessageCluster>>,
    pub(crate) topics: Store<Guarded<MessageTopic>>,
    pub(crate) events: Events,
    pub(crate) metrics: OperatorMetrics,
    /// Bounded by the clusters that there are: each forgets its entry when it is deleted.
    pub(crate) memory: Mutex<BTreeMap<ClusterKey, Remembered>>,
    /// Resources that cannot be read, and the version of which that was said.
    pub(crate) unreadable: Mutex<BTreeMap<String, String>>,
    /// The bug planted in this operator: none.
    pub(crate) planted: Planted,
}

/// What is remembered of a cluster. All of it can be forgotten: it is found again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered {
    /// Of which resource all this is: one that was deleted and made again is another.
    pub(crate) uid: Option<String>,
    /// The newest wish that was seen.
    pub(crate) generation: i64,
    /// The hash of the plan in the status that was written last.
    pub(crate) plan: Option<String>,
    /// It was looked at since this process began.
    pub(crate) was_looked_at: bool,
    /// The permit that was asked for last and refused, and why.
    pub(crate) refused: Option<(BTreeSet<i32>, Vec<String>)>,
    /// The permit that was got last. Only a planted bug asks for it: whose a permit is, its holder says.
    pub(crate) permit: Option<u64>,
    /// What its Secrets held.
    pub(crate) certificates: Option<Certificates>,
    /// The newest acts, for a status that is written while the cache shows an older one.
    pub(crate) acts: Vec<RecordedAct>,
    /// The broker that answered last for its controller.
    pub(crate) door: Option<(String, Door)>,
}

/// What the Secrets of a cluster held, without what is secret in them.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    pub(crate) read_at: Monotonic,
    pub(crate) cluster_id: String,
    pub(crate) certified: Vec<i32>,
    pub(crate) access: Option<Access>,
    /// Of the certificate that ends first.
    pub(crate) life: Option<Life>,
}

impl Remembered {
    /// Says whether the resource is at least as new as any that was seen.
    fn recognise(&mut self, uid: Option<&str>, generation: i64) -> bool {
        if self.uid.as_deref() != uid {
            *self = Self {
                uid: uid.map(str::to_owned),
                ..Self::default()
            };
        }
        let newest = self.generation.max(generation);
        self.generation = newest;
        generation == newest
    }
}

impl Context {
    /// Now, as resources write it.
    pub(crate) fn now_text(&self) -> String {
        time_text(self.clock.wall_ms())
    }

    pub(crate) fn remembered(&self, cluster: &ClusterKey) -> Remembered {
        self.memory.lock().get(cluster).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of a cluster.
    pub(crate) fn remember(&self, cluster: &ClusterKey, change: impl FnOnce(&mut Remembered)) {
        change(self.memory.lock().entry(cluster.clone()).or_default());
    }

    /// Forgets what is remembered of an earlier resource of the same name. Says whether this one is at
    /// least as new as any that was seen: a watch that was broken may be taken up where it was older.
    pub(crate) fn recognise(
        &self,
        cluster: &ClusterKey,
        uid: Option<&str>,
        generation: i64,
    ) -> bool {
        let mut memory = self.memory.lock();
        let memory = memory.entry(cluster.clone()).or_default();
        memory.recognise(uid, generation)
    }

    /// Whether a cluster's resource is there.
    pub(crate) fn has(&self, cluster: &ClusterKey) -> bool {
        let name = ObjectRef::new(&cluster.name).within(&cluster.namespace);
        self.clusters.get(&name).is_some()
    }

    pub(crate) fn forget(&self, cluster: &ClusterKey) {
        self.memory.lock().remove(cluster);
        self.metrics.clusters.forget(cluster);
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// A time in whole seconds, in UTC.
pub(crate) fn time_text(wall_ms: i64) -> String {
    Timestamp::from_second(wall_ms.div_euclid(1000))
        .unwrap_or_default()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_made_again_begins_without_the_acts_of_the_deleted_one() {
        let mut memory = Remembered::default();
        assert!(memory.recognise(Some("u1"), 5));
        memory.acts = vec![RecordedAct::default()];
        assert!(memory.recognise(Some("u1"), 5));
        assert_eq!(memory.acts.len(), 1);
        assert!(memory.recognise(Some("u2"), 1));
        assert!(memory.acts.is_empty());
    }

    #[test]
    fn a_wish_that_is_older_than_one_that_was_seen_is_not_looked_at() {
        let mut memory = Remembered::default();
        assert!(memory.recognise(Some("u1"), 5));
        assert!(!memory.recognise(Some("u1"), 4));
        assert!(memory.recognise(Some("u1"), 5));
        assert!(memory.recognise(Some("u1"), 6));
    }

    #[test]
    fn times_are_written_as_kubernetes_does() {
        assert_eq!(time_text(1_700_000_000_999), "2023-11-14T22:13:20Z");
    }
}
