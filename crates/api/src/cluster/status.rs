//! What the operator found.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ClusterPlan;
use crate::Condition;

/// What the operator found and does.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageClusterStatus {
    /// The newest generation of the resource that the operator looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling and Stalled, as kstatus knows them; and Safe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// The identity that the disks carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_id: Option<String>,
    /// Whether the brokers are one cluster yet.
    #[serde(default)]
    pub formed: bool,
    /// How many brokers there are; for the scale subresource.
    #[serde(default)]
    pub replicas: i32,
    /// How many of them serve.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Selects the brokers' pods; for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub selector: Option<String>,
    /// Brokers that serve, of those wanted, as 5/6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub serving: Option<String>,
    /// Whether one more broker may be lost without an outage: yes, or no and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub safety: Option<String>,
    /// The version that the brokers run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub version: Option<String>,
    /// The feature level of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_level: Option<i64>,
    /// The broker that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<i32>,
    /// Where clients in the Kubernetes cluster begin, as host:port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub bootstrap: Option<String>,
    /// The zones, with the range of broker ids that each has for ever.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub zones: Vec<ZoneStatus>,
    /// The brokers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 300),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"])
    )]
    pub brokers: Vec<BrokerStatus>,
    /// The settings of running brokers that spec.settings named: one that it no longer names returns to
    /// its default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 249)))]
    pub managed_settings: Vec<String>,
    /// The settings of running brokers that spec.settings never named and somebody changed, as with
    /// kafka-configs: they are left alone. To take one over, name it in spec.settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 249)))]
    pub unmanaged_settings: Vec<String>,
    /// What is being done, or waits for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<ClusterPlan>,
    /// The newest acts that touched brokers, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub acts: Vec<RecordedAct>,
}

/// A zone.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneStatus {
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Its first broker id.
    pub first_id: i32,
    /// How many brokers it has.
    pub replicas: i32,
    /// How many of them serve.
    pub serving: i32,
}

/// A broker.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerStatus {
    /// Its id.
    pub id: i32,
    /// Its zone.
    #[schemars(length(max = 63))]
    pub zone: String,
    /// How it is. Absent: its pod is not there, or not running. Joining: the cluster has not let it in
    /// yet. CatchingUp: it is not in every in-sync set yet. InSync: it serves and is in every in-sync
    /// set. Parked: spec.brokers parks it. NeedsAttention: a person must look at it, and the detail
    /// says why.
    pub state: BrokerState,
    /// The node that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node: Option<String>,
    /// The version that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub version: Option<String>,
    /// The life of its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub incarnation: Option<String>,
    /// What is the matter, if something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub detail: Option<String>,
}

/// How a broker is.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BrokerState {
    /// Its pod is not there, or not running.
    #[default]
    Absent,
    /// Its pod runs; the cluster has not let it in yet.
    Joining,
    /// Its process runs; it is not in every in-sync set yet.
    CatchingUp,
    /// It serves and is in every in-sync set.
    InSync,
    /// It is parked.
    Parked,
    /// A person must look at it; the detail says why.
    NeedsAttention,
}

/// Something that the operator did to brokers.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedAct {
    /// When, in UTC.
    #[schemars(length(max = 40))]
    pub at: String,
    /// What.
    #[schemars(length(max = 512))]
    pub act: String,
    /// Why, and by what right: the permit's number, or break-glass.
    #[schemars(length(max = 512))]
    pub reason: String,
}
