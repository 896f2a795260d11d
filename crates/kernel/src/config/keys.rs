//! The table of topic settings.

use holdfast_model::topic_bounds::{self, Bounds};

/// The type of a setting, as DescribeConfigs shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    /// true or false.
    Boolean,
    /// Text.
    String,
    /// 32-bit number.
    Int,
    /// 64-bit number.
    Long,
    /// Floating-point number.
    Double,
    /// Comma-separated words.
    List,
}

/// One topic setting.
#[derive(Clone, Copy, Debug)]
pub struct TopicKey {
    /// Kafka's name.
    pub name: &'static str,
    /// The broker setting that gives its default, Kafka's name.
    pub broker_name: &'static str,
    /// Its type.
    pub kind: ConfigKind,
    /// The value where nobody set one.
    pub default: &'static str,
    /// Whether a value fits; else what would.
    pub check: fn(&str) -> Result<(), String>,
    /// What it does, for `DescribeConfigs` and the documentation.
    pub doc: &'static str,
}

/// The setting with a name.
pub fn topic_key(name: &str) -> Option<&'static TopicKey> {
    TOPIC_KEYS.iter().find(|key| key.name == name)
}

fn number_from(value: &str, least: i64, most: i64) -> Result<(), String> {
    match value.parse::<i64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(()),
        _ => Err(format!("expected a whole number from {least} to {most}")),
    }
}

/// A number that brokers' files bound too.
fn within(value: &str, bounds: &Bounds) -> Result<(), String> {
    bounds.read(value).map(|_fits| ())
}

fn max_message_bytes(value: &str) -> Result<(), String> {
    within(value, &topic_bounds::MAX_MESSAGE_BYTES)
}

fn min_insync_replicas(value: &str) -> Result<(), String> {
    within(value, &topic_bounds::MIN_INSYNC_REPLICAS)
}

fn timestamp_distance_ms(value: &str) -> Result<(), String> {
    within(value, &topic_bounds::TIMESTAMP_DISTANCE_MS)
}

fn retention_bytes(value: &str) -> Result<(), String> {
    within(value, &topic_bounds::RETENTION_BYTES)
}

fn retention_ms(value: &str) -> Result<(), String> {
    within(value, &topic_bounds::RETENTION_MS)
}

fn segment_bytes(value: &str) -> Result<(), String> {
    within(value, &topic_bounds::SEGMENT_BYTES)
}

fn segment_ms(value: &str) -> Result<(), String> {
    within(value, &topic_bounds::SEGMENT_MS)
}

fn long_from_zero(value: &str) -> Result<(), String> {
    number_from(value, 0, i64::MAX)
}

fn long_from_one(value: &str) -> Result<(), String> {
    number_from(value, 1, i64::MAX)
}

fn int_from_zero(value: &str) -> Result<(), String> {
    number_from(value, 0, i64::from(i32::MAX))
}

fn one_of(value: &str, words: &[&str]) -> Result<(), String> {
    if words.contains(&value) {
        return Ok(());
    }
    Err(format!("expected one of {}", words.join(", ")))
}

fn boolean(value: &str) -> Result<(), String> {
    one_of(value, &["true", "false"])
}

fn only_false(value: &str) -> Result<(), String> {
    match value {
        "false" => Ok(()),
        _ => Err("Holdfast does not offer it; only false is possible".to_owned()),
    }
}

fn cleanup_policy(value: &str) -> Result<(), String> {
    match value {
        "delete" | "" => Ok(()),
        _ => Err(
            "expected delete, or nothing to keep everything; compaction is not offered yet"
                .to_owned(),
        ),
    }
}

fn compression_type(value: &str) -> Result<(), String> {
    one_of(
        value,
        &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"],
    )
}

/// Batches that are stored with another codec than they came in are compressed at that codec's
/// default level: another level would be shown and not be there.
fn only_level(value: &str, default: &str, kafkas: &str) -> Result<(), String> {
    if value == default {
        return Ok(());
    }
    Err(format!(
        "of Kafka's levels ({kafkas}) only the default {default} is possible: Holdfast compresses \
         with each codec at its default level"
    ))
}

fn gzip_level(value: &str) -> Result<(), String> {
    only_level(value, "-1", "1 to 9, or -1")
}

fn lz4_level(value: &str) -> Result<(), String> {
    only_level(value, "9", "1 to 17")
}

fn zstd_level(value: &str) -> Result<(), String> {
    only_level(value, "3", "-131072 to 22")
}

fn timestamp_type(value: &str) -> Result<(), String> {
    one_of(value, &["CreateTime", "LogAppendTime"])
}

