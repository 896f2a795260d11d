//! Brings this broker in line with the cluster image: which replicas it holds, who leads them, which
//! settings they obey, which peers there are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_kernel::config;
use holdfast_kernel::image::{Change, ClusterImage, Standing};
use holdfast_kernel::log::ReplicaLog;
use holdfast_kernel::planted::Planted;
use holdfast_kernel::replica::PartitionView;
use holdfast_model::{TopicConfig, TopicId, TopicPartition};
use holdfast_quorum::{Changes, ImageUpdates, Quorum};
use holdfast_rpc::Address;
use holdfast_runtime::tasks::Class;
use holdfast_store::{Op, Room};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::partition::{Health, Partition};
use crate::replication::{Links, PeerTarget, run_catch_up, run_sender};

/// Pause before what the writer had no room for is asked for again.
const RETRY: Duration = Duration::from_millis(100);

/// Applies images to partitions and peers.
#[derive(Debug)]
pub struct ImageFollower {
    links: Links,
    /// Topic defaults of this broker's file, by the broker's names.
    topic_defaults: std::collections::BTreeMap<String, String>,
    /// The writer had no room for a creation or a deletion: the whole image is applied again soon.
    unfinished: AtomicBool,
}

impl ImageFollower {
    /// A follower of images.
    pub fn new(links: Links, topic_defaults: std::collections::BTreeMap<String, String>) -> Self {
        Self {
            links,
            topic_defaults,
            unfinished: AtomicBool::new(false),
        }
    }

    /// Applies every image until the process stops. `refresh` asks for the whole newest image: after
    /// the registration, under which alone roles are taken.
    pub async fn run(
        self,
        quorum: Quorum,
        mut updates: ImageUpdates,
        refresh: Arc<Notify>,
        stop: CancellationToken,
    ) {
        loop {
            let unfinished = self.unfinished.load(Ordering::Relaxed);
            let update = tokio::select! {
                // Cancel-safe: an update is handled before the next is asked for.
                biased;
                () = stop.cancelled() => return,
                update = updates.next() => update,
                () = refresh.notified() => {
                    self.apply_all(&quorum.image());
                    continue;
                }
                () = tokio::time::sleep(RETRY), if unfinished => {
                    self.unfinished.store(false, Ordering::Relaxed);
                    self.apply_all(&quorum.image());
                    continue;
                }
            };
            let Some(update) = update else {
                return;
            };
            match &update.changes {
                Changes::Full => self.apply_all(&update.image),
                Changes::Since(_) => self.apply(&update.image, update.changes.iter()),
            }
        }
    }

    /// Applies a whole image: after a start, a registration, or when changes were missed.
    pub fn apply_all(&self, image: &ClusterImage) {
        self.apply_brokers(image);
        let topics: Vec<TopicId> = image.topics.iter().map(|(id, _)| *id).collect();
        for id in topics {
            self.apply_topic(image, id);
        }
        for partition in self.links.partitions.all() {
            match image.standing(partition.at().topic, Planted::None) {
                Standing::Deleted => self.delete(partition.at()),
                Standing::Unknown if image.version > 0 => tracing::warn!(
                    topic = partition.topic_name(),
                    partition = partition.at().partition,
                    "stray replica of a topic that the cluster does not know; it is kept"
                ),
                Standing::Known | Standing::Unknown => {}
            }
        }
    }

