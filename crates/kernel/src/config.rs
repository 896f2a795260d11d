//! Topic settings: Kafka's names, their checks, and what they resolve to.

mod keys;

use std::collections::BTreeMap;

use holdfast_model::internal_topic::CONSUMER_OFFSETS;
use holdfast_model::{CleanupPolicy, CompressionType, TimestampType, TopicConfig};

pub use keys::{ConfigKind, TOPIC_KEYS, TopicKey, topic_key};

/// Why a setting is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such key.
    #[error("unknown topic config name: {0}")]
    UnknownKey(String),
    /// The value does not fit the key.
    #[error("invalid value {value} for configuration {key}: {reason}")]
    Invalid {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What would fit.
        reason: String,
    },
}

/// Checks one topic setting.
pub fn check(key: &str, value: &str) -> Result<(), Error> {
    let known = topic_key(key).ok_or_else(|| Error::UnknownKey(key.to_owned()))?;
    (known.check)(value).map_err(|reason| Error::Invalid {
        key: key.to_owned(),
        value: value.to_owned(),
        reason,
    })
}

/// What `cleanup.policy` is for the brokers' own topic: its coordinators keep the newest record of
/// each key, by rewriting it, and nothing else may remove records.
pub const COMPACT: &str = "compact";

/// The settings with which `__consumer_offsets` is made. A broker that does not know the policy
/// falls back to deletion, which the two limits keep from deleting.
pub const CONSUMER_OFFSETS_CONFIGS: &[(&str, &str)] = &[
    (CLEANUP_POLICY, COMPACT),
    ("retention.bytes", "-1"),
    ("retention.ms", "-1"),
    ("segment.bytes", "104857600"),
];

pub(crate) const CLEANUP_POLICY: &str = "cleanup.policy";

/// Checks one setting of a topic that may be the brokers' own.
pub fn check_of(topic: &str, key: &str, value: &str) -> Result<(), Error> {
    match (topic, key) {
        (CONSUMER_OFFSETS, CLEANUP_POLICY) if value == COMPACT => Ok(()),
        (CONSUMER_OFFSETS, CLEANUP_POLICY) => Err(Error::Invalid {
            key: key.to_owned(),
            value: value.to_owned(),
            reason: "the offsets of groups are in it: only compact is possible".to_owned(),
        }),
        _ => check(key, value),
    }
}

/// The value of a key: the topic's own, else the cluster's under the broker's name for it, else the
/// default.
pub fn value_of<'a>(
    key: &'a TopicKey,
    topic: &'a BTreeMap<String, String>,
    cluster: &'a BTreeMap<String, String>,
) -> &'a str {
    topic
        .get(key.name)
        .or_else(|| cluster.get(key.broker_name))
        .map_or(key.default, String::as_str)
}

/// The effective settings of a topic. Values were checked when they were set; one that does not
/// parse (written by a newer version) falls back to its default.
pub fn resolve(
    topic: &BTreeMap<String, String>,
    cluster: &BTreeMap<String, String>,
) -> TopicConfig {
    let text = |name: &str| {
        topic_key(name).map_or("", |key| {
            let value = value_of(key, topic, cluster);
            if (key.check)(value).is_ok() {
                value
            } else {
                key.default
            }
        })
    };
    let number = |name: &str| text(name).parse::<i64>().unwrap_or(0);
    TopicConfig {
        cleanup_policy: match text(CLEANUP_POLICY) {
            // Set for the brokers' own topic alone; nothing but its coordinators removes records.
            _ if topic.get(CLEANUP_POLICY).is_some_and(|own| own == COMPACT) => CleanupPolicy::Keep,
            "" => CleanupPolicy::Keep,
            _ => CleanupPolicy::Delete,
        },
        compression_type: match text("compression.type") {
            "uncompressed" => CompressionType::Uncompressed,
            "gzip" => CompressionType::Gzip,
            "snappy" => CompressionType::Snappy,
            "lz4" => CompressionType::Lz4,
            "zstd" => CompressionType::Zstd,
            _ => CompressionType::Producer,
        },
        max_message_bytes: number("max.message.bytes") as u32,
        timestamp_type: match text("message.timestamp.type") {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
        timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
        min_insync_replicas: number("min.insync.replicas") as u32,
        retention_ms: number("retention.ms"),
        retention_bytes: number("retention.bytes"),
        segment_bytes: number("segment.bytes") as u64,
        segment_ms: number("segment.ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn defaults_resolve_to_the_documented_defaults() {
        assert_eq!(resolve(&map(&[]), &map(&[])), TopicConfig::default());
    }

    #[test]
    fn every_default_passes_its_own_check() {
        for key in TOPIC_KEYS {
            assert_eq!((key.check)(key.default), Ok(()), "{}", key.name);
        }
    }

    #[test]
    fn the_topic_wins_over_the_cluster() {
        let cluster = map(&[("log.retention.ms", "1000"), ("message.max.bytes", "2000")]);
        let config = resolve(&map(&[("retention.ms", "5")]), &cluster);
        assert_eq!((config.retention_ms, config.max_message_bytes), (5, 2000));
    }

    #[test]
    fn nonsense_is_refused_with_the_key_and_what_would_fit() {
        assert_eq!(
            check("no.such", "1"),
            Err(Error::UnknownKey("no.such".into()))
        );
        let error = check("cleanup.policy", "compact").expect_err("not offered");
        assert!(error.to_string().contains("cleanup.policy"), "{error}");
        for (key, value) in [
            ("retention.ms", "soon"),
            ("min.insync.replicas", "0"),
            ("segment.bytes", "1"),
            ("max.message.bytes", "67108865"),
            ("compression.gzip.level", "6"),
            ("compression.lz4.level", "1"),
            ("compression.zstd.level", "23"),
            ("unclean.leader.election.enable", "true"),
            ("compression.type", "rar"),
        ] {
            assert!(check(key, value).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn nothing_but_its_coordinators_removes_records_of_the_offsets_topic() {
        let own: BTreeMap<String, String> = map(CONSUMER_OFFSETS_CONFIGS);
        for (key, value) in &own {
            assert_eq!(check_of(CONSUMER_OFFSETS, key, value), Ok(()), "{key}");
        }
        assert!(check_of(CONSUMER_OFFSETS, CLEANUP_POLICY, "delete").is_err());
        assert!(check_of("orders", CLEANUP_POLICY, COMPACT).is_err());
        let config = resolve(&own, &map(&[("log.cleanup.policy", "delete")]));
        assert_eq!(config.cleanup_policy, CleanupPolicy::Keep);
        assert_eq!((config.retention_ms, config.retention_bytes), (-1, -1));
    }

    #[test]
    fn a_limit_of_ours_is_named() {
        let message = |key, value| check(key, value).expect_err("refused").to_string();
        let size = message("max.message.bytes", "2147483647");
        assert!(
            size.contains("no batch may be larger than 64 MiB"),
            "{size}"
        );
        let level = message("compression.lz4.level", "12");
        assert!(
            level.contains("1 to 17") && level.contains("only the default 9"),
            "{level}"
        );
    }
}
