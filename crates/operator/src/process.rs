//! The process: everything that is started, and how it ends.

mod controllers;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_api::{MessageCluster, MessageTopic};
use holdfast_model::{Clock, SystemClock};
use holdfast_planner::planted::Planted;
use holdfast_runtime::{Class, Metrics, Probes, Tasks, admin_http, signals};
use kube::core::DeserializeGuard;
use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cache::{ClusterKey, Row};
use crate::context::Context;
use crate::events::Events;
use crate::lease::{Keeper, Leadership};
use crate::metrics::OperatorMetrics;
use crate::options::Options;
use crate::outside::Network;
use crate::topic;
use crate::watch::{Caches, Reach, Seen, follow_resources, queue, related};

/// How long reconciles that run may take to end.
const DRAIN: Duration = Duration::from_secs(20);

/// How long a silent API server is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the process says that it lives, and when it is taken for dead.
const BEAT: Duration = Duration::from_secs(5);
const BEAT_BOUND: Duration = Duration::from_mins(1);

/// Runs the operator until SIGTERM or Ctrl-C.
///
/// # Errors
/// The API server cannot be reached at all, or the lease was lost: then the process must end.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Metrics::new();
    let tasks = Tasks::new(&metrics);
    let probes = Probes::new(Arc::clone(&clock));
    let stop = signals::watch(&tasks).context("signals")?;
    serve_probes(&options, &metrics, &tasks, &probes).await?;
    let mut config = Config::infer().await.context("no way to the API server")?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    let own_namespace = config.default_namespace.clone();
    let client = Client::try_from(config).context("the client of the API server")?;
    let operator_metrics = OperatorMetrics::new(&metrics);
    // One that waits for the lease is ready to take over.
    probes.set_ready();
    let me = options
        .identity
        .clone()
        .unwrap_or_else(|| format!("{}", uuid::Uuid::new_v4()));
    let mut keeper = None;
    let leadership = if options.leader_election {
        let leadership = Leadership::none_yet(Arc::clone(&clock));
        let namespace = options.lease_namespace.clone().unwrap_or(own_namespace);
        let (client, me) = (client.clone(), me.clone());
        let mut new = Keeper::new(
            client,
            (&namespace, &options.lease_name),
            me,
            Arc::clone(&clock),
            leadership.clone(),
        );
        if !new.acquire(&stop).await {
            return Ok(tasks.drain(DRAIN).await?);
        }
        keeper = Some(new);
        leadership
    } else {
        Leadership::alone(Arc::clone(&clock))
    };
    tracing::info!(me, version = holdfast_model::VERSION, "this operator acts");
    operator_metrics.leading.set(1);
    let events = Events::new(client.clone(), me);
    let reach = Reach {
        client,
        namespace: options.namespace,
    };
    start(&reach, clock, leadership, events, operator_metrics, &tasks);
    let ended = until_stopped(&stop, &tasks, keeper.as_mut()).await;
    probes.set_stopping();
    ended
}

/// Waits for the signal, lets what runs come to its end, and gives the lease back after that.
async fn until_stopped(
    stop: &CancellationToken,
    tasks: &Tasks,
    keeper: Option<&mut Keeper>,
) -> anyhow::Result<()> {
    let drained = CancellationToken::new();
    let work = async {
        stop.cancelled().await;
        let drain = tasks.drain(DRAIN).await;
        drained.cancel();
        drain.map_err(anyhow::Error::from)
    };
    let Some(keeper) = keeper else {
        return work.await;
    };
    let kept = async { keeper.keep(&drained).await.map_err(anyhow::Error::from) };
    // Whoever lost the lease ends at once, whatever runs.
    tokio::try_join!(work, kept)?;
    keeper.give_back().await;
    Ok(())
}

