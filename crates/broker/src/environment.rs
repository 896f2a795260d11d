//! What every partition of a broker shares.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{BrokerEpoch, Clock, ReplicaId};
use holdfast_store::LogStore;
use parking_lot::RwLock;

use crate::controller::Isolated;
use crate::metrics::BrokerMetrics;
use crate::partition::TailCache;
use crate::replication::Peers;
use crate::test_point::TestPoint;
use crate::work::Work;

/// The surroundings of a partition.
#[derive(Debug)]
pub struct Environment {
    /// This broker and the life of its disk.
    pub replica: ReplicaId,
    /// The log.
    pub store: LogStore,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The newest batches of all partitions, bounded together.
    pub tail: TailCache,
    /// The streams to the other brokers.
    pub peers: Peers,
    /// Work that partitions ask for and others do.
    pub work: Work,
    /// Counters.
    pub metrics: BrokerMetrics,
    /// A follower not caught up for so long leaves the ISR.
    pub lag_max: Duration,
    /// This process's registration, once there is one.
    pub registration: RwLock<Option<BrokerEpoch>>,
    /// Whether it hears from nobody.
    pub isolated: Isolated,
    /// Where a test has this process end or wait.
    pub test_point: TestPoint,
}

impl Environment {
    /// The registration under which this process leads and follows.
    pub fn broker_epoch(&self) -> Option<BrokerEpoch> {
        *self.registration.read()
    }
}
