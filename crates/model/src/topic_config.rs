//! A topic's settings, resolved: what the log and the replicas obey.

use serde::{Deserialize, Serialize};

/// `cleanup.policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CleanupPolicy {
    /// Old segments are deleted by time and size.
    #[default]
    Delete,
    /// Nothing is deleted (Kafka 4.2: an empty list).
    Keep,
}

/// `message.timestamp.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimestampType {
    /// The client's timestamps stay.
    #[default]
    CreateTime,
    /// The leader stamps each batch.
    LogAppendTime,
}

/// `compression.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompressionType {
    /// Batches stay as the producer compressed them.
    #[default]
    Producer,
    /// Stored without compression.
    Uncompressed,
    /// Stored with gzip.
    Gzip,
    /// Stored with snappy.
    Snappy,
    /// Stored with lz4.
    Lz4,
    /// Stored with zstd.
    Zstd,
}

/// The effective settings of one topic. Defaults are Kafka's, but for `min_insync_replicas`
/// (Kafka: 1), where a record acknowledged on one disk only is not what this product promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicConfig {
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type`.
    pub compression_type: CompressionType,
    /// `max.message.bytes`: largest batch as received, in bytes.
    pub max_message_bytes: u32,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a timestamp may lie in the past.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a timestamp may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// `min.insync.replicas`.
    pub min_insync_replicas: u32,
    /// `retention.ms`: -1 for ever.
    pub retention_ms: i64,
    /// `retention.bytes` of each partition: -1 unbounded.
    pub retention_bytes: i64,
    /// `segment.bytes`: size of a virtual segment.
    pub segment_bytes: u64,
    /// `segment.ms`: age at which a virtual segment is closed.
    pub segment_ms: i64,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            cleanup_policy: CleanupPolicy::Delete,
            compression_type: CompressionType::Producer,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            min_insync_replicas: 2,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
        }
    }
}