async fn serve_probes(
    options: &Options,
    metrics: &Metrics,
    tasks: &Tasks,
    probes: &Probes,
) -> anyhow::Result<()> {
    let bind = options.metrics_bind;
    let listener = TcpListener::bind(bind)
        .await
        .with_context(|| format!("metrics on {bind}"))?;
    let server = admin_http::serve(
        listener,
        metrics.clone(),
        probes.clone(),
        tasks.shutdown_token(),
    );
    tasks.spawn("metrics and probes", Class::Critical, async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "metrics and probes");
        }
    });
    let heartbeat = probes.heartbeat("runtime", BEAT_BOUND);
    let shutdown = tasks.shutdown_token();
    tasks.spawn("heartbeat", Class::Critical, async move {
        while shutdown
            .run_until_cancelled(tokio::time::sleep(BEAT))
            .await
            .is_some()
        {
            heartbeat.touch();
        }
    });
    Ok(())
}

/// Starts the watches and the controllers.
fn start(
    reach: &Reach,
    clock: Arc<dyn Clock>,
    leadership: Leadership,
    events: Events,
    metrics: OperatorMetrics,
    tasks: &Tasks,
) {
    let caches = Arc::new(Caches::new());
    let (clusters, clusters_writer) = reflector::store::<DeserializeGuard<MessageCluster>>();
    let (topics, topics_writer) = reflector::store::<DeserializeGuard<MessageTopic>>();
    let (wake_cluster, cluster_names) = queue(tasks.shutdown_token());
    let (wake_topic, topic_names) = queue(tasks.shutdown_token());
    for (name, watch) in related(reach, &caches, &clusters, &wake_cluster) {
        until_shutdown(tasks, name, watch);
    }
    let context = Arc::new(Context {
        client: reach.client.clone(),
        outside: Arc::new(Network),
        clock,
        leadership,
        caches: Arc::clone(&caches),
        clusters,
        topics,
        events,
        metrics,
        memory: parking_lot::Mutex::default(),
        unreadable: parking_lot::Mutex::default(),
        planted: Planted::None,
    });
    let (forgetful, api) = (Arc::clone(&context), reach.api());
    let watch = follow_resources(api, clusters_writer, wake_cluster, move |seen| match seen {
        Seen::<'_, MessageCluster>::Gone(namespace, name) => {
            forgetful.forget(&ClusterKey::new(namespace, name));
        }
        Seen::Event(Event::InitDone) => forgetful.caches.clusters.now(),
        Seen::Event(_) => {}
    });
    until_shutdown(tasks, "watch MessageClusters", watch);
    let watch = follow_resources(reach.api(), topics_writer, wake_topic, move |seen| {
        if let Seen::<'_, MessageTopic>::Event(event) = seen {
            caches.topics.take(rows(event), |row| row);
        }
    });
    until_shutdown(tasks, "watch MessageTopics", watch);
    let clusters = controllers::clusters(Arc::clone(&context), cluster_names);
    once_listed(tasks, &context, "MessageClusters", clusters);
    let topics = controllers::topics(Arc::clone(&context), topic_names);
    once_listed(tasks, &context, "MessageTopics", topics);
}

/// Starts a controller when everything was listed: one that decides before would miss what there is.
/// It ends with its queue.
fn once_listed(
    tasks: &Tasks,
    context: &Arc<Context>,
    name: &'static str,
    controller: impl Future<Output = ()> + Send + 'static,
) {
    let (shutdown, caches) = (tasks.shutdown_token(), Arc::clone(&context.caches));
    tasks.spawn(name, Class::Critical, async move {
        if shutdown.run_until_cancelled(caches.wait()).await.is_some() {
            Box::pin(controller).await;
        }
    });
}

/// The rows of an event.
fn rows(event: &Event<DeserializeGuard<MessageTopic>>) -> Event<Option<Row<topic::TopicRow>>> {
    match event {
        Event::Apply(object) => Event::Apply(topic::row(object)),
        Event::Delete(object) => Event::Delete(topic::row(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(topic::row(object)),
        Event::InitDone => Event::InitDone,
    }
}

/// A task that runs until shutdown. Dropping a watch anywhere loses nothing.
fn until_shutdown(
    tasks: &Tasks,
    name: impl Into<std::borrow::Cow<'static, str>>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let shutdown = tasks.shutdown_token();
    tasks.spawn(name, Class::Critical, async move {
        shutdown.run_until_cancelled(Box::pin(work)).await;
    });
}