    fn apply<'a>(&self, image: &ClusterImage, changes: impl Iterator<Item = &'a Change>) {
        let mut touched: BTreeSet<TopicPartition> = BTreeSet::new();
        let mut brokers = false;
        let mut cluster_settings = false;
        for change in changes {
            match change {
                Change::PutPartition { at, .. } => {
                    touched.insert(*at);
                }
                Change::PutBroker(_) => brokers = true,
                Change::PutTopic { id, .. } => self.apply_settings(image, *id),
                Change::DeleteTopic(id) => self.delete_topic(*id),
                Change::SetClusterConfig { .. } => cluster_settings = true,
                Change::SetClusterId(_)
                | Change::SetFeatureLevel(_)
                | Change::SetNextBrokerEpoch(_)
                | Change::SetNextProducerId(_)
                | Change::Admit(_)
                | Change::Retire { .. }
                | Change::SetBrokerConfig { .. }
                | Change::PutPermit(_)
                | Change::EndPermit { .. }
                | Change::SetClientQuota { .. } => {}
            }
        }
        if brokers {
            self.apply_brokers(image);
            // Who may be counted and who registered anew matters to every leader.
            touched.extend(
                self.links
                    .partitions
                    .all()
                    .iter()
                    .map(|partition| partition.at()),
            );
        }
        if cluster_settings {
            image
                .topics
                .iter()
                .for_each(|(id, _)| self.apply_settings(image, *id));
        }
        for at in touched {
            self.apply_partition(image, at);
        }
    }

    fn apply_topic(&self, image: &ClusterImage, id: TopicId) {
        let Some(topic) = image.topics.get(&id) else {
            return;
        };
        for index in 0..topic.partitions.len() {
            let at = TopicPartition {
                topic: id,
                partition: index as i32,
            };
            self.apply_partition(image, at);
        }
        self.apply_settings(image, id);
    }

    fn apply_settings(&self, image: &ClusterImage, id: TopicId) {
        let Some(topic) = image.topics.get(&id) else {
            return;
        };
        let settings = self.settings(image, id);
        for index in 0..topic.partitions.len() {
            let at = TopicPartition {
                topic: id,
                partition: index as i32,
            };
            if let Some(partition) = self.links.partitions.get(at) {
                partition.set_config(settings.clone());
            }
        }
    }

    fn settings(&self, image: &ClusterImage, id: TopicId) -> TopicConfig {
        let mut cluster = self.topic_defaults.clone();
        cluster.extend(image.cluster_configs.clone());
        image
            .topics
            .get(&id)
            .map(|topic| config::resolve(&topic.configs, &cluster))
            .unwrap_or_default()
    }

    fn apply_partition(&self, image: &ClusterImage, at: TopicPartition) {
        let Some(record) = image.partition(at) else {
            return;
        };
        let me = self.links.partitions.environment().replica.broker;
        if !record.replicas.contains(&me) {
            return;
        }
        if self.links.partitions.get(at).is_none() && !self.create(image, at) {
            return;
        }
        if let Some(partition) = self.links.partitions.get(at)
            && let Some(view) = PartitionView::of(image, at)
        {
            partition.apply_view(view);
        }
    }

    fn create(&self, image: &ClusterImage, at: TopicPartition) -> bool {
        let environment = self.links.partitions.environment();
        let Some(topic) = image.topics.get(&at.topic) else {
            return false;
        };
        let op = Op::CreatePartition {
            partition: at,
            topic_name: topic.name.clone(),
            meta: Health::Sound.encode(),
        };
        let permit = environment.store.try_reserve(Room::Control, op.bytes());
        if let Err(error) = permit.and_then(|permit| environment.store.submit(permit, 0, op)) {
            tracing::warn!(%error, topic = topic.name, "cannot create a replica now");
            self.unfinished.store(true, Ordering::Relaxed);
            return false;
        }
        let settings = self.settings(image, at.topic);
        let log = ReplicaLog::empty();
        let environment = Arc::clone(environment);
        let partition = Partition::new(at, topic.name.clone(), log, settings, environment);
        self.links.partitions.insert(Arc::new(partition));
        true
    }

    fn delete_topic(&self, id: TopicId) {
        for partition in self.links.partitions.all() {
            if partition.at().topic == id {
                self.delete(partition.at());
            }
        }
    }

    fn delete(&self, at: TopicPartition) {
        let environment = self.links.partitions.environment();
        let op = Op::DeletePartition { partition: at };
        let permit = environment.store.try_reserve(Room::Control, op.bytes());
        if let Some(partition) = self.links.partitions.get(at) {
            partition.delete();
            match permit.and_then(|permit| environment.store.submit(permit, 0, op)) {
                Ok(()) => {
                    self.links.partitions.remove(at);
                }
                Err(error) => {
                    tracing::warn!(%error, partition = %at, "cannot delete data now");
                    self.unfinished.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    fn apply_brokers(&self, image: &ClusterImage) {
        let environment = self.links.partitions.environment();
        for broker in image
            .brokers
            .values()
            .filter(|b| b.id != environment.replica.broker)
        {
            let (peer, added) = environment.peers.get_or_add(broker.id);
            let target = PeerTarget {
                address: Address::new(broker.rpc.host.clone(), broker.rpc.port),
                replica: broker.replica(),
            };
            peer.target.send_if_modified(|before| {
                let changed = before.as_ref() != Some(&target);
                if changed {
                    *before = Some(target);
                }
                changed
            });
            if added {
                let links = self.links.clone();
                let tasks = &self.links.tasks;
                tasks.spawn("replication-sender", Class::Critical, {
                    run_sender(Arc::clone(&peer), links.clone())
                });
                tasks.spawn(
                    "replication-catch-up",
                    Class::Critical,
                    run_catch_up(peer, links),
                );
            }
        }
    }
}
