//! The members of the quorum as openraft knows them.

use std::fmt;

use bytes::Bytes;
use holdfast_model::ReplicaId;
use holdfast_rpc::Address;
use serde::{Deserialize, Serialize};

use crate::command::{Command, Outcome};

openraft::declare_raft_types!(
    /// The types with which the quorum uses openraft.
    pub(crate) RaftTypes:
        D = Command,
        R = Outcome,
        NodeId = NodeId,
        Node = Peer,
        Entry = openraft::Entry<RaftTypes>,
        SnapshotData = Bytes,
        AsyncRuntime = openraft::TokioRuntime,
);

pub(crate) type Raft = openraft::Raft<RaftTypes>;
pub(crate) type Entry = openraft::Entry<RaftTypes>;
pub(crate) type LogId = openraft::LogId<NodeId>;
pub(crate) type Vote = openraft::Vote<NodeId>;
pub(crate) type Membership = openraft::StoredMembership<NodeId, Peer>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<NodeId, Peer>;
pub(crate) type StorageError = openraft::StorageError<NodeId>;

/// A member: a broker *and* the life of its disk, so that a wiped disk is somebody else.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(crate) struct NodeId(pub(crate) ReplicaId);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a member is reached, and its zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Peer {
    /// Host name or address for other brokers.
    pub host: String,
    /// Port for other brokers.
    pub port: u16,
    /// Its zone.
    #[serde(default)]
    pub zone: Option<String>,
}

impl Peer {
    /// Its address.
    pub fn address(&self) -> Address {
        Address::new(self.host.clone(), self.port)
    }
}

/// openraft's own checks of a store number their nodes.
#[cfg(test)]
impl From<u64> for NodeId {
    fn from(number: u64) -> Self {
        use holdfast_model::{BrokerId, Incarnation};
        Self(ReplicaId {
            broker: BrokerId(number as i32),
            incarnation: Incarnation(number),
        })
    }
}
