//! What the brokers say of themselves and of their cluster, over the admin API.

use std::collections::{BTreeMap, BTreeSet};

/// Where a process stands with its cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifecycle {
    /// The cluster is being formed.
    #[default]
    Forming,
    /// Its disk is new to the cluster and waits to be admitted.
    WaitingForAdmission,
    /// It is a member, and not registered yet.
    Registering,
    /// Registered, and not in the cluster's view yet.
    Fenced,
    /// It serves.
    Serving,
    /// It is parked: its process only holds the disk.
    Parked,
    /// Another process or disk has its place.
    Replaced,
}

/// What one process says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessView {
    /// Its cluster.
    pub cluster_id: String,
    /// Its broker id.
    pub broker: i32,
    /// Its disk, in hexadecimal.
    pub incarnation: String,
    /// Its start on that disk.
    pub start: u64,
    /// Its version.
    pub version: String,
    /// The highest feature level it knows.
    pub max_feature_level: u32,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// Why it stands there, for people.
    pub detail: String,
    /// SHA-256 of the configuration files that it loaded at its start, in hexadecimal.
    pub configuration: String,
    /// Where it listens for other brokers.
    pub rpc_host: String,
    /// The port there.
    pub rpc_port: u16,
    /// Bytes of its disk.
    pub disk_bytes: u64,
    /// Free bytes of its disk.
    pub disk_free_bytes: u64,
}

/// What the cluster knows of a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerView {
    /// Its id.
    pub id: i32,
    /// Its disk, in hexadecimal.
    pub incarnation: String,
    /// Counts its registrations.
    pub epoch: u64,
    /// Not heard from, or not ready.
    pub fenced: bool,
    /// About to stop.
    pub stopping: bool,
    /// Its version.
    pub version: String,
    /// The highest feature level it knows.
    pub max_feature_level: u32,
    /// Replicas that it holds.
    pub replicas: u32,
    /// How many of them are in sync under its present registration.
    pub in_sync: u32,
    /// Partitions that it leads.
    pub leads: u32,
}

/// A member of the metadata quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuorumMemberView {
    /// Its broker id.
    pub broker: i32,
    /// It votes.
    pub votes: bool,
    /// It answered lately.
    pub answers: bool,
}

/// How partitions are, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionCounts {
    /// All of them.
    pub all: u32,
    /// Without a leader.
    pub offline: u32,
    /// With fewer in-sync replicas than min.insync.replicas needs: writing is refused.
    pub below_min: u32,
    /// One lost broker away from that, though they have more replicas.
    pub at_min: u32,
    /// With fewer in-sync replicas than replicas.
    pub under_replicated: u32,
    /// One that is in the worst of these states, as topic/3.
    pub example: Option<String>,
}

/// How far a permit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermitStage {
    /// Leaders are being moved away.
    Draining,
    /// The brokers may be stopped.
    Granted,
    /// Given back, or run out: free once the brokers are caught up.
    Ending,
}

/// The permit in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermitView {
    /// Its number.
    pub id: u64,
    /// Whose it is.
    pub holder: String,
    /// The brokers, with their registrations at its grant.
    pub brokers: BTreeMap<i32, u64>,
    /// How far it is.
    pub stage: PermitStage,
    /// Its brokers stay away for a while.
    pub park: bool,
}

/// What the controller says of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// The cluster.
    pub cluster_id: String,
    /// The broker that decides, if there is one.
    pub controller: Option<i32>,
    /// The finalised feature level.
    pub feature_level: u32,
    /// The registered brokers.
    pub brokers: BTreeMap<i32, BrokerView>,
    /// The metadata quorum.
    pub quorum: Vec<QuorumMemberView>,
    /// The partitions.
    pub partitions: PartitionCounts,
    /// The permit in force.
    pub permit: Option<PermitView>,
    /// Why the permit that the operator asked for last was refused, one sentence for each reason.
    pub permit_refused: Vec<String>,
    /// The brokers that it was refused for: the next look asks for others, if others are left.
    pub permit_refused_for: BTreeSet<i32>,
    /// Settings that were changed while brokers ran, for all of them.
    pub settings: BTreeMap<String, String>,
}

impl ClusterView {
    /// Whether most voters answer the controller: one that lost them goes on to answer, and can neither
    /// give a permit nor say who is in sync.
    pub fn decides(&self) -> bool {
        let (answering, voters) = self.voters();
        voters == 0 || answering > voters / 2
    }

    /// How many voters answered lately, and how many there are.
    pub fn voters(&self) -> (usize, usize) {
        let voters = self.quorum.iter().filter(|member| member.votes);
        let answering = voters.clone().filter(|member| member.answers).count();
        (answering, voters.count())
    }
}
