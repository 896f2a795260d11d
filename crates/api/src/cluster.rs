//! A cluster of brokers.

mod listener;
mod plan;
mod pod;
mod policy;
mod status;
mod storage;
mod zone;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use listener::{Listener, ListenerType};
pub use plan::{ClusterPlan, PlanState, PlanStep, StepState};
pub use pod::{Image, PodTemplate, PullPolicy};
pub use policy::{
    Approval, BrokerMode, BrokerOverride, CertificatesSpec, FeatureLevelPolicy, Healing, LostPods,
    OperatorChanges, Parallelism, Upgrade,
};
pub use status::{BrokerState, BrokerStatus, MessageClusterStatus, RecordedAct, ZoneStatus};
pub use storage::{AccessMode, Storage};
pub use zone::{Zone, zone_label};

use crate::{patterns, rules};

/// A Kafka-compatible cluster whose brokers are spread over the zones of the Kubernetes cluster.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "holdfast.io",
    version = "v1alpha1",
    kind = "MessageCluster",
    plural = "messageclusters",
    singular = "messagecluster",
    shortname = "mc",
    category = "holdfast",
    namespaced,
    status = "MessageClusterStatus",
    derive = "PartialEq",
    doc = "A Kafka-compatible cluster whose brokers are spread over the zones of the Kubernetes \
           cluster. No record that it acknowledged is lost.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether all brokers serve and the wish is fulfilled."
    ),
    printcolumn(
        name = "Safe",
        type_ = "string",
        json_path = ".status.safety",
        description = "Whether one more broker may be lost without an outage, and if not, why."
    ),
    printcolumn(
        name = "Brokers",
        type_ = "string",
        json_path = ".status.serving",
        description = "Brokers that serve, of those wanted."
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.version",
        description = "The version that all brokers run; two while they change."
    ),
    printcolumn(
        name = "Plan",
        type_ = "string",
        json_path = ".status.plan.summary",
        description = "What the operator does or waits for."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1,
        description = "Why it is ready or not."
    ),
    validation = rules::CLUSTER_NAME_LENGTH,
    validation = rules::CLUSTER_NAME_LABEL,
    validation = rules::ZONE_NAME_LENGTH
)]
#[x_kube(
    validation = rules::ZONES_ADD_UP,
    validation = rules::ZONES_WITHIN,
    validation = rules::ZONE_STORAGE_SHRINKS,
    validation = rules::ZONE_STORAGE_CLASS_FIXED,
    validation = rules::CLUSTER_MIN_INSYNC,
    validation = rules::CLUSTER_REPLICATION
)]
#[serde(rename_all = "camelCase")]
pub struct MessageClusterSpec {
    /// How many brokers there are in all, spread evenly over the zones. Fewer than before is refused
    /// while the brokers that would go still hold replicas.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 1, max = 300))]
    pub replicas: i32,
    /// The zones to use, in any order. Empty means every zone that the schedulable nodes have when
    /// the cluster is first created; what was chosen then stands in status.zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    #[x_kube(validation = rules::ZONE_LABELS)]
    pub zones: Vec<Zone>,
    /// The node label that tells zones apart.
    #[serde(default = "default_topology_key")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::TOPOLOGY_KEY_FIXED)]
    pub topology_key: String,
    /// The disk of each broker.
    pub storage: Storage,
    /// CPU and memory of each broker. A broker plans its memory from the limit, or without one from
    /// the node's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pod::resources_schema")]
    pub resources: Option<ResourceRequirements>,
    /// The version that the brokers run: the tag of the image. Unset means the version that the
    /// operator had when the cluster was created; a newer operator does not change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), pattern(patterns::TAG))]
    pub version: Option<String>,
    /// Where the image comes from.
    #[serde(default)]
    pub image: Image,
    /// How Kafka's clients reach the brokers. A listener named INTERNAL on port 9092 is there unless
    /// another is named.
    #[serde(default = "listener::defaults")]
    #[schemars(
        length(min = 1, max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    #[x_kube(
        validation = rules::PORTS_DIFFER,
        validation = rules::NODE_PORTS_DIFFER,
        validation = rules::ONE_IS_INTERNAL
    )]
    pub listeners: Vec<Listener>,
    /// Settings of the brokers and defaults of topics, by Kafka's names (`min.insync.replicas`) or
    /// Holdfast's. What a running broker can change restarts nothing; the plan names what restarts. A
    /// setting that is named here is this resource's: changed by other means it is changed back, and
    /// taken out of here it returns to its default. One that was never named here is left alone, and
    /// shown in status.unmanagedSettings if somebody changed it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "pod::settings_schema")]
    pub settings: BTreeMap<String, String>,
    /// How pods are placed and marked.
    #[serde(default)]
    pub pod: PodTemplate,
    /// Exceptions for single brokers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 300),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"])
    )]
    pub brokers: Vec<BrokerOverride>,
    /// Who approves a plan: with Auto the operator carries it out at once, with Manual it waits until
    /// approvedPlan names its hash.
    #[serde(default)]
    pub approval: Approval,
    /// The hash of the plan in status.plan that may be carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), pattern(patterns::PLAN_HASH))]
    pub approved_plan: Option<String>,
    /// How versions and settings are rolled out.
    #[serde(default)]
    pub upgrade: Upgrade,
    /// What the operator mends by itself.
    #[serde(default)]
    pub healing: Healing,
    /// The certificates of the admin API.
    #[serde(default)]
    pub certificates: CertificatesSpec,
    /// Whether leadership returns to each partition's preferred replica.
    #[serde(default = "yes")]
    pub preferred_leaders: bool,
    /// Whether a NetworkPolicy limits who reaches the ports between brokers and the admin API.
    #[serde(default = "yes")]
    pub network_policy: bool,
    /// The operator looks and reports, but changes nothing.
    #[serde(default)]
    pub paused: bool,
}

fn default_replicas() -> i32 {
    3
}

fn default_topology_key() -> String {
    "topology.kubernetes.io/zone".to_owned()
}

fn yes() -> bool {
    true
}
