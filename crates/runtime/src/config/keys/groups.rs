//! The keys of consumer groups.

use super::super::value::set;
use super::{Answer, Apply, Key, Setting};

const fn key(name: &'static str, toml: &'static str, apply: Apply, text: &'static str) -> Key {
    Key {
        name,
        answer: Answer::Honoured(Setting { toml, apply }),
        text,
    }
}

const HOUR_MS: u64 = 3_600_000;

/// In the order of application; see [`super::all`].
pub(super) const KEYS: &[Key] = &[
    key(
        "offsets.topic.num.partitions",
        "groups.offsets_partitions",
        |c, v| set(&mut c.groups.offsets_partitions, v, &(1..=1000)),
        "Partitions of `__consumer_offsets` when it is made; fixed from then on",
    ),
    key(
        "offsets.topic.replication.factor",
        "groups.offsets_replication_factor",
        |c, v| set(&mut c.groups.offsets_replication_factor, v, &(1..=64)),
        "Replicas of `__consumer_offsets` when it is made; a cluster of fewer brokers has one on \
         each",
    ),
    key(
        "offsets.retention.minutes",
        "groups.offsets_retention_minutes",
        |c, v| {
            set(
                &mut c.groups.offsets_retention_minutes,
                v,
                &(1..=52_560_000),
            )
        },
        "How long offsets outlive their group, in minutes",
    ),
    key(
        "offsets.retention.check.interval.ms",
        "groups.offsets_retention_check_interval_ms",
        |c, v| {
            let interval = &mut c.groups.offsets_retention_check_interval_ms;
            set(interval, v, &(1..=24 * HOUR_MS))
        },
        "How often offsets that expired are looked for",
    ),
    key(
        "offsets.commit.timeout.ms",
        "groups.offsets_commit_timeout_ms",
        |c, v| set(&mut c.groups.offsets_commit_timeout_ms, v, &(1..=HOUR_MS)),
        "How long a commit may wait until its record is on every in-sync replica",
    ),
    key(
        "offset.metadata.max.bytes",
        "groups.offset_metadata_max_bytes",
        |c, v| set(&mut c.groups.offset_metadata_max_bytes, v, &(0..=32_767)),
        "The longest note beside an offset",
    ),
    key(
        "group.min.session.timeout.ms",
        "groups.min_session_timeout_ms",
        |c, v| set(&mut c.groups.min_session_timeout_ms, v, &(1..=24 * HOUR_MS)),
        "The shortest session that a member of a group may ask for",
    ),
    key(
        "group.max.session.timeout.ms",
        "groups.max_session_timeout_ms",
        |c, v| set(&mut c.groups.max_session_timeout_ms, v, &(1..=24 * HOUR_MS)),
        "The longest session that a member of a group may ask for",
    ),
    key(
        "group.initial.rebalance.delay.ms",
        "groups.initial_rebalance_delay_ms",
        |c, v| set(&mut c.groups.initial_rebalance_delay_ms, v, &(0..=HOUR_MS)),
        "How long a group that was empty waits for more members before it begins",
    ),
    key(
        "group.max.size",
        "groups.max_size",
        |c, v| set(&mut c.groups.max_size, bounded(v), &(1..=100_000)),
        "Most members of a group (Kafka's default: no bound; here at most 100,000)",
    ),
    key(
        "group.consumer.session.timeout.ms",
        "groups.consumer_session_timeout_ms",
        |c, v| set(&mut c.groups.consumer_session_timeout_ms, v, &(1..=HOUR_MS)),
        "How long a member of the consumer protocol may be silent",
    ),
    key(
        "group.consumer.heartbeat.interval.ms",
        "groups.consumer_heartbeat_interval_ms",
        |c, v| {
            let interval = &mut c.groups.consumer_heartbeat_interval_ms;
            set(interval, v, &(1..=HOUR_MS))
        },
        "How often a member of the consumer protocol is asked to say that it lives",
    ),
    key(
        "group.consumer.max.size",
        "groups.consumer_max_size",
        |c, v| set(&mut c.groups.consumer_max_size, bounded(v), &(1..=100_000)),
        "Most members of a group of the consumer protocol (Kafka's default: no bound; here at most \
         100,000)",
    ),
    key(
        "group.consumer.migration.policy",
        "groups.consumer_migration_policy",
        |c, v| {
            c.groups.consumer_migration_policy = v.parse()?;
            Ok(())
        },
        "Which groups may go from one protocol to the other while they have members: bidirectional, \
         upgrade (to the consumer protocol), downgrade or disabled",
    ),
];

/// Kafka's own default stands for no bound.
fn bounded(value: &str) -> &str {
    if value == "2147483647" {
        "100000"
    } else {
        value
    }
}
