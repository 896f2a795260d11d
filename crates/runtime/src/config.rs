//! The configuration of a broker: a TOML file of ours or a Kafka `.properties` file, then the
//! environment, then flags; the later wins.
//!
//! One table ([`keys`]) says of every key that Kafka's operators know whether it is honoured,
//! answered by a notice that names our way, or refused. `docs/configuration.md` is generated from
//! that table.

use std::net::IpAddr;
use std::path::PathBuf;

use holdfast_model::TopicConfig;
use serde::Serialize;

use crate::logs;
use crate::memory_limit::MemoryLimit;

mod effective;
mod endpoint;
mod error;
mod explain;
mod groups;
pub mod keys;
mod listener;
mod load;
mod nearest;
mod placeholders;
mod properties;
pub mod reference;
mod toml_file;
mod topic_defaults;
mod validate;
mod value;

pub use effective::{EffectiveKey, ValueKind};
pub use endpoint::HostPort;
pub use error::Error;
pub use explain::{Explanation, Verdict, explain};
pub use groups::Groups;
pub use listener::{Listener, Protocol};
pub use load::{Loaded, Notice, Sources};

/// The effective configuration of one broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The broker's stable number; unset means the one that `holdfast format` wrote on the disk,
    /// and a number that differs from the disk's keeps the broker from starting.
    pub broker_id: Option<i32>,
    /// The failure domain, Kafka's rack; unset means that the broker shares none.
    pub zone: Option<String>,
    /// Where everything durable lives.
    pub data_dir: PathBuf,
    /// Where Kafka's clients connect.
    pub listeners: Vec<Listener>,
    /// Where the other brokers connect.
    pub rpc: Rpc,
    /// Where `/metrics`, `/livez` and `/readyz` are served; unencrypted, so on the loopback
    /// interface by default.
    pub admin_bind: HostPort,
    /// Where people and operators ask.
    pub admin_api: AdminApi,
    /// What clients push.
    pub telemetry: Telemetry,
    /// The process only holds the disk: it neither serves nor takes part.
    pub parked: bool,
    /// The log of the process.
    pub log: Log,
    /// Bytes to plan with; unset means a part of the cgroup's or machine's memory.
    pub memory_budget_bytes: Option<u64>,
    /// Free bytes on the data disk below which writes are refused.
    pub disk_reserve_bytes: u64,
    /// Bytes of stored records read and checked in the background, each second; 0 for none.
    pub scrub_bytes_per_second: u64,
    /// Threads of the asynchronous runtime; unset means one for each CPU.
    pub network_threads: Option<usize>,
    /// Threads that read from the disk what the tail cache does not hold.
    pub read_threads: usize,
    /// The largest request frame, in bytes.
    pub request_max_bytes: u32,
    /// The most bytes that one fetch is answered with.
    pub fetch_max_bytes: u32,
    /// The most connections of clients, over all listeners.
    pub max_connections: usize,
    /// Milliseconds after which a connection without requests is closed.
    pub connection_idle_ms: u64,
    /// Milliseconds that a graceful stop may take before it becomes a hard one.
    pub shutdown_timeout_ms: u64,
    /// How topics are made.
    pub topics: Topics,
    /// What holds for a topic that does not say otherwise.
    #[serde(serialize_with = "topic_defaults::serialize")]
    pub topic_defaults: TopicConfig,
    /// Milliseconds between two looks for expired segments.
    pub retention_check_interval_ms: u64,
    /// Failure detection and leadership.
    pub replication: Replication,
    /// Consumer groups.
    pub groups: Groups,
}

/// The listener for people and operators: gRPC over mutual TLS. Served if all three files are named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdminApi {
    /// The address to listen on.
    pub bind: HostPort,
    /// This broker's certificate, in PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, in PEM.
    pub key: Option<PathBuf>,
    /// The certificates of the authorities that callers' certificates are of, in PEM.
    pub authority: Option<PathBuf>,
}

impl AdminApi {
    /// The certificate, the key and the authority, if the API is to be served.
    pub fn files(&self) -> Option<[&PathBuf; 3]> {
        Some([
            self.certificate.as_ref()?,
            self.key.as_ref()?,
            self.authority.as_ref()?,
        ])
    }
}

