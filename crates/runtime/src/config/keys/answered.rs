//! The keys of Kafka that set nothing here, each with the answer that the operator gets.

use super::{Answer, Key};

const fn notice(name: &'static str, text: &'static str) -> Key {
    Key {
        name,
        answer: Answer::Notice,
        text,
    }
}

const fn only(name: &'static str, value: &'static str, text: &'static str) -> Key {
    Key {
        name,
        answer: Answer::Only(value),
        text,
    }
}

const fn refused(name: &'static str, text: &'static str) -> Key {
    Key {
        name,
        answer: Answer::Refused,
        text,
    }
}

const FLUSH: &str = "an upper bound that is already met: every record is synced on each in-sync \
                     replica before it is acknowledged";
const CLEANER: &str = "no cleaner threads are needed: compacted topics are not part of this \
                       version, and expired segments are deleted by retention, whose pace \
                       `log.retention.check.interval.ms` sets";
const GROUPS: &str = "groups need no such setting here: their coordinators run on every broker, \
                      load by themselves, and keep `__consumer_offsets` small by rewriting it";
const SHARE_GROUPS: &str = "share groups are not part of this version";
const TRANSACTIONS: &str = "transactions are not part of this version; idempotent producers are";
const SOCKET: &str = "the kernel sizes socket buffers by itself; requests in flight are bounded \
                      by `holdfast.memory.budget.bytes`";
const REPLICA: &str = "followers do not fetch: the leader streams to them over gRPC with flow \
                       control, bounded by `holdfast.memory.budget.bytes`";
const INDEX: &str = "the index lives in RocksDB and needs no sizes: `holdfast.memory.budget.bytes` \
                     bounds it";
const QUORUM: &str = "the brokers form their own metadata quorum: `holdfast format` writes its \
                      voters from the formation document";
const SECURITY: &str = "encryption and authentication are not part of this version; a listener \
                        that asks for them is refused";
const REMOTE: &str = "tiered storage is not part of this version";
const QUOTAS: &str = "quotas are not part of this version";
const VERSION: &str = "formats follow the cluster's feature level, which an operator raises when \
                       every broker runs the new version";
const METRICS: &str = "metrics are served in Prometheus' format at `holdfast.admin.bind`, without \
                       reporters or samples to configure";
const POLICY: &str = "Java classes cannot be loaded";

