//! What every request is served with.

use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::controller::{Command, Outcome};
use holdfast_kernel::image::{ClusterImage, PartitionRecord};
use holdfast_model::{BrokerId, Clock, ErrorCode, TopicId, TopicPartition};
use holdfast_quorum::Quorum;
use holdfast_runtime::budget::MemoryBudget;
use holdfast_runtime::config::Config;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::controller::ControllerClient;
use crate::environment::Environment;
use crate::handlers::fetch::FetchSessions;
use crate::partition::Partition;
use crate::partitions::Partitions;

/// How long an admin request waits for a controller: through one election.
pub const CONTROLLER_PATIENCE: Duration = Duration::from_secs(5);

/// How long the answer to a creation waits for leaders.
const TOPIC_PATIENCE: Duration = Duration::from_secs(2);

/// Producer ids asked for at once.
pub const PRODUCER_ID_BLOCK: u32 = 1000;

/// The state of a running broker, as its handlers see it.
#[derive(Debug)]
pub struct BrokerState {
    /// The configuration.
    pub config: Config,
    /// Topic defaults of the configuration, by the broker's names for them.
    pub topic_defaults: std::collections::BTreeMap<String, String>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The replicas here.
    pub partitions: Arc<Partitions>,
    /// The cluster image and the quorum's state.
    pub quorum: Quorum,
    /// The way to the controller.
    pub controller: ControllerClient,
    /// The memory budget.
    pub budget: MemoryBudget,
    /// Incremental fetch sessions.
    pub fetch_sessions: FetchSessions,
    /// Producer ids that were allotted to this broker and not handed out: (next, end).
    pub producer_ids: Mutex<(i64, i64)>,
    /// Bounds the reads of the disk under way.
    pub disk_reads: Arc<Semaphore>,
}

impl BrokerState {
    /// The surroundings of the partitions.
    pub fn environment(&self) -> &Arc<Environment> {
        self.partitions.environment()
    }

    /// The newest image.
    pub fn image(&self) -> Arc<ClusterImage> {
        self.quorum.image()
    }

    /// The image as clients should see it: a broker that hears from nobody does not call itself the
    /// leader of what it cannot acknowledge alone.
    pub fn shown_image(&self) -> Arc<ClusterImage> {
        let image = self.image();
        if self.environment().isolated.is_set() {
            Arc::new(without_leader(&image, self.id()))
        } else {
            image
        }
    }

    /// This broker's number.
    pub fn id(&self) -> BrokerId {
        self.environment().replica.broker
    }

    /// Has the controller decide a command.
    pub async fn decide(&self, command: Command) -> Outcome {
        self.controller.submit(command, CONTROLLER_PATIENCE).await
    }

    /// Waits, for a moment, until new topics are in this broker's image with leaders that serve:
    /// a client that is told of a topic comes back with records at once.
    pub async fn wait_for_topics(&self, ids: &[TopicId]) {
        let led = |image: &ClusterImage| {
            ids.iter().all(|id| {
                image.topics.get(id).is_some_and(|topic| {
                    topic
                        .partitions
                        .iter()
                        .all(|record| record.leader.is_some())
                })
            })
        };
        let mut updates = self.quorum.subscribe();
        let wait = async {
            while let Some(update) = updates.next().await {
                if led(&update.image) {
                    return;
                }
            }
        };
        // Late is not wrong: the client asks again.
        let _late = tokio::time::timeout(TOPIC_PATIENCE, wait).await;
    }

    /// The replica of a partition that clients should find here.
    ///
    /// # Errors
    /// The partition does not exist, or is elsewhere.
    pub fn replica(&self, at: TopicPartition) -> Result<Arc<Partition>, ErrorCode> {
        self.partitions.get(at).ok_or_else(|| {
            if self.image().partition(at).is_some() {
                ErrorCode::NotLeaderOrFollower
            } else {
                ErrorCode::UnknownTopicOrPartition
            }
        })
    }
}

/// The image without the leaderships of a broker that other brokers could have taken over.
fn without_leader(image: &ClusterImage, broker: BrokerId) -> ClusterImage {
    let mut shown = image.clone();
    let leads = |record: &PartitionRecord| record.leader == Some(broker) && record.isr.len() > 1;
    for (id, topic) in image.topics.iter() {
        if !topic.partitions.iter().any(leads) {
            continue;
        }
        let Some(topic) = shown.topics.get_mut(id) else {
            continue;
        };
        let topic = Arc::make_mut(topic);
        for record in topic.partitions.iter_mut().filter(|record| leads(record)) {
            record.leader = None;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::testing;

    #[test]
    fn a_broker_that_hears_from_nobody_keeps_only_what_it_leads_alone() {
        let mut image = testing::image();
        testing::put_topic(&mut image, 7, "orders", 2);
        let id = testing::topic_id(7);
        let topic = Arc::make_mut(image.topics.get_mut(&id).unwrap());
        let me = topic.partitions[0].leader.unwrap();
        for record in &mut topic.partitions {
            record.leader = Some(me);
            record.isr.extend(record.isr.clone());
        }
        topic.partitions[1].isr.truncate(1);
        let shown = without_leader(&image, me);
        let shown = &shown.topics.get(&id).unwrap().partitions;
        let leaders: Vec<_> = shown.iter().map(|record| record.leader).collect();
        assert_eq!(leaders, [None, Some(me)]);
        assert_eq!(
            image.topics.get(&id).unwrap().partitions[0].leader,
            Some(me)
        );
    }
}
