//! What leader and follower say to each other about one partition. `docs/replication.md` §3.

use holdfast_model::{
    BrokerEpoch, EpochStart, LeaderEpoch, Offset, PartitionEpoch, ProducerEntry, ReplicaId,
};
use serde::{Deserialize, Serialize};

/// One conversation between a leader and a follower about one partition; a leader's process gives
/// each a greater number than every one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// A follower's answer to Open: where its log stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The conversation.
    pub session: SessionId,
    /// The leader epoch that was accepted.
    pub leader_epoch: LeaderEpoch,
    /// The follower's disk.
    pub replica: ReplicaId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// First offset that it holds.
    pub log_start: Offset,
    /// Its log end.
    pub log_end: Offset,
    /// Its synced end.
    pub synced_end: Offset,
    /// Its newest epochs.
    pub epochs: Vec<EpochStart>,
}

/// The leader's answer to Opened: from where the follower goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The conversation.
    pub session: SessionId,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The follower's registration, whose log was compared: a later process holds another log.
    pub broker_epoch: BrokerEpoch,
    /// Where the next append begins: the follower truncates to it, or starts anew at it.
    pub from: Offset,
    /// Whether the follower shares nothing with the leader and starts anew.
    pub reset: bool,
    /// Producer state at `from`, for a replica that starts anew at an offset above zero.
    pub producers: Vec<ProducerEntry>,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The leader's log start.
    pub log_start: Offset,
    /// The leader's log end, so that a follower can tell a leader that lacks what it must have.
    pub log_end: Offset,
}

/// What precedes batches, or stands alone to carry a high watermark or log start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendHeader {
    /// The conversation.
    pub session: SessionId,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// Where the batches begin: the follower's log end.
    pub previous_end: Offset,
    /// The epoch of the batch before them.
    pub previous_epoch: LeaderEpoch,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The leader's log start.
    pub log_start: Offset,
}

/// How far a follower has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    /// The conversation.
    pub session: SessionId,
    /// The leader epoch of the conversation.
    pub leader_epoch: LeaderEpoch,
    /// The follower's disk.
    pub replica: ReplicaId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// Its log end.
    pub log_end: Offset,
    /// Its synced end.
    pub synced_end: Offset,
    /// Its log start, synced: DeleteRecords waits for it.
    pub log_start: Offset,
}

/// Why a follower does not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusedReason {
    /// It knows a newer leader epoch.
    Fenced(LeaderEpoch),
    /// The message belongs to no current conversation.
    NoSession,
    /// The batches do not follow its log end.
    NotContiguous,
    /// To follow it would have to give up records that were below a high watermark.
    BelowKnownHighWatermark(Offset),
    /// It does not hold this partition (yet).
    UnknownPartition,
    /// Its data is damaged, or its disk takes no more writes.
    Offline,
}

/// A member of a proposed ISR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProposedMember {
    /// The disk.
    pub replica: ReplicaId,
    /// The registration that the leader knows.
    pub broker_epoch: BrokerEpoch,
}

/// A leader's wish for another ISR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsrProposal {
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The partition record that the proposal builds on.
    pub partition_epoch: PartitionEpoch,
    /// The whole new ISR.
    pub isr: Vec<ProposedMember>,
}
