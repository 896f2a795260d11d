//! The keys of the quorum in the metadata database, one file per kind. All begin with `raft/`.

pub(crate) mod binding;
pub(crate) mod committed;
pub(crate) mod entry;
pub(crate) mod purged;
pub(crate) mod recovery;
pub(crate) mod snapshot;
pub(crate) mod vote;
