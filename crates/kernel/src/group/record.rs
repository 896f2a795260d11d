//! What a coordinator writes: the newest record of a key counts, one without a value removes it.

use std::sync::Arc;

use holdfast_model::TopicId;

use super::{GroupId, MemberId, ModernKey, ModernValue};

/// A record of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// How far a group has read a partition.
    Offset {
        /// The group.
        group: GroupId,
        /// The topic's name.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// The offset; none removes it.
        value: Option<CommittedOffset>,
    },
    /// A group of the classic protocol, as of its newest generation.
    Group {
        /// The group.
        group: GroupId,
        /// Its members; none removes it.
        value: Option<Arc<GroupValue>>,
    },
    /// A part of a group of the consumer protocol.
    Modern {
        /// The group.
        group: GroupId,
        /// Which part.
        key: ModernKey,
        /// What it is; none removes it.
        value: Option<ModernValue>,
    },
}

impl Record {
    /// The group that it is of.
    pub fn group(&self) -> &GroupId {
        match self {
            Self::Offset { group, .. } | Self::Group { group, .. } | Self::Modern { group, .. } => {
                group
            }
        }
    }
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The leader epoch of the last record read, or -1.
    pub leader_epoch: i32,
    /// What the consumer noted beside it.
    pub metadata: Arc<str>,
    /// When it was committed, milliseconds since 1970.
    pub committed_ms: i64,
    /// When it expires, where the consumer said so (as clients before Kafka 2.1 did).
    pub expires_ms: Option<i64>,
    /// The topic that it was committed for; nil in records of old.
    pub topic_id: TopicId,
}

/// A group of the classic protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupValue {
    /// The kind of members: `consumer`, `connect`.
    pub protocol_type: Arc<str>,
    /// The generation.
    pub generation: i32,
    /// How the members divide the work.
    pub protocol: Option<Arc<str>>,
    /// The member that computed the assignment.
    pub leader: Option<MemberId>,
    /// When the group came to this state, milliseconds since 1970; -1 in records of old.
    pub changed_ms: i64,
    /// Its members.
    pub members: Vec<StoredMember>,
}

/// A member of a stored group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    /// Its id.
    pub id: MemberId,
    /// The name that survives its restarts.
    pub instance: Option<Arc<str>>,
    /// How its client calls itself.
    pub client_id: Arc<str>,
    /// Where it is.
    pub client_host: Arc<str>,
    /// How long it may take to join again, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// What it said of itself under the group's protocol.
    pub subscription: Arc<[u8]>,
    /// The topics in `subscription`, if that is a consumer's.
    pub topics: Arc<[Arc<str>]>,
    /// What it was assigned.
    pub assignment: Arc<[u8]>,
}
