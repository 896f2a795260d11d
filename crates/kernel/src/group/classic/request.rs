//! What members ask for.

use std::sync::Arc;
use std::time::Duration;

use super::super::{MemberId, Protocol};

/// JoinGroup.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The member's id, if it has one.
    pub member: Option<MemberId>,
    /// The name that survives its restarts.
    pub instance: Option<Arc<str>>,
    /// An id nobody has, for a member that has none.
    pub fresh: MemberId,
    /// The kind of members.
    pub protocol_type: Arc<str>,
    /// What it knows, the best first.
    pub protocols: Vec<Protocol>,
    /// How long it may be silent.
    pub session_timeout: Duration,
    /// How long it may take to join again.
    pub rebalance_timeout: Duration,
    /// How its client calls itself.
    pub client_id: Arc<str>,
    /// Where it is.
    pub client_host: Arc<str>,
    /// Its client understands that it must join again with the id that it is given (KIP-394).
    pub takes_id_first: bool,
    /// Its client understands that the present assignment goes on (KIP-814).
    pub skips_assignment: bool,
}

/// Protocols that a member may know: clients know a few.
const PROTOCOLS: usize = 100;

/// Bytes that a member may say of itself under all of them.
const BYTES: usize = 4 << 20;

impl JoinRequest {
    /// Whether it says no more of its member than a group can keep.
    pub(in super::super) fn is_bounded(&self) -> bool {
        let protocols = self.protocols.iter();
        let bytes: usize = protocols
            .map(|one| one.name.len() + one.metadata.len())
            .sum();
        self.protocols.len() <= PROTOCOLS && bytes <= BYTES
    }
}

/// SyncGroup.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// The member.
    pub member: MemberId,
    /// The name that survives its restarts.
    pub instance: Option<Arc<str>>,
    /// The generation that it was told.
    pub generation: i32,
    /// The kind of members, where the client says it.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that it was told, where the client says it.
    pub protocol: Option<Arc<str>>,
    /// The assignment, from the leader.
    pub assignments: Vec<(MemberId, Arc<[u8]>)>,
}

/// Heartbeat.
#[derive(Clone, Debug)]
pub struct MemberHeartbeat {
    /// The member.
    pub member: MemberId,
    /// The name that survives its restarts.
    pub instance: Option<Arc<str>>,
    /// The generation that it was told.
    pub generation: i32,
}

/// A member that leaves.
#[derive(Clone, Debug)]
pub struct LeavingMember {
    /// Its id; may be empty for a static member.
    pub member: MemberId,
    /// The name that survives its restarts.
    pub instance: Option<Arc<str>>,
}
