//! Process plumbing of the binaries: supervised tasks, logs, metrics, probes, configuration, the
//! memory budget, and signals.
//!
//! Knows nothing about Kafka's messages, storage or replication; it knows Kafka's configuration
//! keys only as names that fill a [`Config`].
//!
//! Invariants:
//! - Every task has a name and a class; a task that the process cannot go on without takes the
//!   process with it when it panics or ends ([`Tasks`]).
//! - Nothing here is global but the logger and the panic hook: metrics, probes and budget are
//!   passed by hand.
//! - A configuration is never half understood: each key is honoured, answered by a notice, or
//!   refused ([`config`]).

pub mod admin_http;
pub mod budget;
pub mod config;
pub mod logs;
pub mod memory_limit;
pub mod metrics;
#[cfg(test)]
#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;
pub mod panics;
pub mod probes;
pub mod signals;
pub mod tasks;

pub use budget::{BudgetPermit, MemoryBudget, Share};
pub use config::Config;
pub use metrics::Metrics;
pub use probes::Probes;
pub use tasks::{Class, Tasks};
