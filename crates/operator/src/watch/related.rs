//! What clusters depend on: their children, pods and claims, and the nodes, volumes and classes of the
//! Kubernetes cluster.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use holdfast_api::{CLUSTER_LABEL, MessageCluster};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::DynamicObject;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::Store;
use kube::runtime::watcher::{self, Event};

use super::{Caches, Reach, Wake, events, everything, labelled};
use crate::cache::{Cache, ClusterKey, Row};
use crate::kinds::{KINDS, Kind, MANAGED_BY, MANAGER};
use crate::observe;

/// A watch with its name; it never ends.
pub(crate) type Watch = (String, BoxFuture<'static, ()>);

/// All of them. They wake clusters.
pub(crate) fn related(
    reach: &Reach,
    caches: &Arc<Caches>,
    clusters: &Store<DeserializeGuard<MessageCluster>>,
    wake: &Wake,
) -> Vec<Watch> {
    let whom = Whom {
        wake: wake.clone(),
        clusters: clusters.clone(),
    };
    let ours = labelled(CLUSTER_LABEL);
    let mut watches: Vec<Watch> = vec![
        {
            let (caches, events) = (Arc::clone(caches), events(reach.api::<Pod>(), ours.clone()));
            let whom = whom.clone();
            let watch = async move { follow(events, &caches.pods, observe::pod_row, &whom).await };
            ("watch pods".to_owned(), watch.boxed())
        },
        {
            let events = events(reach.api::<PersistentVolumeClaim>(), ours);
            let (caches, whom) = (Arc::clone(caches), whom.clone());
            let row = observe::claim_row;
            let watch = async move { follow(events, &caches.claims, row, &whom).await };
            ("watch claims".to_owned(), watch.boxed())
        },
    ];
    watches.extend(of_kubernetes(reach, caches, &whom));
    watches.extend(
        KINDS
            .iter()
            .map(|kind| children(kind, reach, caches, &whom)),
    );
    watches
}

fn of_kubernetes(reach: &Reach, caches: &Arc<Caches>, whom: &Whom) -> Vec<Watch> {
    let nodes = {
        let events = events(reach.everywhere::<Node>(), everything());
        let (caches, whom) = (Arc::clone(caches), whom.clone());
        async move { follow(events, &caches.nodes, observe::node_row, &whom).await }
    };
    let classes = {
        let events = events(reach.everywhere::<StorageClass>(), everything());
        let (caches, whom) = (Arc::clone(caches), whom.clone());
        let row = observe::storage_class_row;
        async move { follow(events, &caches.storage_classes, row, &whom).await }
    };
    let volumes = {
        let events = events(reach.everywhere::<PersistentVolume>(), everything());
        let caches = Arc::clone(caches);
        // Its claim changes when a volume is bound, and wakes the one cluster that it is about.
        async move {
            let mut events = pin!(events);
            while let Some(event) = events.next().await {
                if let Some(event) = logged("volumes", event) {
                    caches.volumes.take(event, observe::volume_row);
                }
            }
        }
    };
    vec![
        ("watch nodes".to_owned(), nodes.boxed()),
        ("watch storage classes".to_owned(), classes.boxed()),
        ("watch volumes".to_owned(), volumes.boxed()),
    ]
}

fn children(kind: &'static Kind, reach: &Reach, caches: &Arc<Caches>, whom: &Whom) -> Watch {
    let resource = kind.resource();
    let api: Api<DynamicObject> = match &reach.namespace {
        Some(namespace) => Api::namespaced_with(reach.client.clone(), namespace, &resource),
        None => Api::all_with(reach.client.clone(), &resource),
    };
    let config = labelled(&format!("{MANAGED_BY}={MANAGER}"));
    let events = kube::runtime::watcher(api, config);
    let events = kube::runtime::WatchStreamExt::default_backoff(events);
    let (caches, whom) = (Arc::clone(caches), whom.clone());
    let watch = async move {
        let row = |object| observe::child_row(kind, object);
        follow(events, caches.children(kind), row, &whom).await;
    };
    (format!("watch {}", kind.plural), watch.boxed())
}

/// Keeps what is seen, and wakes whom it concerns.
async fn follow<K, V>(
    events: impl Stream<Item = watcher::Result<Event<K>>>,
    cache: &Cache<V>,
    row: impl Fn(K) -> Option<Row<V>> + Send + Sync,
    whom: &Whom,
) where
    K: Debug,
    V: Clone + PartialEq,
{
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        if let Some(event) = logged(std::any::type_name::<K>(), event) {
            for cluster in cache.take(event, &row) {
                whom.wake(&cluster).await;
            }
        }
    }
}

/// A watch begins again by itself after an error.
pub(super) fn logged<K>(kind: &str, event: watcher::Result<Event<K>>) -> Option<Event<K>> {
    event
        .inspect_err(|error| tracing::warn!(kind, %error, "a watch broke off; it begins again"))
        .ok()
}

/// Whom something concerns.
#[derive(Clone)]
struct Whom {
    wake: Wake,
    clusters: Store<DeserializeGuard<MessageCluster>>,
}

impl Whom {
    /// What belongs to no cluster concerns all.
    async fn wake(&self, cluster: &ClusterKey) {
        if *cluster != ClusterKey::default() {
            return self.wake.wake(&cluster.namespace, &cluster.name).await;
        }
        for resource in self.clusters.state() {
            let metadata = kube::Resource::meta(resource.as_ref());
            let namespace = metadata.namespace.as_deref().unwrap_or_default();
            self.wake
                .wake(namespace, metadata.name.as_deref().unwrap_or_default())
                .await;
        }
    }
}
