//! One replica of one partition: the kernel's state machine, its tail in memory, and who waits.
//!
//! A partition is driven from four sides: produce requests append, the writer's completions move
//! synced ends, peers' messages move followers, and the cluster image changes roles. Each takes the
//! partition's lock for a moment; none does I/O under it.

pub mod append;
mod checkpoint;
mod completion;
mod cut;
mod damage;
mod fetchers;
mod follow;
mod health;
mod lead;
mod offsets;
mod read;
mod role;
mod tail;
mod upkeep;

use std::sync::Arc;

use arc_swap::ArcSwap;
use holdfast_kernel::log::{ReplicaLog, SegmentLimits};
use holdfast_kernel::planted::Planted;
use holdfast_kernel::replica::{PartitionView, Waiters};
use holdfast_model::{LeaderEpoch, TopicConfig, TopicPartition};
use parking_lot::Mutex;

pub use append::{Acks, AppendAnswer, PreparedBatch};
pub use completion::{Completion, ProduceWaiter, Produced};
pub use cut::restore;
pub use damage::DamagedReplica;
pub use fetchers::{FetchTicket, FetchWaiters, Wake};
pub use follow::FollowerReply;
pub use health::Health;
pub use lead::{NextAppend, Proposal};
pub use offsets::Offsets;
pub use read::{ReadLimit, Reading};
pub use role::Role;
pub use tail::{TailBatch, TailCache};
pub use upkeep::by_partition;

use crate::environment::Environment;
use checkpoint::Checkpointing;
use lead::SendState;
use tail::Tail;

/// One replica of one partition on this broker.
#[derive(Debug)]
pub struct Partition {
    at: TopicPartition,
    topic_name: String,
    environment: Arc<Environment>,
    config: ArcSwap<TopicConfig>,
    state: Mutex<State>,
    fetchers: FetchWaiters,
}

/// What the lock protects.
#[derive(Debug)]
struct State {
    role: Role,
    view: Option<PartitionView>,
    tail: Tail,
    /// Waiting for the high watermark.
    committed: Waiters<ProduceWaiter>,
    /// Waiting for the leader's own sync.
    synced: Waiters<ProduceWaiter>,
    /// Where each follower's stream stands; one entry for each assigned replica at most.
    senders: std::collections::BTreeMap<holdfast_model::BrokerId, SendState>,
    checkpointing: Checkpointing,
    /// Where acknowledgements to the present leader go.
    acks: Option<Arc<crate::replication::AckOutbox>>,
    /// A follower knows a newer leader than the image here does: this leadership is over, though
    /// nobody said yet who is next.
    deposed: bool,
    /// Deleted here: nothing is accepted any more.
    deleted: bool,
    damage: damage::Damage,
}

impl Partition {
    /// A replica with its log as it stands on disk.
    pub fn new(
        at: TopicPartition,
        topic_name: String,
        log: ReplicaLog,
        config: TopicConfig,
        environment: Arc<Environment>,
    ) -> Self {
        let checkpointing = Checkpointing::new(log.log_end());
        let tail = Tail::new(log.log_end());
        Self {
            at,
            topic_name,
            environment,
            config: ArcSwap::from_pointee(config),
            state: Mutex::new(State {
                role: Role::Idle(Box::new(log)),
                view: None,
                tail,
                committed: Waiters::new(LeaderEpoch::UNKNOWN, Planted::None),
                synced: Waiters::new(LeaderEpoch::UNKNOWN, Planted::None),
                senders: std::collections::BTreeMap::new(),
                checkpointing,
                acks: None,
                deposed: false,
                deleted: false,
                damage: damage::Damage::default(),
            }),
            fetchers: FetchWaiters::default(),
        }
    }

    /// Which partition it is.
    pub fn at(&self) -> TopicPartition {
        self.at
    }

    /// Its topic's name.
    pub fn topic_name(&self) -> &str {
        &self.topic_name
    }

    /// Its topic's settings.
    pub fn config(&self) -> Arc<TopicConfig> {
        self.config.load_full()
    }

    /// Its topic has other settings.
    pub fn set_config(&self, config: TopicConfig) {
        self.config.store(Arc::new(config));
    }

    /// Who waits for records here.
    pub fn fetchers(&self) -> &FetchWaiters {
        &self.fetchers
    }

    /// Whether this replica leads by its image, but cannot commit alone and another leads by now, or
    /// may: it hears from nobody, or from a follower that knows better.
    fn stands_aside(&self, state: &State) -> bool {
        let isolated = self.environment.isolated.is_set();
        let leader = state.role.leader();
        leader.is_some_and(|leader| state.deposed || (isolated && !leader.stands_alone()))
    }

    fn segment_limits(&self) -> SegmentLimits {
        let config = self.config.load();
        SegmentLimits {
            bytes: config.segment_bytes,
            age_ms: config.segment_ms,
        }
    }
}
