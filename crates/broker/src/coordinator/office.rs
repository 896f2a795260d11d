//! Coordinators come and go with leaderships.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_model::internal_topic::CONSUMER_OFFSETS;
use holdfast_model::{ErrorCode, LeaderEpoch, TopicPartition};
use holdfast_runtime::Tasks;
use holdfast_runtime::tasks::Class;
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use super::Desk;
use super::task::Coordinator;
use super::topic;
use crate::state::BrokerState;

/// How often leaderships are looked at without having been told of a change.
const LOOK: Duration = Duration::from_millis(500);

/// The coordinators on this broker.
#[derive(Debug, Default)]
pub struct Offices {
    open: RwLock<BTreeMap<TopicPartition, Office>>,
    /// Held while the topic is made.
    pub(super) making: tokio::sync::Mutex<()>,
}

/// One coordinator.
#[derive(Debug)]
struct Office {
    epoch: LeaderEpoch,
    desk: Desk,
    /// Whether its log is read.
    loaded: Arc<AtomicBool>,
    stop: CancellationToken,
}

impl Office {
    fn desk(&self) -> Result<Desk, ErrorCode> {
        if self.desk.is_closed() {
            Err(ErrorCode::NotCoordinator)
        } else if self.loaded.load(Ordering::Acquire) {
            Ok(self.desk.clone())
        } else {
            Err(ErrorCode::CoordinatorLoadInProgress)
        }
    }
}

impl Offices {
    /// The desk at which a group is served.
    ///
    /// # Errors
    /// Somebody else coordinates it, or its log is being read.
    pub fn desk(&self, broker: &BrokerState, group: &str) -> Result<Desk, ErrorCode> {
        let at = topic::place(&broker.image(), group).ok_or(ErrorCode::NotCoordinator)?;
        let open = self.open.read();
        open.get(&at).ok_or(ErrorCode::NotCoordinator)?.desk()
    }

    /// Every desk here, those whose logs are being read as errors.
    pub fn desks(&self) -> Vec<Result<Desk, ErrorCode>> {
        self.open.read().values().map(Office::desk).collect()
    }

    /// Opens and closes offices as this broker's leaderships come and go.
    pub async fn run(broker: Arc<BrokerState>, tasks: Tasks, stop: CancellationToken) {
        let environment = Arc::clone(broker.environment());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = environment.work.roles.wait() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            let _changed = environment.work.roles.take();
            broker.offices.look(&broker, &tasks, &stop);
        }
        for office in broker.offices.open.write().values() {
            office.stop.cancel();
        }
    }

    fn look(&self, broker: &Arc<BrokerState>, tasks: &Tasks, stop: &CancellationToken) {
        let led = led(broker);
        let mut open = self.open.write();
        open.retain(|at, office| {
            let stays = led.get(at) == Some(&office.epoch) && !office.desk.is_closed();
            if !stays {
                office.stop.cancel();
            }
            stays
        });
        for (at, epoch) in led {
            let Some(partition) = broker.partitions.get(at) else {
                continue;
            };
            open.entry(at).or_insert_with(|| {
                let (desk, requests) = Desk::new();
                let loaded = Arc::new(AtomicBool::new(false));
                let stop = stop.child_token();
                let coordinator = Coordinator {
                    broker: Arc::clone(broker),
                    partition,
                    epoch,
                    loaded: Arc::clone(&loaded),
                    stop: stop.clone(),
                };
                tasks.spawn("group-coordinator", Class::Job, coordinator.run(requests));
                Office {
                    epoch,
                    desk,
                    loaded,
                    stop,
                }
            });
        }
    }
}

/// The partitions that this broker leads, and may lead by all that it knows.
fn led(broker: &BrokerState) -> BTreeMap<TopicPartition, LeaderEpoch> {
    let image = broker.image();
    let Some(topic) = image.topic_by_name(CONSUMER_OFFSETS) else {
        return BTreeMap::new();
    };
    (0..topic.partitions.len())
        .filter_map(|index| {
            let at = TopicPartition {
                topic: topic.id,
                partition: i32::try_from(index).ok()?,
            };
            let offsets = broker.partitions.get(at)?.offsets();
            (offsets.leads && !offsets.aside).then_some((at, offsets.leader_epoch))
        })
        .collect()
}
