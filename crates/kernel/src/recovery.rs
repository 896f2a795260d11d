//! What becomes of a cluster that lost the majority of its voters for ever.
//!
//! Every disk that is left describes itself ([`Description`]); from these descriptions alone a
//! [`Plan`] is made: the newest metadata that any of them holds, with every disk that is not among
//! them counted as lost, and for each partition what it keeps. Nothing here reads or writes a disk.
//!
//! What nobody can know: metadata that the lost voters agreed on without any of the described disks.
//! So a partition is complete *as far as the newest metadata found says*; the plan names how many
//! votes that metadata rests on.

mod partition;
mod plan;

use holdfast_model::{
    ClusterId, LeaderEpoch, Offset, RecoveryGeneration, ReplicaId, StartNumber, TopicPartition,
};
use serde::{Deserialize, Serialize};

use crate::image::ClusterImage;

pub use plan::plan;

/// How far epochs are raised above every one found: lost disks may have seen later ones, which
/// clients remember.
pub const EPOCH_MARGIN: i32 = 1_000;

/// How far the producer ids are raised above every one found.
pub const PRODUCER_ID_MARGIN: i64 = 1_000_000;

/// A place in the metadata log; a later term, or a later index in the same term, holds more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The Raft term.
    pub term: u64,
    /// The index in the log.
    pub index: u64,
}

/// A member of the metadata quorum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its disk.
    pub replica: ReplicaId,
    /// Host name or address for other brokers.
    pub host: String,
    /// Port for other brokers.
    pub port: u16,
    /// Its zone.
    pub zone: Option<String>,
    /// Whether it votes.
    pub votes: bool,
}

/// A partition's log on a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// The partition.
    pub at: TopicPartition,
    /// The topic's name when the log was made.
    pub topic: String,
    /// The first offset held.
    pub log_start: Offset,
    /// The offset after the last one held.
    pub log_end: Offset,
    /// Everything below was acknowledged, as far as this disk ever learned.
    pub known_high_watermark: Offset,
    /// The leader epoch of the last batch.
    pub last_epoch: LeaderEpoch,
    /// The newest leader epoch that the log ever accepted.
    pub accepted_epoch: LeaderEpoch,
    /// The largest producer id that the log remembers; -1 for none.
    pub largest_producer_id: i64,
}

/// What one disk holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Its cluster.
    pub cluster: ClusterId,
    /// How often its cluster was recovered.
    pub recovery: RecoveryGeneration,
    /// Whose disk it is.
    pub replica: ReplicaId,
    /// How often a process started on it.
    pub start: StartNumber,
    /// The term of its last vote.
    pub vote_term: u64,
    /// The end of its metadata log; none on a disk that was never in a quorum.
    pub last_log: Option<Position>,
    /// The members of the quorum, as its metadata log has them.
    pub members: Vec<Member>,
    /// Its partitions.
    pub copies: Vec<Copy>,
    /// The newest image that it can build, with what was perhaps not committed.
    #[serde(skip)]
    pub image: ClusterImage,
}

/// What a partition keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A disk of its ISR is there: it holds everything acknowledged.
    Complete,
    /// None of its ISR, but an eligible leader is there: it holds everything acknowledged.
    CompleteEligible,
    /// Only copies that were out of sync: the end may be missing.
    MayLose,
    /// No copy is there. The partition has no leader until its topic is deleted.
    Lost,
}

/// What becomes of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// The partition.
    pub at: TopicPartition,
    /// Its topic.
    pub topic: String,
    /// What it keeps.
    pub verdict: Verdict,
    /// The disk whose copy reaches furthest among those that may lead.
    pub source: Option<ReplicaId>,
    /// Where that copy ends.
    pub log_end: Offset,
    /// With [`Verdict::MayLose`]: acknowledged records may be missing from this offset on.
    pub may_lose_from: Option<Offset>,
    /// Copies that know of acknowledged records beyond the source's end: they go offline instead of
    /// being cut, and their data stays on disk.
    pub offline: Vec<ReplicaId>,
}

