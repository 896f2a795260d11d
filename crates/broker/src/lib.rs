//! A broker: client listeners and the request pipeline, one handler for each API, the drivers that
//! run the kernels on store and rpc, and this node's part of the controller.
//!
//! Decides nothing about replication or leadership (the kernel does), names neither RocksDB nor
//! openraft (store and quorum do), and knows no configuration file (runtime does).
//!
//! Invariants:
//! - a partition's lock is held for moments and never across I/O or an await;
//! - a batch that was given an offset is written and replicated exactly so, or the process ends;
//! - no client is told of a record that is not below the high watermark of the epoch that took it.

pub mod admin;
pub mod admission;
pub mod answer_memory;
pub mod controller;
pub mod coordinator;
mod disk_log;
mod disk_read;
pub mod environment;
#[cfg(test)]
mod golden;
#[cfg(test)]
#[path = "../../../tests/versions/golden.rs"]
mod golden_bytes;
pub mod habits;
pub mod handlers;
pub mod image_follower;
pub mod metrics;
#[cfg(test)]
#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;
pub mod net;
#[cfg(test)]
mod newer_versions;
pub mod partition;
pub mod partitions;
pub mod pipeline;
pub mod recovery;
mod renewal;
pub mod repair;
pub mod replication;
mod request_memory;
pub mod serve;
pub mod state;
pub mod telemetry;
pub mod test_point;
pub mod topic_defaults;
pub mod upkeep;
pub mod verify;
pub mod work;

pub use serve::{Broker, StartError, Stopped};
