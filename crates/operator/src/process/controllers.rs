//! Schedules the reconciles: each resource at most once at a time, a few resources at once, again
//! after a while, and later if it failed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use holdfast_api::{MessageCluster, MessageTopic};
use kube::core::DeserializeGuard;
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, runtime};

use crate::context::Context;
use crate::error::Error;
use crate::{cluster, topic};

/// How many resources of a kind are looked at at once. They wait for answers most of the time.
const AT_ONCE: u16 = 8;

/// How long changes are gathered: a set and its pods change in bursts.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Longer than all that a reconcile waits for, one after the other.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Looks at clusters until their names end.
pub(super) async fn clusters(
    context: Arc<Context>,
    names: impl Stream<Item = (String, String)> + Send + 'static,
) {
    let store = context.clusters.clone();
    run::<MessageCluster, _, _>("MessageCluster", context, store, names, cluster::reconcile).await;
}

/// Looks at topics until their names end. They wait for the first look at every cluster no longer
/// than they would for one that is away.
pub(super) async fn topics(
    context: Arc<Context>,
    names: impl Stream<Item = (String, String)> + Send + 'static,
) {
    let store = context.topics.clone();
    run::<MessageTopic, _, _>("MessageTopic", context, store, names, topic::reconcile).await;
}

async fn run<K, F, R>(
    kind: &'static str,
    context: Arc<Context>,
    store: Store<DeserializeGuard<K>>,
    names: impl Stream<Item = (String, String)> + Send + 'static,
    reconcile: F,
) where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
    F: Fn(Arc<DeserializeGuard<K>>, Arc<Context>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Action, Error>> + Send + 'static,
{
    let names = names.map(|(namespace, name)| {
        let name: ObjectRef<DeserializeGuard<K>> = ObjectRef::new(&name).within(&namespace);
        Ok::<_, std::convert::Infallible>(name)
    });
    let measured = move |object, context: Arc<Context>| {
        let reconcile = reconcile.clone();
        async move {
            let began = context.clock.monotonic();
            let work = reconcile(object, Arc::clone(&context));
            let result = match tokio::time::timeout(TIMEOUT, work).await {
                Ok(result) => result,
                Err(_elapsed) => Err(Error::TimedOut(TIMEOUT)),
            };
            let took = context.clock.monotonic().since(began);
            match &result {
                Ok(_) => context
                    .metrics
                    .reconciled(kind, took, context.clock.wall_ms()),
                Err(error) => context.metrics.failed(kind, took, error.class()),
            }
            result
        }
        .boxed()
    };
    let later = |_object, error: &Error, _context| Action::requeue(error.class().pause());
    let config = Config::default().concurrency(AT_ONCE).debounce(DEBOUNCE);
    applier(measured, later, context, store, names.boxed(), config)
        .for_each(|result| async move {
            match result {
                Ok((object, _action)) => tracing::debug!(kind, %object, "looked at"),
                Err(runtime::controller::Error::ReconcilerFailed(error, object)) => {
                    tracing::warn!(kind, %object, %error, "not all was done; it is tried again");
                }
                // It was deleted between its waking and its turn.
                Err(runtime::controller::Error::ObjectNotFound(_)) => {}
                Err(error) => tracing::warn!(kind, %error, "not looked at"),
            }
        })
        .await;
}