/// A log whose topic the chosen metadata does not know: kept, never deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stray {
    /// Where it lies.
    pub replica: ReplicaId,
    /// The partition.
    pub at: TopicPartition,
    /// The topic's name.
    pub topic: String,
    /// Where it ends.
    pub log_end: Offset,
}

/// A disk that carries the cluster on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDisk {
    /// Which one.
    pub replica: ReplicaId,
    /// How often a process had started on it when it was described.
    pub start: StartNumber,
    /// The end of its metadata log when it was described.
    pub last_log: Position,
}

/// How a cluster goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The cluster.
    pub cluster: ClusterId,
    /// The generation of its disks before.
    pub from: RecoveryGeneration,
    /// Their generation afterwards.
    pub to: RecoveryGeneration,
    /// The disk with the newest metadata.
    pub newest: ReplicaId,
    /// Where that metadata ends.
    pub newest_position: Position,
    /// How many votes the described disks have among the voters that they know.
    pub votes_described: usize,
    /// How many voters they know.
    pub votes: usize,
    /// The disks that carry the cluster on, ascending.
    pub disks: Vec<PlannedDisk>,
    /// The members of the new quorum: those disks, all with a vote.
    pub members: Vec<Member>,
    /// Where the new metadata log begins: above everything found.
    pub position: Position,
    /// Disks that never return.
    pub lost: Vec<ReplicaId>,
    /// Each partition, ascending by topic name and index.
    pub partitions: Vec<Fate>,
    /// Logs of unknown topics.
    pub strays: Vec<Stray>,
    /// The metadata with which the cluster goes on.
    #[serde(skip)]
    pub image: ClusterImage,
}

/// Why there is no plan.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No description was given.
    #[error("no disk is described")]
    Nothing,
    /// The descriptions are of two clusters.
    #[error("disk {replica} is of cluster {found}, others of {expected}")]
    OtherCluster {
        /// The disk.
        replica: ReplicaId,
        /// Its cluster.
        found: ClusterId,
        /// That of the first description.
        expected: ClusterId,
    },
    /// The descriptions are of two recovery generations.
    #[error(
        "disk {replica} has recovery generation {found}, others {expected}; leave the older out"
    )]
    OtherGeneration {
        /// The disk.
        replica: ReplicaId,
        /// Its generation.
        found: RecoveryGeneration,
        /// That of the first description.
        expected: RecoveryGeneration,
    },
    /// A broker is described twice.
    #[error("disk {first} and disk {second} are of the same broker; leave one out")]
    Twice {
        /// One.
        first: ReplicaId,
        /// The other.
        second: ReplicaId,
    },
    /// A disk holds no metadata.
    #[error("disk {0} was never in the cluster's quorum; leave it out and admit it later")]
    Blank(ReplicaId),
    /// The newest metadata does not count a disk in.
    #[error(
        "disk {replica} is not admitted by the newest metadata, that of {newest}; leave it out, \
             format it anew, and admit it later"
    )]
    NotAdmitted {
        /// The disk.
        replica: ReplicaId,
        /// Where the newest metadata is.
        newest: ReplicaId,
    },
    /// A disk is older than the metadata says.
    #[error(
        "disk {replica} has start number {found}, but {seen} was seen before: it was rolled back \
             or cloned; leave it out"
    )]
    RolledBack {
        /// The disk.
        replica: ReplicaId,
        /// Its start number.
        found: StartNumber,
        /// The highest one known.
        seen: StartNumber,
    },
    /// Nobody knows where a broker is reached.
    #[error("no address is known of disk {0}")]
    NoAddress(ReplicaId),
    /// The voters that are left can agree without any recovery.
    #[error(
        "{there} of {voters} voters are described, a majority: start them instead, and admit new \
             disks in place of the lost ones; a recovery would only risk records"
    )]
    NotNeeded {
        /// Voters described.
        there: usize,
        /// All voters.
        voters: usize,
    },
}

#[cfg(test)]
mod tests;
