//! An operator process whose watches, schedule and lease are somebody else's: the simulator's. All
//! that happens between a look and a status is what the real process does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast_api::{MessageCluster, MessageTopic};
use holdfast_model::{Clock, Monotonic};
use holdfast_planner::planted::Planted;
use holdfast_runtime::Metrics;
use kube::Client;
use kube::core::DeserializeGuard;
use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cache::{Cache, ClusterKey, Row};
use crate::cluster;
use crate::context::Context;
use crate::events::Events;
use crate::kinds::KINDS;
use crate::lease::Leadership;
use crate::metrics::OperatorMetrics;
use crate::observe;
use crate::outside::Outside;
use crate::watch::Caches;

/// A process. What it remembers ends with it.
#[derive(Debug)]
pub struct Driven {
    context: Arc<Context>,
}

/// How a reconcile ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What went wrong, if something did.
    pub failure: Option<String>,
    /// When to look again, if nothing changes before; none for never.
    pub again: Option<Duration>,
}

impl Driven {
    /// A process that has seen nothing yet and does not lead.
    pub fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        outside: Arc<dyn Outside>,
        planted: Planted,
    ) -> Self {
        let (clusters, _writer) = reflector::store::<DeserializeGuard<MessageCluster>>();
        let (topics, _writer) = reflector::store::<DeserializeGuard<MessageTopic>>();
        let context = Context {
            events: Events::new(client.clone(), "driven".to_owned()),
            client,
            outside,
            leadership: Leadership::none_yet(Arc::clone(&clock)),
            clock,
            caches: Arc::new(Caches::new()),
            clusters,
            topics,
            metrics: OperatorMetrics::new(&Metrics::new()),
            memory: Mutex::new(BTreeMap::new()),
            unreadable: Mutex::new(BTreeMap::new()),
            planted,
        };
        Self {
            context: Arc::new(context),
        }
    }

    /// The lease was renewed by a request that began then.
    pub fn renewed(&self, asked_at: Monotonic) {
        self.context.leadership.renewed(asked_at);
    }

    /// Whether the process may act.
    pub fn leads(&self) -> bool {
        self.context.leadership.is_held()
    }

    /// Takes in an event of the watch of a kind, by its plural, and says whether it is news.
    ///
    /// # Errors
    /// No such kind is watched, or an object is not of it.
    pub fn take(&self, plural: &str, event: Event<Value>) -> Result<bool, String> {
        let caches = &self.context.caches;
        match plural {
            "pods" => taken(&caches.pods, event, observe::pod_row),
            "persistentvolumeclaims" => taken(&caches.claims, event, observe::claim_row),
            "persistentvolumes" => taken(&caches.volumes, event, observe::volume_row),
            "nodes" => taken(&caches.nodes, event, observe::node_row),
            "storageclasses" => taken(&caches.storage_classes, event, observe::storage_class_row),
            _ => {
                let kind = KINDS.iter().find(|kind| kind.plural == plural);
                let kind = kind.ok_or_else(|| format!("{plural} are not watched"))?;
                let row = |object| observe::child_row(kind, object);
                taken(caches.children(kind), event, row)
            }
        }
    }

    /// The resource is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.context.forget(&ClusterKey::new(namespace, name));
    }

    /// One reconcile. Whoever drops it before its end has the process crash there.
    pub fn reconcile(
        &self,
        resource: Arc<DeserializeGuard<MessageCluster>>,
    ) -> BoxFuture<'static, Ended> {
        let context = Arc::clone(&self.context);
        async move {
            match cluster::look_at(resource, context).await {
                Ok(again) => Ended {
                    failure: None,
                    again,
                },
                Err(error) => Ended {
                    failure: Some(error.to_string()),
                    again: Some(error.class().pause()),
                },
            }
        }
        .boxed()
    }
}

fn taken<K: DeserializeOwned, V: Clone + PartialEq>(
    cache: &Cache<V>,
    event: Event<Value>,
    row: impl Fn(K) -> Option<Row<V>>,
) -> Result<bool, String> {
    let typed = |object| serde_json::from_value(object).map_err(|error| error.to_string());
    let event = match event {
        Event::Apply(object) => Event::Apply(typed(object)?),
        Event::Delete(object) => Event::Delete(typed(object)?),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(typed(object)?),
        Event::InitDone => Event::InitDone,
    };
    Ok(!cache.take(event, row).is_empty())
}
