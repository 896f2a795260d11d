//! What there is, as one look found it. Plain data, and possibly stale.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_api::ClusterPlan;
use serde_json::Value;

use crate::{ClusterView, Identity, ObjectKey, ProcessView};

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeView {
    /// Its zone, by the cluster's topology key.
    pub zone: Option<String>,
    /// It takes new pods (it is not cordoned).
    pub schedulable: bool,
    /// Its kubelet reports.
    pub ready: bool,
    /// It bears the taint node.kubernetes.io/out-of-service.
    pub out_of_service: bool,
}

/// A claim of a broker's volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimView {
    /// Its uid.
    pub uid: String,
    /// The broker, from its name.
    pub broker: i32,
    /// The cluster id in its annotation.
    pub cluster_id: Option<String>,
    /// Bytes asked for.
    pub requested_bytes: u64,
    /// Bytes there are; none while unbound.
    pub capacity_bytes: Option<u64>,
    /// Its storage class.
    pub class: Option<String>,
    /// Being deleted (by somebody else).
    pub deleting: bool,
    /// Why its growth failed, if it did.
    pub resize_error: Option<String>,
    /// The node that its volume is bound to, if it cannot leave it.
    pub node: Option<String>,
}

/// What a pod does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodPhase {
    /// Not scheduled, or its containers are not started.
    #[default]
    Pending,
    /// Its containers run.
    Running,
    /// It ended, well or badly, and is not started again.
    Ended,
    /// Nobody knows.
    Unknown,
}

/// A broker's pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its state, as Kubernetes counts them.
    pub version: String,
    /// Its broker.
    pub broker: i32,
    /// The node it runs on.
    pub node: Option<String>,
    /// What it does.
    pub phase: PodPhase,
    /// Kubernetes counts it as ready.
    pub ready: bool,
    /// It is being deleted.
    pub deleting: bool,
    /// The revision of its set that it was made from.
    pub revision: String,
    /// How often its container ended and was started again.
    pub restarts: u32,
    /// What keeps it from running, as the kubelet or the scheduler says.
    pub trouble: Option<String>,
}

/// A zone's StatefulSet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetView {
    /// Its uid.
    pub uid: String,
    /// Its zone, from its label.
    pub zone: String,
    /// How many pods it shall have.
    pub replicas: i32,
    /// The revision of its newest template.
    pub update_revision: String,
    /// Its controller has looked at its newest generation.
    pub observed: bool,
    /// The digest of the wish that its template was built from (annotation).
    pub wish: Option<String>,
    /// The size of the claims in it.
    pub claim_size: String,
    /// Being deleted.
    pub deleting: bool,
}

/// What Kubernetes gave a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceView {
    /// Its uid.
    pub uid: String,
    /// The ports on the nodes, by the Service's port.
    pub node_ports: BTreeMap<i32, i32>,
    /// The address of its load balancer.
    pub load_balancer: Option<String>,
}

/// A storage class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageClassView {
    /// Its volumes may grow.
    pub expandable: bool,
    /// It is the default class.
    pub is_default: bool,
    /// It makes a volume where the pod is scheduled, not before.
    pub waits_for_pod: bool,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The identity, if the cluster has one.
    pub identity: Option<Identity>,
    /// Drawn for this look: the id that a new cluster gets.
    pub fresh_cluster_id: String,
    /// The nodes, by name.
    pub nodes: BTreeMap<String, NodeView>,
    /// The claims, by name.
    pub claims: BTreeMap<String, ClaimView>,
    /// The pods, by broker.
    pub pods: BTreeMap<i32, PodView>,
    /// The sets, by name.
    pub sets: BTreeMap<String, SetView>,
    /// The Services, by name.
    pub services: BTreeMap<String, ServiceView>,
    /// The storage classes, by name.
    pub storage_classes: BTreeMap<String, StorageClassView>,
    /// Every child as the API server has it, with its managed fields left out.
    pub children: BTreeMap<ObjectKey, Value>,
    /// The brokers that have a certificate which is still good for a while.
    pub certified: Vec<i32>,
    /// What each process says of itself, by broker; those that did not answer are missing.
    pub processes: BTreeMap<i32, ProcessView>,
    /// What the controller says; none if none was found.
    pub cluster: Option<ClusterView>,
    /// Whether the brokers were asked at all: before they run there is nobody to ask.
    pub asked: bool,
    /// The settings of running brokers that the resource has named so far.
    pub managed_settings: BTreeSet<String>,
    /// The plan in the status.
    pub plan: Option<ClusterPlan>,
    /// The value of the break-glass annotation: the cluster id, typed by a person who takes the
    /// responsibility for restarts without a permit.
    pub break_glass: Option<String>,
}