/// A prefix comes after the names that it would swallow.
pub(super) const KEYS: &[Key] = &[
    notice("log.flush.interval.messages", FLUSH),
    notice("log.flush.interval.ms", FLUSH),
    notice("log.flush.scheduler.interval.ms", FLUSH),
    notice(
        "log.flush.*",
        "recovery points need no checkpoints: the write-ahead log is replayed at start",
    ),
    only(
        "log.cleaner.enable",
        "true",
        "compaction cannot be switched off; a topic chooses by `cleanup.policy`",
    ),
    notice("log.cleaner.threads", CLEANER),
    notice("log.cleaner.*", CLEANER),
    only(
        "unclean.leader.election.enable",
        "false",
        "no election may lose acknowledged records: when every eligible replica is gone, \
         the partition waits for one of them to come back",
    ),
    only(
        "delete.topic.enable",
        "true",
        "topics can always be deleted by whoever may",
    ),
    only(
        "controlled.shutdown.enable",
        "true",
        "a graceful stop always hands leadership over first",
    ),
    notice(
        "controlled.shutdown.*",
        "a graceful stop hands leadership over first, within `holdfast.shutdown.timeout.ms`",
    ),
    notice(
        "process.roles",
        "every broker can be a voter of the metadata quorum: the formation document of \
         `holdfast format` names them",
    ),
    notice("controller.quorum.*", QUORUM),
    notice("controller.quota.*", QUOTAS),
    notice("controller.*", QUORUM),
    notice(
        "metadata.log.*",
        "the metadata log lives in the data directory and compacts itself",
    ),
    notice(
        "metadata.*",
        "the metadata log lives in the data directory and compacts itself",
    ),
    notice(
        "initial.broker.registration.timeout.ms",
        "a broker registers until it succeeds or is stopped; `/readyz` says where it stands",
    ),
    notice(
        "zookeeper.*",
        "there is no ZooKeeper: the brokers form their own metadata quorum by `holdfast format`",
    ),
    notice(
        "broker.id.generation.enable",
        "the number on the disk, which `holdfast format` wrote, counts",
    ),
    notice(
        "reserved.broker.max.id",
        "broker numbers are never generated",
    ),
    notice(
        "inter.broker.listener.name",
        "brokers talk to each other over gRPC: set `holdfast.rpc.bind` and \
         `holdfast.rpc.advertised`",
    ),
    notice(
        "security.inter.broker.protocol",
        "brokers talk to each other over gRPC at `holdfast.rpc.bind`",
    ),
    notice(
        "control.plane.listener.name",
        "brokers talk to each other over gRPC at `holdfast.rpc.bind`",
    ),
    notice("inter.broker.protocol.version", VERSION),
    notice(
        "log.message.format.version",
        "batches are stored in format v2, the only one since Kafka 4.0",
    ),
    notice(
        "log.message.downconversion.enable",
        "batches are never converted down, as in Kafka 4.0",
    ),
    notice(
        "log.message.timestamp.difference.max.ms",
        "use `log.message.timestamp.before.max.ms` and `log.message.timestamp.after.max.ms`",
    ),
    notice("log.index.*", INDEX),
    notice(
        "log.segment.delete.delay.ms",
        "readers keep what they read: deleted data goes at once",
    ),
    notice(
        "log.roll.jitter.hours",
        "segments are virtual: closing many at once costs nothing",
    ),
    notice(
        "log.roll.jitter.ms",
        "segments are virtual: closing many at once costs nothing",
    ),
    notice(
        "log.preallocate",
        "RocksDB preallocates its files by itself",
    ),
    notice(
        "log.dir.failure.timeout.ms",
        "a broker has one disk and stops when that fails",
    ),
    notice(
        "log.initial.task.delay.ms",
        "retention starts once the broker serves",
    ),
    notice("log.local.retention.*", REMOTE),
    notice(
        "num.recovery.threads.per.data.dir",
        "start-up replays one write-ahead log and does not read the data",
    ),
    notice(
        "background.threads",
        "RocksDB's background threads follow the number of CPUs",
    ),
    notice("num.replica.fetchers", REPLICA),
    notice(
        "num.replica.alter.log.dirs.threads",
        "a broker has one disk: run one broker for each",
    ),
    notice(
        "replica.selector.class",
        "consumers that name their zone in `client.rack` read from the replica there",
    ),
    notice("replica.*", REPLICA),
    notice("socket.send.buffer.bytes", SOCKET),
    notice("socket.receive.buffer.bytes", SOCKET),
    notice(
        "socket.listen.backlog.size",
        "the backlog is the kernel's `net.core.somaxconn`",
    ),
    notice("queued.max.requests", SOCKET),
    notice("queued.max.request.bytes", SOCKET),
    notice(
        "max.connections.per.ip",
        "use `max.connections`; the bound per address is not part of this version",
    ),
    notice(
        "max.connections.per.ip.overrides",
        "use `max.connections`; the bound per address is not part of this version",
    ),
    notice("max.connection.creation.rate", QUOTAS),
    notice("connection.failed.authentication.delay.ms", SECURITY),
    notice(
        "max.incremental.fetch.session.cache.slots",
        "at most 1,000 sessions, with as many partitions in all as fit 3 % of \
         `holdfast.memory.budget.bytes`; consumers beyond that fetch without a session",
    ),
    notice(
        "fetch.purgatory.purge.interval.requests",
        "waiting requests are dropped with their connection",
    ),
    notice(
        "producer.purgatory.purge.interval.requests",
        "waiting requests are dropped with their connection",
    ),
    notice(
        "delete.records.purgatory.purge.interval.requests",
        "waiting requests are dropped with their connection",
    ),
    notice(
        "request.timeout.ms",
        "replication streams notice a silent peer by `broker.session.timeout.ms`",
    ),
    notice(
        "leader.imbalance.per.broker.percentage",
        "preferred leaders come back whatever the imbalance; see `auto.leader.rebalance.enable`",
    ),
    notice(
        "producer.id.expiration.*",
        "a producer is forgotten after 24 hours of silence, or when 10,000 others wrote to its \
         partition since",
    ),
    notice("offsets.*", GROUPS),
    notice("group.share.*", SHARE_GROUPS),
    notice("group.*", GROUPS),
    notice("share.coordinator.*", SHARE_GROUPS),
    notice("transaction.*", TRANSACTIONS),
    notice("transactional.id.expiration.ms", TRANSACTIONS),
    notice("add.partitions.to.txn.*", TRANSACTIONS),
    notice("compression.*", "each codec uses its default level"),
    notice("quota.*", QUOTAS),
    notice("replication.quota.*", QUOTAS),
    notice("alter.log.dirs.replication.*", QUOTAS),
    notice("client.quota.callback.class", POLICY),
    refused(
        "authorizer.class.name",
        "authorization is not part of this version, and a broker that ignored this key would \
         serve everybody",
    ),
    refused("create.topic.policy.class.name", POLICY),
    refused("alter.config.policy.class.name", POLICY),
    notice("super.users", SECURITY),
    notice("allow.everyone.if.no.acl.found", SECURITY),
    notice("principal.builder.class", SECURITY),
    notice(
        "early.start.listeners",
        "listeners open once the broker can answer",
    ),
    notice("delegation.token.*", SECURITY),
    notice("password.encoder.*", SECURITY),
    notice("security.providers", SECURITY),
    notice("ssl.*", SECURITY),
    notice("sasl.*", SECURITY),
    notice("listener.name.*", SECURITY),
    only("remote.log.storage.system.enable", "false", REMOTE),
    notice("remote.log.*", REMOTE),
    notice("remote.*", REMOTE),
    notice("metric.reporters", METRICS),
    notice("metrics.*", METRICS),
    notice("kafka.metrics.*", METRICS),
    notice("auto.include.jmx.reporter", METRICS),
    notice("telemetry.*", METRICS),
    notice("unstable.*", VERSION),
    notice(
        "eligible.leader.replicas.enable",
        "eligible leader replicas are always kept",
    ),
    notice("confluent.*", "this key belongs to another product"),
];
