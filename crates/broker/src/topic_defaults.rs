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
    use holdfast_kernel::config::{self, TOPIC_KEYS};
    use holdfast_runtime::config::keys::{self, Answer};
    use holdfast_runtime::config::{Config, Sources};

    use super::*;

    /// Both ends of every bound and what lies beyond them, and words of every choice.
    const PROBES: [&str; 28] = [
        "",
        "-2",
        "-1",
        "0",
        "1",
        "63",
        "64",
        "65",
        "1048575",
        "1048576",
        "67108864",
        "67108865",
        "2147483647",
        "2147483648",
        "1099511627776",
        "9223372036854775807",
        "9223372036854775808",
        "soon",
        "delete",
        "compact",
        "producer",
        "uncompressed",
        "gzip",
        "snappy",
        "lz4",
        "zstd",
        "CreateTime",
        "LogAppendTime",
    ];

    #[test]
    fn a_file_takes_what_a_topic_takes_and_it_means_the_same() {
        let nothing = BTreeMap::new();
        let mut compared = 0;
        for key in TOPIC_KEYS {
            let of_files = keys::all().find(|known| known.name == key.broker_name);
            if !of_files.is_some_and(|known| matches!(known.answer, Answer::Honoured(_))) {
                continue;
            }
            compared += 1;
            for value in PROBES {
                let what = format!("{}={value}", key.broker_name);
                let file = Config::load(&Sources {
                    flags: vec![(key.broker_name.to_owned(), value.to_owned())],
                    ..Sources::default()
                });
                assert_eq!(file.is_ok(), (key.check)(value).is_ok(), "{what}");
                let Ok(file) = file else { continue };
                let set = file.config.topic_defaults;
                let topic = BTreeMap::from([(key.name.to_owned(), value.to_owned())]);
                assert_eq!(config::resolve(&topic, &nothing), set, "{what}");
                assert_eq!(config::resolve(&nothing, &of(&set)), set, "{what}");
            }
        }
        assert_eq!(compared, of(&TopicConfig::default()).len());
    }

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
