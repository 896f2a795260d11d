//! Consumer groups as Kafka's clients know them: who is a member, who owns what, and how far each
//! group has read.
//!
//! A [`Shard`] holds the groups of one partition of `__consumer_offsets`. It decides; its caller
//! carries requests in and answers out, appends [`Record`]s to that partition, and says when they
//! are committed. What is answered as done was committed before:
//!
//! - INV-GROUP-COMMITTED: an offset is shown, and its commit answered, only once its record is below
//!   the high watermark.
//! - INV-GROUP-ONE-ASSIGNMENT: within one generation the members of a group get one assignment, the
//!   committed one.
//! - INV-GROUP-ORDER: writes take effect in the order of the log.
//!
//! A shard that lost its leadership is dropped ([`Shard::resign`]); the next one is loaded from the
//! log ([`Loader`]).

mod answer;
mod classic;
mod load;
mod member;
mod membership;
mod modern;
mod offsets;
mod options;
mod planted;
mod record;
mod rewriting;
mod shard;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use answer::{
    Answer, DescribedGroup, DescribedMember, Effects, GroupState, JoinAnswer, JoinedMember,
    LeaveAnswer, ListedGroup, SyncAnswer, Ticket, Write, WriteId,
};
use classic::ClassicGroup;
use classic::State;
pub use classic::{JoinRequest, LeavingMember, MemberHeartbeat, Now, SyncRequest};
pub use load::Loader;
use member::Member;
pub use member::Protocol;
pub use modern::{
    Assignor, BadRegex, ClassicPart, ClassicProtocol, Current, HeartbeatAnswer, HeartbeatRequest,
    LEFT, LEFT_FOR_A_WHILE, MemberState, MemberValue, ModernDescription, ModernKey,
    ModernMemberDescription, ModernValue, Partitions, Refusal, Subscription, Topics,
};
pub use offsets::{CommitRequest, OffsetRow, OffsetTable};
pub use options::GroupOptions;
pub use planted::Planted;
pub use record::{CommittedOffset, GroupValue, Record, StoredMember};
pub use rewriting::{REWRITING_FLOOR, Rewriting};
pub use shard::{Cursor, Shard};

/// What the consumers of Kafka's own protocol call it; only such groups have topics that the
/// coordinator understands.
pub const CONSUMER_PROTOCOL: &str = "consumer";

/// A group's name.
pub type GroupId = Arc<str>;

/// A member's name, given by the coordinator.
pub type MemberId = Arc<str>;