fn ratio(value: &str) -> Result<(), String> {
    match value.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(()),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

fn throttled_replicas(value: &str) -> Result<(), String> {
    match value {
        "" => Ok(()),
        _ => Err("replication catch-up is throttled by itself; expected nothing".to_owned()),
    }
}

const fn key(
    name: &'static str,
    broker_name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    check: fn(&str) -> Result<(), String>,
    doc: &'static str,
) -> TopicKey {
    TopicKey {
        name,
        broker_name,
        kind,
        default,
        check,
        doc,
    }
}

use ConfigKind::{Boolean, Double, Int, List, Long, String as Text};

const MAX: &str = "9223372036854775807";

/// Every topic setting that is known, by name. Those that steer nothing here say why.
#[rustfmt::skip]
pub const TOPIC_KEYS: &[TopicKey] = &[
    key("cleanup.policy", "log.cleanup.policy", List, "delete", cleanup_policy,
        "What happens to old segments: delete, or nothing (an empty list)."),
    key("compression.gzip.level", "compression.gzip.level", Int, "-1", gzip_level,
        "Level for compression.type=gzip: only the codec's default is possible."),
    key("compression.lz4.level", "compression.lz4.level", Int, "9", lz4_level,
        "Level for compression.type=lz4: only the codec's default is possible."),
    key("compression.type", "compression.type", Text, "producer", compression_type,
        "The codec in which batches are stored; producer keeps the one they came in."),
    key("compression.zstd.level", "compression.zstd.level", Int, "3", zstd_level,
        "Level for compression.type=zstd: only the codec's default is possible."),
    key("delete.retention.ms", "log.cleaner.delete.retention.ms", Long, "86400000", long_from_zero,
        "Kept for compaction, which is not offered yet."),
    key("file.delete.delay.ms", "log.segment.delete.delay.ms", Long, "60000", long_from_zero,
        "Steers nothing: segments are no files here, and space is freed in the background."),
    key("flush.messages", "log.flush.interval.messages", Long, MAX, long_from_one,
        "An upper bound that is always met: every record is synced before it is acknowledged."),
    key("flush.ms", "log.flush.interval.ms", Long, MAX, long_from_zero,
        "An upper bound that is always met: every record is synced before it is acknowledged."),
    key("follower.replication.throttled.replicas", "follower.replication.throttled.replicas", List, "", throttled_replicas,
        "Catch-up replication runs on a throttled stream of its own."),
    key("index.interval.bytes", "log.index.interval.bytes", Int, "4096", int_from_zero,
        "Steers nothing: every batch has an index entry."),
    key("leader.replication.throttled.replicas", "leader.replication.throttled.replicas", List, "", throttled_replicas,
        "Catch-up replication runs on a throttled stream of its own."),
    key("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", Long, MAX, long_from_one,
        "Kept for compaction, which is not offered yet."),
    key("max.message.bytes", "message.max.bytes", Int, "1048588", max_message_bytes,
        "Largest batch in bytes, as received; at most 64 MiB."),
    key("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", Long, "3600000", timestamp_distance_ms,
        "How far a record's timestamp may lie in the future."),
    key("message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", Long, MAX, timestamp_distance_ms,
        "How far a record's timestamp may lie in the past."),
    key("message.timestamp.type", "log.message.timestamp.type", Text, "CreateTime", timestamp_type,
        "Whose time a record carries: the client's or the leader's."),
    key("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", Double, "0.5", ratio,
        "Kept for compaction, which is not offered yet."),
    key("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", Long, "0", long_from_zero,
        "Kept for compaction, which is not offered yet."),
    key("min.insync.replicas", "min.insync.replicas", Int, "2", min_insync_replicas,
        "How many in-sync replicas acks=all needs. Kafka's default is 1; here it is 2, and at most the replication factor counts."),
    key("preallocate", "log.preallocate", Boolean, "false", boolean,
        "Steers nothing: segments are no files here."),
    key("remote.storage.enable", "log.remote.storage.enable", Boolean, "false", only_false,
        "Tiered storage is not offered yet."),
    key("retention.bytes", "log.retention.bytes", Long, "-1", retention_bytes,
        "Size in bytes of a partition above which its oldest segments are deleted; -1 for none."),
    key("retention.ms", "log.retention.ms", Long, "604800000", retention_ms,
        "Age in milliseconds at which segments are deleted; -1 for never."),
    key("segment.bytes", "log.segment.bytes", Int, "1073741824", segment_bytes,
        "Size of a virtual segment: the step in which retention deletes."),
    key("segment.index.bytes", "log.index.size.max.bytes", Int, "10485760", int_from_zero,
        "Steers nothing: the index is bounded by the memory budget."),
    key("segment.jitter.ms", "log.roll.jitter.ms", Long, "0", long_from_zero,
        "Steers nothing: closing a virtual segment costs nothing."),
    key("segment.ms", "log.roll.ms", Long, "604800000", segment_ms,
        "Age in milliseconds, by record timestamps, at which a virtual segment is closed."),
    key("unclean.leader.election.enable", "unclean.leader.election.enable", Boolean, "false", only_false,
        "No election that loses acknowledged records happens by itself."),
];
