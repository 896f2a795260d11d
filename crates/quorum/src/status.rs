//! The state of the quorum, for people and for Kafka's DescribeQuorum.

use holdfast_model::ReplicaId;
use serde::{Deserialize, Serialize};

use crate::contacts::Contacts;
use crate::leadership::Metrics;
use crate::node::{NodeId, Peer};

/// The state of the quorum as one broker knows it. Offsets are those of the quorum's log: an end is
/// the index after the last entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The Raft term.
    pub term: u64,
    /// The leader, if one is known.
    pub leader: Option<ReplicaId>,
    /// The end of what this broker knows as committed and has applied.
    pub high_watermark: u64,
    /// The first entry still held here.
    pub log_start: u64,
    /// The end of this broker's log.
    pub log_end: u64,
    /// Those who vote.
    pub voters: Vec<MemberStatus>,
    /// Those who follow without a vote.
    pub learners: Vec<MemberStatus>,
}

/// The state of one member. Only the leader knows more than its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Its broker id and disk.
    pub replica: ReplicaId,
    /// Where it is reached.
    pub peer: Peer,
    /// The end of its log, as far as the leader knows.
    pub log_end: Option<u64>,
    /// When it last answered, in milliseconds since 1970.
    pub last_answer_ms: Option<i64>,
    /// When it last had everything that was committed, in milliseconds since 1970.
    pub last_caught_up_ms: Option<i64>,
}

impl Status {
    pub(crate) fn of(metrics: &Metrics, log_start: u64, contacts: &Contacts, now_ms: i64) -> Self {
        let membership = metrics.membership_config.membership();
        let log_end = metrics.last_log_index.map_or(0, |index| index + 1);
        let describe = |id: NodeId, peer: &Peer| {
            let itself = id == metrics.id;
            let leads = metrics.current_leader == Some(metrics.id);
            let matched = metrics
                .replication
                .as_ref()
                .and_then(|known| known.get(&id));
            let matched = matched.map(|log_id| log_id.map_or(0, |log_id| log_id.index + 1));
            let contact = contacts.get(id).filter(|_| leads);
            MemberStatus {
                replica: id.0,
                peer: peer.clone(),
                log_end: if itself { Some(log_end) } else { matched },
                last_answer_ms: itself
                    .then_some(now_ms)
                    .or(contact.map(|contact| contact.answered_ms)),
                last_caught_up_ms: (itself && leads)
                    .then_some(now_ms)
                    .or(contact.and_then(|contact| contact.caught_up_ms)),
            }
        };
        let is_voter = |id: &NodeId| membership.voter_ids().any(|voter| voter == *id);
        let (voters, learners): (Vec<_>, Vec<_>) =
            membership.nodes().partition(|(id, _)| is_voter(id));
        let all = |members: Vec<(&NodeId, &Peer)>| {
            members
                .into_iter()
                .map(|(id, peer)| describe(*id, peer))
                .collect()
        };
        Self {
            term: metrics.current_term,
            leader: metrics.current_leader.map(|id| id.0),
            high_watermark: metrics.last_applied.map_or(0, |id| id.index + 1),
            log_start,
            log_end,
            voters: all(voters),
            learners: all(learners),
        }
    }
}
