//! How calls to the quorum fail.

use openraft::error::{ClientWriteError, Fatal, ForwardToLeader, RaftError};

use crate::leadership::Leader;
use crate::node::{NodeId, Peer};
use crate::storage;

/// Why the quorum did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This broker does not lead. What was proposed was not and will not be committed.
    #[error("this broker does not lead the metadata quorum")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<Leader>,
    },
    /// No outcome in time: it may or may not be committed, later too. A batch that is proposed
    /// again takes effect once at most, since it names the image version that it was decided on.
    #[error("the metadata quorum gave no outcome in time")]
    TimedOut,
    /// Too many proposals wait.
    #[error("too many proposals to the metadata quorum wait")]
    Overloaded,
    /// The proposal does not fit into one entry.
    #[error("proposal of {bytes} bytes, at most {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest one.
        limit: usize,
    },
    /// The members cannot be changed like that now.
    #[error("members cannot be changed: {0}")]
    Members(String),
    /// The quorum stopped in this process; the process must stop too.
    #[error("the metadata quorum stopped: {0}")]
    Fatal(String),
    /// The stored state cannot be used; the process must stop.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A setting contradicts another.
    #[error("bad quorum settings: {0}")]
    Options(String),
}

impl From<Fatal<NodeId>> for Error {
    fn from(fatal: Fatal<NodeId>) -> Self {
        Self::Fatal(fatal.to_string())
    }
}

impl From<ForwardToLeader<NodeId, Peer>> for Error {
    fn from(forward: ForwardToLeader<NodeId, Peer>) -> Self {
        let leader = forward.leader_id.zip(forward.leader_node);
        let leader = leader.map(|(id, peer)| Leader {
            replica: id.0,
            address: peer.address(),
        });
        Self::NotLeader { leader }
    }
}

impl From<RaftError<NodeId, ClientWriteError<NodeId, Peer>>> for Error {
    fn from(error: RaftError<NodeId, ClientWriteError<NodeId, Peer>>) -> Self {
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => forward.into(),
            RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => {
                Self::Members(error.to_string())
            }
            RaftError::Fatal(fatal) => fatal.into(),
        }
    }
}
