//! The keys that set something.

use holdfast_model::topic_bounds as bounds;

use super::super::listener::{drop_controllers, set_advertised, set_listeners, set_protocols};
use super::super::topic_defaults::{parse_cleanup, parse_compression, parse_timestamp_type};
use super::super::value::{boolean, number, set, set_optional, set_within, span_ms};
use super::{Answer, Apply, Key, Setting};

const MAX_MS: u64 = 365 * 24 * 3_600_000;

const fn key(name: &'static str, toml: &'static str, apply: Apply, text: &'static str) -> Key {
    Key {
        name,
        answer: Answer::Honoured(Setting { toml, apply }),
        text,
    }
}

fn path(text: &str) -> Option<std::path::PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

/// In the order of application; see [`super::all`].
pub(super) const KEYS: &[Key] = &[
    key(
        "node.id",
        "broker_id",
        |c, v| set_optional(&mut c.broker_id, v, &(0..=i32::MAX)),
        "The broker's stable number. Unset: the one that `holdfast format` wrote on the disk",
    ),
    key(
        "broker.id",
        "",
        |c, v| {
            // Kafka's -1 asks for a generated number; here the disk's number is that.
            set_optional(
                &mut c.broker_id,
                if v == "-1" { "" } else { v },
                &(0..=i32::MAX),
            )
        },
        "The older name of `node.id`; -1 means the number on the disk",
    ),
    key(
        "broker.rack",
        "zone",
        |c, v| {
            c.zone = if v.is_empty() {
                None
            } else {
                Some(bounded(v)?)
            };
            Ok(())
        },
        "The failure domain; replicas of a partition are spread over them",
    ),
    key(
        "log.dirs",
        "data_dir",
        data_dir,
        "The data directory: one broker, one disk",
    ),
    key("log.dir", "", data_dir, "The older name of `log.dirs`"),
    key(
        "listeners",
        "",
        |c, v| set_listeners(&mut c.listeners, v),
        "Where clients connect, `NAME://host:port,...`; in TOML the tables `[[listeners]]` with \
         `name`, `bind`, `advertised`, `protocol`",
    ),
    key(
        "advertised.listeners",
        "",
        |c, v| set_advertised(&mut c.listeners, v),
        "The addresses that clients are told, per listener; in TOML `advertised`",
    ),
    key(
        "listener.security.protocol.map",
        "",
        |c, v| set_protocols(&mut c.listeners, v),
        "What is spoken on each listener. A listener with another protocol than PLAINTEXT is \
         refused: encryption is not part of this version",
    ),
    key(
        "controller.listener.names",
        "",
        |c, v| drop_controllers(&mut c.listeners, v),
        "Listeners of these names are left out: brokers talk to each other over \
         `holdfast.rpc.bind`",
    ),
    key(
        "holdfast.rpc.bind",
        "rpc.bind",
        |c, v| v.parse().map(|endpoint| c.rpc.bind = endpoint),
        "Where the other brokers connect",
    ),
    key(
        "holdfast.rpc.advertised",
        "rpc.advertised",
        |c, v| {
            c.rpc.advertised = if v.is_empty() { None } else { Some(v.parse()?) };
            Ok(())
        },
        "The address that the other brokers are told. Unset: `rpc.bind`, or this machine's name",
    ),
    key(
        "holdfast.rpc.source",
        "rpc.source",
        |c, v| {
            let address = |_wrong| format!("{v:?} is not an IP address");
            c.rpc.source = if v.is_empty() {
                None
            } else {
                Some(v.parse().map_err(address)?)
            };
            Ok(())
        },
        "The local address of connections to the other brokers. Unset: the system's choice",
    ),
    key(
        "holdfast.admin.bind",
        "admin_bind",
        |c, v| v.parse().map(|endpoint| c.admin_bind = endpoint),
        "Where `/metrics`, `/livez` and `/readyz` are served",
    ),
    key(
        "holdfast.admin.api.bind",
        "admin_api.bind",
        |c, v| v.parse().map(|endpoint| c.admin_api.bind = endpoint),
        "Where people and operators ask, over gRPC with mutual TLS; served once the three files are \
         named",
    ),
    key(
        "holdfast.admin.api.certificate",
        "admin_api.certificate",
        |c, v| {
            c.admin_api.certificate = path(v);
            Ok(())
        },
        "This broker's certificate for the admin API, in PEM; read again when it changes",
    ),
    key(
        "holdfast.admin.api.key",
        "admin_api.key",
        |c, v| {
            c.admin_api.key = path(v);
            Ok(())
        },
        "The key of that certificate, in PEM",
    ),
    key(
        "holdfast.admin.api.authority",
        "admin_api.authority",
        |c, v| {
            c.admin_api.authority = path(v);
            Ok(())
        },
        "The certificates of the authorities that callers' certificates must be of, in PEM",
    ),
    key(
        "holdfast.telemetry.receiver",
        "telemetry.receiver",
        |c, v| {
            c.telemetry.receiver = Some(v.to_owned()).filter(|text| !text.is_empty());
            Ok(())
        },
        "Where metrics go that clients push (KIP-714): OTLP over HTTP, as `http://host:4318/v1/metrics`. \
         Unset: clients are not asked for any",
    ),
    key(
        "holdfast.telemetry.interval.ms",
        "telemetry.interval_ms",
        |c, v| set(&mut c.telemetry.interval_ms, v, &(100..=86_400_000)),
        "How often clients are asked to push their metrics",
    ),
    key(
        "telemetry.max.bytes",
        "telemetry.max_bytes",
        |c, v| set(&mut c.telemetry.max_bytes, v, &(1..=8_388_608)),
        "The most that a client may push at once, compressed",
    ),
    key(
        "holdfast.parked",
        "parked",
        |c, v| boolean(v).map(|parked| c.parked = parked),
        "The process only holds its disk and answers the admin API: a broker that is stopped for a \
         while",
    ),
    key(
        "holdfast.log.format",
        "log.format",
        |c, v| {
            c.log.format = v.parse().map_err(|e: crate::logs::Error| e.to_string())?;
            Ok(())
        },
        "The log of the process: `text` or `json`",
    ),
    key(
        "holdfast.log.filter",
        "log.filter",
        |c, v| bounded(v).map(|filter| c.log.filter = filter),
        "The levels of the log of the process, as `info,holdfast_store=debug`",
    ),
    key(
        "holdfast.memory.budget.bytes",
        "memory_budget_bytes",
        |c, v| set_optional(&mut c.memory_budget_bytes, v, &((64 << 20)..=(1 << 42))),
        "Memory to plan with. Unset: 60 % of the cgroup's limit or of the machine",
    ),
    key(
        "holdfast.disk.reserve.bytes",
        "disk_reserve_bytes",
        |c, v| set(&mut c.disk_reserve_bytes, v, &((16 << 20)..=(1 << 50))),
        "Free bytes on the data disk below which writes are refused; a tenth of the disk at most",
    ),
    key(
        "holdfast.scrub.bytes.per.second",
        "scrub_bytes_per_second",
        |c, v| set(&mut c.scrub_bytes_per_second, v, &(0..=1 << 40)),
        "Bytes of stored records that are read and checked in the background, each second; 0 for \
         none. The metric `holdfast_disk_scrub_round_seconds` says how long a whole round took",
    ),
    key(
        "num.network.threads",
        "network_threads",
        |c, v| set_optional(&mut c.network_threads, v, &(1..=1024)),
        "Threads of the asynchronous runtime. Unset: one for each CPU",
    ),
    key(
        "num.io.threads",
        "read_threads",
        |c, v| set(&mut c.read_threads, v, &(1..=1024)),
        "Threads that read from the disk what the tail cache does not hold; writes have one \
         thread for each shard, whatever this says",
    ),
    key(
        "socket.request.max.bytes",
        "request_max_bytes",
        |c, v| set(&mut c.request_max_bytes, v, &(1024..=100 << 20)),
        "The largest request frame",
    ),
    key(
        "fetch.max.bytes",
        "fetch_max_bytes",
        |c, v| set(&mut c.fetch_max_bytes, v, &(1024..=1 << 30)),
        "The most bytes that one fetch is answered with",
    ),
    key(
        "max.connections",
        "max_connections",
        |c, v| set(&mut c.max_connections, v, &(1..=1 << 20)),
        "The most connections of clients, over all listeners",
    ),
    key(
        "connections.max.idle.ms",
        "connection_idle_ms",
        |c, v| set(&mut c.connection_idle_ms, v, &(1000..=MAX_MS)),
        "A connection without requests is closed after this",
    ),
    key(
        "holdfast.shutdown.timeout.ms",
        "shutdown_timeout_ms",
        |c, v| set(&mut c.shutdown_timeout_ms, v, &(0..=3_600_000)),
        "A graceful stop that takes longer becomes a hard one",
    ),
    key(
        "auto.create.topics.enable",
        "topics.auto_create",
        |c, v| boolean(v).map(|flag| c.topics.auto_create = flag),
        "Whether asking for a topic that does not exist makes it (Kafka's default: true)",
    ),
    key(
        "num.partitions",
        "topics.partitions",
        |c, v| {
            set(
                &mut c.topics.partitions,
                v,
                &(1..=holdfast_model::limits::PARTITIONS_PER_TOPIC),
            )
        },
        "Partitions of a topic that does not say",
    ),
    key(
        "default.replication.factor",
        "topics.replication_factor",
        |c, v| set(&mut c.topics.replication_factor, v, &(1..=64)),
        "Replicas of a topic that does not say (Kafka's default: 1)",
    ),
    key(
        "min.insync.replicas",
        "topic_defaults.min_insync_replicas",
        |c, v| {
            set_within(
                &mut c.topic_defaults.min_insync_replicas,
                v,
                &bounds::MIN_INSYNC_REPLICAS,
            )
        },
        "Topic default: in-sync replicas below which acks=all is refused (Kafka's default: 1)",
    ),
    key(
        "message.max.bytes",
        "topic_defaults.max_message_bytes",
        |c, v| {
            set_within(
                &mut c.topic_defaults.max_message_bytes,
                v,
                &bounds::MAX_MESSAGE_BYTES,
            )
        },
        "Topic default `max.message.bytes`: the largest batch as received, at most 64 MiB",
    ),
    key(
        "compression.type",
        "topic_defaults.compression_type",
        |c, v| parse_compression(v).map(|kind| c.topic_defaults.compression_type = kind),
        "Topic default: `producer`, `uncompressed`, `gzip`, `snappy`, `lz4` or `zstd`",
    ),
    key(
        "log.cleanup.policy",
        "topic_defaults.cleanup_policy",
        |c, v| parse_cleanup(v).map(|policy| c.topic_defaults.cleanup_policy = policy),
        "Topic default `cleanup.policy`: `delete`, or empty to keep everything",
    ),
    key(
        "log.message.timestamp.type",
        "topic_defaults.message_timestamp_type",
        |c, v| parse_timestamp_type(v).map(|kind| c.topic_defaults.timestamp_type = kind),
        "Topic default `message.timestamp.type`: `CreateTime` or `LogAppendTime`",
    ),
    key(
        "log.message.timestamp.before.max.ms",
        "topic_defaults.message_timestamp_before_max_ms",
        |c, v| {
            set_within(
                &mut c.topic_defaults.timestamp_before_max_ms,
                v,
                &bounds::TIMESTAMP_DISTANCE_MS,
            )
        },
        "Topic default: how far a timestamp may lie in the past",
    ),
    key(
        "log.message.timestamp.after.max.ms",
        "topic_defaults.message_timestamp_after_max_ms",
        |c, v| {
            set_within(
                &mut c.topic_defaults.timestamp_after_max_ms,
                v,
                &bounds::TIMESTAMP_DISTANCE_MS,
            )
        },
        "Topic default: how far a timestamp may lie in the future",
    ),
    key(
        "log.retention.hours",
        "",
        |c, v| span_ms(v, 3_600_000).map(|ms| c.topic_defaults.retention_ms = ms),
        "Topic default `retention.ms` in hours; -1 for ever",
    ),
    key(
        "log.retention.minutes",
        "",
        |c, v| span_ms(v, 60_000).map(|ms| c.topic_defaults.retention_ms = ms),
        "The same in minutes; wins over hours",
    ),
    key(
        "log.retention.ms",
        "topic_defaults.retention_ms",
        |c, v| set_within(&mut c.topic_defaults.retention_ms, v, &bounds::RETENTION_MS),
        "The same in milliseconds; wins over both",
    ),
    key(
        "log.retention.bytes",
        "topic_defaults.retention_bytes",
        |c, v| {
            set_within(
                &mut c.topic_defaults.retention_bytes,
                v,
                &bounds::RETENTION_BYTES,
            )
        },
        "Topic default `retention.bytes` of each partition; -1 unbounded",
    ),
    key(
        "log.segment.bytes",
        "topic_defaults.segment_bytes",
        |c, v| {
            set_within(
                &mut c.topic_defaults.segment_bytes,
                v,
                &bounds::SEGMENT_BYTES,
            )
        },
        "Topic default `segment.bytes`: size of a virtual segment, the step of retention",
    ),
    key(
        "log.roll.hours",
        "",
        |c, v| {
            c.topic_defaults.segment_ms = number(v, &(1..=i64::MAX / 3_600_000))? * 3_600_000;
            Ok(())
        },
        "Topic default `segment.ms` in hours",
    ),
    key(
        "log.roll.ms",
        "topic_defaults.segment_ms",
        |c, v| set_within(&mut c.topic_defaults.segment_ms, v, &bounds::SEGMENT_MS),
        "The same in milliseconds; wins over hours",
    ),
    key(
        "log.retention.check.interval.ms",
        "retention_check_interval_ms",
        |c, v| set(&mut c.retention_check_interval_ms, v, &(10..=MAX_MS)),
        "How often expired segments are looked for",
    ),
    key(
        "replica.lag.time.max.ms",
        "replication.lag_time_max_ms",
        |c, v| set(&mut c.replication.lag_time_max_ms, v, &(100..=3_600_000)),
        "A replica that lags for longer leaves the in-sync set (Kafka's default: 30000)",
    ),
    key(
        "broker.session.timeout.ms",
        "replication.session_timeout_ms",
        |c, v| set(&mut c.replication.session_timeout_ms, v, &(50..=3_600_000)),
        "A broker without heartbeats is fenced after this (Kafka's default: 9000)",
    ),
    key(
        "broker.heartbeat.interval.ms",
        "replication.heartbeat_interval_ms",
        |c, v| set(&mut c.replication.heartbeat_interval_ms, v, &(10..=600_000)),
        "How often a broker says to the controller that it lives (Kafka's default: 2000)",
    ),
    key(
        "auto.leader.rebalance.enable",
        "replication.preferred_leaders",
        |c, v| boolean(v).map(|flag| c.replication.preferred_leaders = flag),
        "Whether leadership returns to the preferred replica",
    ),
    key(
        "leader.imbalance.check.interval.seconds",
        "replication.preferred_leader_interval_s",
        |c, v| {
            set(
                &mut c.replication.preferred_leader_interval_s,
                v,
                &(1..=86_400),
            )
        },
        "How often leaders that are not the preferred ones are looked for (Kafka's default: 300)",
    ),
];

/// Longest free text of a value.
const TEXT_LENGTH: usize = 1024;

fn bounded(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > TEXT_LENGTH {
        return Err(format!("a text of 1 to {TEXT_LENGTH} bytes is expected"));
    }
    Ok(text.to_owned())
}

fn data_dir(config: &mut super::super::Config, text: &str) -> Result<(), String> {
    if text.contains(',') {
        return Err("one data directory only: run one broker for each disk".to_owned());
    }
    config.data_dir = bounded(text)?.into();
    Ok(())
}
