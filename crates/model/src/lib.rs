//! The names of the field, shared by every crate: identities, offsets, epochs, limits, Kafka's
//! error codes, the description of a batch, and the clock.
//!
//! Knows nothing about sockets, disks, threads or messages. Every type is plain data.

pub mod batch_info;
pub mod checkpoint;
pub mod clock;
pub mod consumer_protocol;
pub mod error_code;
pub mod group_migration;
pub mod identity;
pub mod internal_topic;
pub mod invariant;
pub mod limits;
pub mod log_types;
pub mod topic_bounds;
pub mod topic_config;

pub use batch_info::BatchInfo;
pub use checkpoint::{LogCheckpoint, ProducerBatch, ProducerEntry, Segment};
pub use clock::{Clock, ManualClock, Monotonic, SystemClock};
pub use error_code::ErrorCode;
pub use group_migration::MigrationPolicy;
pub use identity::{
    BrokerEpoch, BrokerId, ClusterId, Incarnation, RecoveryGeneration, ReplicaId, StartNumber,
    TopicId, TopicPartition,
};
pub use log_types::{EpochStart, LeaderEpoch, Offset, PartitionEpoch};
pub use topic_config::{CleanupPolicy, CompressionType, TimestampType, TopicConfig};

/// The version of the programs. A build may name another one (`HOLDFAST_VERSION`), so that two builds
/// of one source can be told apart.
pub const VERSION: &str = match option_env!("HOLDFAST_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
