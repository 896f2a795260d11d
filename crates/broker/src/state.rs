//! What every request is served with.

use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::controller::{Command, Outcome};
use holdfast_kernel::image::{ClusterImage, PartitionRecord};
use holdfast_kernel::log::TrustedWall;
use holdfast_model::{BrokerId, Clock, ErrorCode, TopicId, TopicPartition};
use holdfast_quorum::Quorum;
use holdfast_runtime::budget::MemoryBudget;
use holdfast_runtime::config::Config;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::answer_memory::AnswerMemory;
use crate::controller::ControllerClient;
use crate::coordinator::Offices;
use crate::environment::Environment;
use crate::habits::Habits;
use crate::handlers::fetch::FetchSessions;
use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::telemetry::MaybeTelemetry;

/// How long an admin request waits for a controller: through one election.
pub const CONTROLLER_PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer waits until this broker has heard of what was done: of leaders of a new topic, say.
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
    /// What the wall clock showed when this process started.
    pub wall: TrustedWall,
    /// The replicas here.
    pub partitions: Arc<Partitions>,
    /// The cluster image and the quorum's state.
    pub quorum: Quorum,
    /// The way to the controller.
    pub controller: ControllerClient,
    /// The memory budget.
    pub budget: MemoryBudget,
    /// How large answers are lately.
    pub answer_memory: AnswerMemory,
    /// The coordinators of groups here.
    pub offices: Offices,
    /// What clients were seen to do that may cost records.
    pub habits: Habits,
    /// What clients push, where somebody receives it.
    pub telemetry: MaybeTelemetry,
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

    /// This broker, while it hears from nobody: clients are not told that it leads what it cannot
    /// acknowledge alone ([`shown_leader`]).
    pub fn aside(&self) -> Option<BrokerId> {
        self.environment().isolated.is_set().then(|| self.id())
    }

    /// This broker's number.
    pub fn id(&self) -> BrokerId {
        self.environment().replica.broker
    }

    /// The controller, as far as this broker knows.
    pub fn known_controller(&self) -> Option<BrokerId> {
        let leadership = self.quorum.leadership();
        let leader = leadership.borrow().leader.clone()?;
        Some(leader.replica.broker)
    }

    /// Has the controller decide a command.
    pub async fn decide(&self, command: Command) -> Outcome {
        self.controller.submit(command, CONTROLLER_PATIENCE).await
    }

    /// Waits, for a moment, until new topics are in this broker's image with leaders that serve:
    /// a client that is told of a topic comes back with records at once.
    pub async fn wait_for_topics(&self, ids: &[TopicId]) {
        self.wait_until(|image| {
            ids.iter().all(|id| {
                image.topics.get(id).is_some_and(|topic| {
                    topic
                        .partitions
                        .iter()
                        .all(|record| record.leader.is_some())
                })
            })
        })
        .await;
    }

    /// Waits, for a moment, until this broker's image is as a decision of the controller made it: whoever
    /// asked for it here is told of what it did.
    pub async fn wait_until(&self, has_come: impl Fn(&ClusterImage) -> bool) {
        let mut updates = self.quorum.subscribe();
        let wait = async {
            while let Some(update) = updates.next().await {
                if has_come(&update.image) {
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

/// The leader of a partition as clients are told: not a broker that stands aside, unless nobody else
/// could have taken over.
pub fn shown_leader(record: &PartitionRecord, aside: Option<BrokerId>) -> Option<BrokerId> {
    let alone = record.isr.len() <= 1;
    record
        .leader
        .filter(|leader| alone || Some(*leader) != aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::testing;

    #[test]
    fn a_broker_that_hears_from_nobody_keeps_only_what_it_leads_alone() {
        let mut image = testing::image();
        testing::put_topic(&mut image, 7, "orders", 1);
        let mut record = image.topic_by_name("orders").unwrap().partitions[0].clone();
        let leader = record.leader;
        assert_eq!(shown_leader(&record, leader), leader, "it is alone");
        record.isr.extend(record.elr.clone());
        assert_eq!(shown_leader(&record, leader), None);
        assert_eq!(shown_leader(&record, None), leader);
        assert_eq!(shown_leader(&record, Some(BrokerId(9))), leader);
    }
}
