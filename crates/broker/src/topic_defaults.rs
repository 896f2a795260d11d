//! The topic defaults of a broker's file, under the broker's names for them.

use std::collections::BTreeMap;

use holdfast_model::{CleanupPolicy, CompressionType, TimestampType, TopicConfig};

/// What the file says, as settings that topics fall back to.
pub fn of(config: &TopicConfig) -> BTreeMap<String, String> {
    let cleanup = match config.cleanup_policy {
        CleanupPolicy::Delete => "delete",
        CleanupPolicy::Keep => "",
    };
    let compression = match config.compression_type {
        CompressionType::Producer => "producer",
        CompressionType::Uncompressed => "uncompressed",
        CompressionType::Gzip => "gzip",
        CompressionType::Snappy => "snappy",
        CompressionType::Lz4 => "lz4",
        CompressionType::Zstd => "zstd",
    };
    let timestamps = match config.timestamp_type {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    [
        ("log.cleanup.policy", cleanup.to_owned()),
        ("compression.type", compression.to_owned()),
        ("message.max.bytes", config.max_message_bytes.to_string()),
        ("log.message.timestamp.type", timestamps.to_owned()),
        (
            "log.message.timestamp.before.max.ms",
            config.timestamp_before_max_ms.to_string(),
        ),
        (
            "log.message.timestamp.after.max.ms",
            config.timestamp_after_max_ms.to_string(),
        ),
        (
            "min.insync.replicas",
            config.min_insync_replicas.to_string(),
        ),
        ("log.retention.ms", config.retention_ms.to_string()),
        ("log.retention.bytes", config.retention_bytes.to_string()),
        ("log.segment.bytes", config.segment_bytes.to_string()),
        ("log.roll.ms", config.segment_ms.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

#[cfg(test)]
mod tests {
    use holdfast_kernel::config;

    use super::*;

    #[test]
    fn defaults_go_through_their_names_unchanged() {
        let config = TopicConfig {
            cleanup_policy: CleanupPolicy::Keep,
            compression_type: CompressionType::Zstd,
            max_message_bytes: 5,
            timestamp_type: TimestampType::LogAppendTime,
            timestamp_before_max_ms: 6,
            timestamp_after_max_ms: 7,
            min_insync_replicas: 3,
            retention_ms: 8,
            retention_bytes: 9,
            segment_bytes: 1 << 20,
            segment_ms: 11,
        };
        assert_eq!(config::resolve(&BTreeMap::new(), &of(&config)), config);
    }
}
