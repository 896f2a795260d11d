//! The topic settings as the configuration prints them: Kafka's words for each choice.

use holdfast_model::{CleanupPolicy, CompressionType, TimestampType, TopicConfig};
use serde::Serializer;
use serde::ser::SerializeStruct;

pub(super) fn serialize<S: Serializer>(config: &TopicConfig, s: S) -> Result<S::Ok, S::Error> {
    let mut out = s.serialize_struct("TopicConfig", 11)?;
    out.serialize_field("cleanup_policy", cleanup_name(config.cleanup_policy))?;
    out.serialize_field(
        "compression_type",
        compression_name(config.compression_type),
    )?;
    out.serialize_field("max_message_bytes", &config.max_message_bytes)?;
    out.serialize_field(
        "message_timestamp_type",
        timestamp_name(config.timestamp_type),
    )?;
    out.serialize_field(
        "message_timestamp_before_max_ms",
        &config.timestamp_before_max_ms,
    )?;
    out.serialize_field(
        "message_timestamp_after_max_ms",
        &config.timestamp_after_max_ms,
    )?;
    out.serialize_field("min_insync_replicas", &config.min_insync_replicas)?;
    out.serialize_field("retention_ms", &config.retention_ms)?;
    out.serialize_field("retention_bytes", &config.retention_bytes)?;
    out.serialize_field("segment_bytes", &config.segment_bytes)?;
    out.serialize_field("segment_ms", &config.segment_ms)?;
    out.end()
}

fn cleanup_name(policy: CleanupPolicy) -> &'static str {
    match policy {
        CleanupPolicy::Delete => "delete",
        CleanupPolicy::Keep => "",
    }
}

fn timestamp_name(kind: TimestampType) -> &'static str {
    match kind {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn compression_name(kind: CompressionType) -> &'static str {
    match kind {
        CompressionType::Producer => "producer",
        CompressionType::Uncompressed => "uncompressed",
        CompressionType::Gzip => "gzip",
        CompressionType::Snappy => "snappy",
        CompressionType::Lz4 => "lz4",
        CompressionType::Zstd => "zstd",
    }
}

pub(super) fn parse_cleanup(text: &str) -> Result<CleanupPolicy, String> {
    match text {
        "delete" => Ok(CleanupPolicy::Delete),
        "" => Ok(CleanupPolicy::Keep),
        "compact" | "compact,delete" | "delete,compact" => {
            Err("compaction is not part of this version".to_owned())
        }
        _ => Err(format!("{text:?} is neither delete nor empty")),
    }
}

pub(super) fn parse_timestamp_type(text: &str) -> Result<TimestampType, String> {
    [TimestampType::CreateTime, TimestampType::LogAppendTime]
        .into_iter()
        .find(|kind| timestamp_name(*kind) == text)
        .ok_or_else(|| format!("{text:?} is neither CreateTime nor LogAppendTime"))
}

pub(super) fn parse_compression(text: &str) -> Result<CompressionType, String> {
    [
        CompressionType::Producer,
        CompressionType::Uncompressed,
        CompressionType::Gzip,
        CompressionType::Snappy,
        CompressionType::Lz4,
        CompressionType::Zstd,
    ]
    .into_iter()
    .find(|kind| compression_name(*kind) == text)
    .ok_or_else(|| format!("{text:?} is none of producer, uncompressed, gzip, snappy, lz4, zstd"))
}
