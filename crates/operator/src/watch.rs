//! Watches everything that clusters and topics depend on, once for each kind: what is seen fills the
//! caches and wakes whom it concerns.
//!
//! `kube`'s Controller would open a second watch for each kind that it is to be woken by; so its
//! inner part is used, with a queue that these watches fill.

mod queue;
mod related;
mod resources;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures::Stream;
use holdfast_planner::StorageClassView;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::cache::{Cache, Listed};
use crate::kinds::{KINDS, Kind};
use crate::observe::{ClaimRow, NodeRow, PodRow};
use crate::topic::TopicRow;

pub(crate) use queue::{Wake, queue};
pub(crate) use related::related;
pub(crate) use resources::{Seen, follow_resources};

/// Everything that was seen.
#[derive(Debug)]
pub(crate) struct Caches {
    pub(crate) pods: Cache<PodRow>,
    pub(crate) claims: Cache<ClaimRow>,
    /// The nodes of volumes that cannot leave theirs.
    pub(crate) volumes: Cache<String>,
    pub(crate) nodes: Cache<NodeRow>,
    pub(crate) storage_classes: Cache<StorageClassView>,
    pub(crate) topics: Cache<TopicRow>,
    /// The clusters themselves, which are kept elsewhere.
    pub(crate) clusters: Listed,
    /// Of each kind of child, as text.
    children: BTreeMap<&'static str, Cache<Arc<str>>>,
}

impl Caches {
    pub(crate) fn new() -> Self {
        Self {
            pods: Cache::new(),
            claims: Cache::new(),
            volumes: Cache::new(),
            nodes: Cache::new(),
            storage_classes: Cache::new(),
            topics: Cache::new(),
            clusters: Listed::not_yet(),
            children: KINDS.iter().map(|kind| (kind.name, Cache::new())).collect(),
        }
    }

    pub(crate) fn children(&self, kind: &Kind) -> &Cache<Arc<str>> {
        &self.children[kind.name]
    }

    /// Waits until everything was listed once: before that, nothing may be decided.
    pub(crate) async fn wait(&self) {
        let children = self.children.values().map(|cache| &cache.listed);
        let others = [
            &self.pods.listed,
            &self.claims.listed,
            &self.volumes.listed,
            &self.nodes.listed,
            &self.storage_classes.listed,
            &self.topics.listed,
            &self.clusters,
        ];
        for listed in children.chain(others) {
            listed.wait().await;
        }
    }
}

/// Where resources are watched.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) client: Client,
    /// The only namespace, if there is only one.
    pub(crate) namespace: Option<String>,
}

impl Reach {
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    fn everywhere<K>(&self) -> Api<K>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }
}

/// How many objects a page of a listing has. The first listings of all kinds come at once, and what
/// one page takes while it is read is ten times what is kept of it.
const PAGE: u32 = 100;

/// Everything that has these labels.
fn labelled(selector: &str) -> watcher::Config {
    everything().labels(selector)
}

fn everything() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// The events of a watch that begins again whenever it breaks off, at growing distances.
fn events<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config)
        .modify(|object| object.meta_mut().managed_fields = None)
        .default_backoff()
}
