//! The metadata quorum: agreement of the voters on the cluster image, by Raft.
//!
//! Knows nothing about Kafka's messages, about partitions' data, or about who may lead a partition:
//! it agrees on batches of changes that others decide. The only crate that names `openraft`.
//!
//! Invariants:
//! - INV-VOTE-SYNCED: a vote or an entry is answered only after its sync ([`Keyspace::write`]).
//! - A member is a broker *and* the life of its disk; a message that means another disk is refused.
//! - Formation happens once, unanimously; after it the document grants nothing ([`formation`]).
//! - Damage to the stored log, vote or snapshot ends the process; nothing is dropped silently.

mod command;
mod contacts;
mod error;
pub mod formation;
#[cfg(test)]
mod golden;
#[cfg(test)]
#[path = "../../../tests/versions/golden.rs"]
mod golden_bytes;
#[cfg(test)]
mod hostile_bytes;
mod keys;
mod keyspace;
mod leadership;
mod log_store;
mod members;
#[cfg(test)]
#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;
mod network;
#[cfg(test)]
mod newer_versions;
mod node;
mod observer;
mod options;
mod payload;
mod publication;
mod quorum;
mod record;
pub mod recovery;
mod service;
#[cfg(test)]
mod sim_disk;
mod snapshot_store;
mod starts;
mod state_machine;
mod status;
mod storage;

pub use command::Outcome;
pub use error::Error;
pub use formation::{Document, Phase, Voter};
pub use keyspace::{KeyOp, KeyValue, Keyspace, KeyspaceError};
pub use leadership::{Leader, Leadership};
pub use node::Peer;
pub use options::Options;
pub use publication::{Changes, ImageUpdate, ImageUpdates};
pub use quorum::{Quorum, Setup, Spawn, Task};
pub use service::RaftService;
pub use status::{MemberStatus, Status};
pub use storage::Error as StorageError;
