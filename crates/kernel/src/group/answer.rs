//! What comes out of a shard.

use std::sync::Arc;

use holdfast_model::ErrorCode;

use super::{GroupId, HeartbeatAnswer, MemberId, Record, State};

/// A request that is answered later. The caller gives each request its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A write under way; they grow, and take effect in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// Records that belong together: all are appended in one batch, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Its number.
    pub id: WriteId,
    /// What to append.
    pub records: Vec<Record>,
}

/// What the caller has to do.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Answers to requests.
    pub answers: Vec<(Ticket, Answer)>,
    /// Records to append, in this order.
    pub writes: Vec<Write>,
}

/// An answer to a request with a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To JoinGroup.
    Join(JoinAnswer),
    /// To SyncGroup.
    Sync(SyncAnswer),
    /// To ConsumerGroupHeartbeat.
    Heartbeat(HeartbeatAnswer),
    /// To what writes: OffsetCommit, OffsetDelete, DeleteGroups.
    Done(ErrorCode),
}

/// The answer to JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinAnswer {
    /// The outcome.
    pub code: ErrorCode,
    /// The generation, or -1.
    pub generation: i32,
    /// The kind of the members.
    pub protocol_type: Option<Arc<str>>,
    /// How this generation divides the work.
    pub protocol: Option<Arc<str>>,
    /// Who computes the assignment.
    pub leader: MemberId,
    /// Who was asked.
    pub member: MemberId,
    /// Every member, for the one who computes the assignment.
    pub members: Vec<JoinedMember>,
    /// The leader need not compute an assignment: the present one goes on.
    pub skip_assignment: bool,
}

impl JoinAnswer {
    /// A refusal.
    pub fn refused(code: ErrorCode, member: &MemberId) -> Self {
        Self {
            code,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: Arc::from(""),
            member: Arc::clone(member),
            members: Vec::new(),
            skip_assignment: false,
        }
    }
}

/// A member as the leader of its group sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub id: MemberId,
    /// The name that survives its restarts.
    pub instance: Option<Arc<str>>,
    /// What it said of itself under the chosen protocol.
    pub metadata: Arc<[u8]>,
}

/// The answer to SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncAnswer {
    /// The outcome.
    pub code: ErrorCode,
    /// The kind of the members.
    pub protocol_type: Option<Arc<str>>,
    /// How this generation divides the work.
    pub protocol: Option<Arc<str>>,
    /// What the member was assigned.
    pub assignment: Arc<[u8]>,
}

impl SyncAnswer {
    /// A refusal.
    pub fn refused(code: ErrorCode) -> Self {
        Self {
            code,
            protocol_type: None,
            protocol: None,
            assignment: Arc::from([]),
        }
    }
}

/// The answer to LeaveGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveAnswer {
    /// The outcome for all.
    pub code: ErrorCode,
    /// The outcome for each member, in the order of the request.
    pub members: Vec<ErrorCode>,
}

/// What a group does, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// It has no members.
    Empty,
    /// Classic: members join; who does not is removed.
    PreparingRebalance,
    /// Classic: the members know the generation and wait for the assignment.
    CompletingRebalance,
    /// Consumer protocol: who is to read what must be computed anew.
    Assigning,
    /// Consumer protocol: members give up, and get, what the target says.
    Reconciling,
    /// Everybody has what it is to read.
    Stable,
}

impl GroupState {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::Empty,
        Self::PreparingRebalance,
        Self::CompletingRebalance,
        Self::Assigning,
        Self::Reconciling,
        Self::Stable,
    ];

    /// Kafka's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

impl From<State> for GroupState {
    fn from(state: State) -> Self {
        match state {
            State::Empty => Self::Empty,
            State::PreparingRebalance => Self::PreparingRebalance,
            State::CompletingRebalance => Self::CompletingRebalance,
            State::Stable => Self::Stable,
        }
    }
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its name.
    pub group: GroupId,
    /// The kind of its members; empty for a group that only has offsets.
    pub protocol_type: Arc<str>,
    /// What it does.
    pub state: GroupState,
    /// Whether it is of the consumer protocol, and not of the classic one.
    pub is_modern: bool,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// What it does.
    pub state: GroupState,
    /// The kind of its members.
    pub protocol_type: Arc<str>,
    /// How it divides the work, once it does.
    pub protocol: Option<Arc<str>>,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub id: MemberId,
    /// The name that survives its restarts.
    pub instance: Option<Arc<str>>,
    /// How its client calls itself.
    pub client_id: Arc<str>,
    /// Where it is.
    pub client_host: Arc<str>,
    /// What it said of itself under the chosen protocol.
    pub metadata: Arc<[u8]>,
    /// What it was assigned.
    pub assignment: Arc<[u8]>,
}