/// Metrics that clients push (KIP-714).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Telemetry {
    /// Where they go: OTLP over HTTP. Unset: clients are not asked for any.
    pub receiver: Option<String>,
    /// Milliseconds between two pushes of a client.
    pub interval_ms: u64,
    /// The most that a client may push at once, in bytes.
    pub max_bytes: u32,
}

/// The listener for the other brokers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rpc {
    /// The address to listen on.
    pub bind: HostPort,
    /// The address that the others are told; unset means `bind`, or this machine's name where
    /// that is a wildcard.
    pub advertised: Option<HostPort>,
    /// The local address of connections to the others; unset leaves the choice to the system.
    pub source: Option<IpAddr>,
}

/// The log of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// Text for people, JSON for machines.
    pub format: logs::Format,
    /// Levels, as `info,holdfast_store=debug`.
    pub filter: String,
}

/// How topics are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topics {
    /// Whether asking for a topic that does not exist makes it.
    pub auto_create: bool,
    /// Partitions of a topic that does not say.
    pub partitions: i32,
    /// Replicas of a topic that does not say.
    pub replication_factor: i16,
}

/// Failure detection and leadership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replication {
    /// Milliseconds that a replica may lag before it leaves the in-sync set.
    pub lag_time_max_ms: u64,
    /// Milliseconds without a heartbeat after which the controller fences a broker.
    pub session_timeout_ms: u64,
    /// Milliseconds between two heartbeats to the controller.
    pub heartbeat_interval_ms: u64,
    /// Whether leadership returns to the preferred replica.
    pub preferred_leaders: bool,
    /// Seconds between two looks for leaders that are not the preferred ones.
    pub preferred_leader_interval_s: u64,
}

impl Config {
    /// The memory budget in bytes: as configured, or the planned part of what the cgroup or the
    /// machine allows.
    pub fn memory_budget(&self) -> u64 {
        self.memory_budget_bytes
            .unwrap_or_else(|| MemoryLimit::detect().budget_bytes())
    }

    /// The effective configuration as a TOML file that loads to the same.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration holds only what TOML can say")
    }
}

impl Rpc {
    /// The address that the other brokers are told.
    pub fn advertised(&self) -> HostPort {
        self.advertised
            .clone()
            .unwrap_or_else(|| self.bind.reachable())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            broker_id: None,
            zone: None,
            data_dir: PathBuf::from("/var/lib/holdfast"),
            listeners: vec![Listener::default()],
            rpc: Rpc {
                bind: HostPort::new("0.0.0.0", 9192),
                advertised: None,
                source: None,
            },
            admin_bind: HostPort::new("127.0.0.1", 9292),
            admin_api: AdminApi {
                bind: HostPort::new("0.0.0.0", 9392),
                certificate: None,
                key: None,
                authority: None,
            },
            telemetry: Telemetry {
                receiver: None,
                interval_ms: 300_000,
                max_bytes: 1_048_576,
            },
            parked: false,
            log: Log {
                format: logs::Format::Text,
                // The consensus library reports every lost message as an error; what matters of it
                // (leaders, failures of its storage) our own quorum says.
                filter: "info,openraft=off".to_owned(),
            },
            memory_budget_bytes: None,
            disk_reserve_bytes: 1 << 30,
            scrub_bytes_per_second: 8 << 20,
            network_threads: None,
            read_threads: 8,
            request_max_bytes: 100 << 20,
            fetch_max_bytes: 55 << 20,
            max_connections: 20_000,
            connection_idle_ms: 600_000,
            shutdown_timeout_ms: 30_000,
            topics: Topics {
                auto_create: false,
                partitions: 1,
                replication_factor: 3,
            },
            topic_defaults: TopicConfig::default(),
            retention_check_interval_ms: 300_000,
            replication: Replication {
                lag_time_max_ms: 1500,
                session_timeout_ms: 800,
                heartbeat_interval_ms: 100,
                preferred_leaders: true,
                preferred_leader_interval_s: 5,
            },
            groups: Groups::default(),
        }
    }
}

#[cfg(test)]
mod tests;
