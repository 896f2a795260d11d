//! Who leads the quorum, and whether this broker may decide.

use holdfast_model::ReplicaId;
use holdfast_rpc::Address;
use openraft::ServerState;

use crate::node::{NodeId, Peer};

/// The leader of the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Its broker id and disk.
    pub replica: ReplicaId,
    /// Where other brokers reach it.
    pub address: Address,
}

/// Who leads, as this broker knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The Raft term.
    pub term: u64,
    /// The leader, if one is known.
    pub leader: Option<Leader>,
    /// This broker leads and has applied everything that earlier leaders committed, so that what
    /// it decides now is decided on a complete image.
    pub ready: bool,
}

pub(crate) type Metrics = openraft::RaftMetrics<NodeId, Peer>;

impl Leadership {
    pub(crate) fn of(metrics: &Metrics) -> Self {
        let membership = metrics.membership_config.membership();
        let leader = metrics.current_leader.and_then(|id| {
            let peer = membership.get_node(&id)?;
            Some(Leader {
                replica: id.0,
                address: peer.address(),
            })
        });
        // A leader begins its term with an entry of its own; once that one is applied, so is
        // everything before it.
        let own_entry_applied = metrics
            .last_applied
            .is_some_and(|id| id.leader_id.term == metrics.current_term);
        let ready = metrics.state == ServerState::Leader
            && metrics.current_leader == Some(metrics.id)
            && own_entry_applied;
        Self {
            term: metrics.current_term,
            leader,
            ready,
        }
    }
}
