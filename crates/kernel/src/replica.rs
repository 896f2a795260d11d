//! One replica of one partition: leading, following, and what waits for it.

pub mod follower;
pub mod lag;
pub mod leader;
pub mod message;
pub mod view;
pub mod waiters;

#[cfg(test)]
mod tests;

pub use follower::{Follower, StartAction};
pub use leader::{Leader, LeaderOptions};
pub use message::{
    Acked, AppendHeader, IsrProposal, Opened, ProposedMember, RefusedReason, SessionId, Start,
};
pub use view::{PartitionView, ReplicaView};
pub use waiters::Waiters;
