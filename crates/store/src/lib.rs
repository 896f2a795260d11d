//! The log of every partition, and the metadata of the quorum, on RocksDB: written in groups,
//! synced before anybody is told, verified when read.
//!
//! Knows nothing about leaders, replicas, requests or what a record means: it keeps batches, what
//! describes them, and opaque bytes. It is the only crate that names `rocksdb`.
//!
//! Invariants:
//! - operations of one partition take effect in the order in which they were submitted, and are
//!   durable when their completion is reported; nothing truncated or deleted comes back;
//! - a failed write or sync is never tried again: the fatal hook ends the process;
//! - bytes whose checksum, length or position is wrong are never returned;
//! - a start reads the write-ahead log, the checkpoints and the index entries after them, so that its
//!   time does not depend on how much data the log holds;
//! - a write-ahead log that lost synced groups, at its end or in its middle, is noticed before the
//!   database opens.
//!
//! The layout on disk is described in `docs/storage-format.md`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod batch_header;
mod claim;
pub mod data_dir;
mod disk;
mod durable_mark;
mod error;
mod faults;
mod keys;
mod log_store;
mod meta_db;
#[cfg(test)]
#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;
mod synced_db;
mod tuning;
mod wal;

pub use data_dir::{DataDir, Formation, Identity};
pub use disk::ReserveOptions;
pub use error::{Class, Error};
pub use faults::{FaultPoint, Faults, NoFaults};
pub use holdfast_rocks::end_process;
pub use log_store::{
    Budget, Checked, CommitSink, Completed, FatalHook, GroupStats, Histogram, LogStore, Op, OpKind,
    Options, Outcome, Permit, RecoveredPartition, Reserve, Room, ShardId, Stats, StoredBatch,
    abort_process,
};
pub use meta_db::{MetaDb, MetaEntry, MetaOp, MetaOptions};
