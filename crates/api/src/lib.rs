//! The resources that a platform team writes: [`MessageCluster`] and [`MessageTopic`].
//!
//! The types here are the schema: `crds/` is generated from them and a test detects drift. Every rule
//! that CEL can say is named beside the field it is about; [`validate`] says the same rules to the
//! operator and to `holdfast plan`.
//!
//! Knows nothing about a Kubernetes client, brokers or plans.
//!
//! Invariants:
//! - Every list, map and string is bounded, so that the cost of every rule is.
//! - A field is here only if the operator acts on it.
//! - A change within `v1alpha1` only adds fields.

#![expect(
    unreachable_pub,
    reason = "kube derives the schema of a struct from a copy inside a function"
)]

mod cluster;
mod condition;
mod crds;
mod patterns;
mod quantity;
mod rules;
mod topic;
pub mod validate;

pub use cluster::{
    AccessMode, Approval, BrokerMode, BrokerOverride, BrokerState, BrokerStatus, CertificatesSpec,
    ClusterPlan, FeatureLevelPolicy, Healing, Image, Listener, ListenerType, LostPods,
    MessageCluster, MessageClusterSpec, MessageClusterStatus, OperatorChanges, Parallelism,
    PlanState, PlanStep, PodTemplate, PullPolicy, RecordedAct, StepState, Storage, Upgrade, Zone,
    ZoneStatus, zone_label,
};
pub use condition::{Condition, ConditionStatus, condition_types};
pub use crds::crds;
pub use quantity::quantity_bytes;
pub use topic::{DeletionPolicy, MessageTopic, MessageTopicSpec, MessageTopicStatus};

/// The API group of the resources.
pub const GROUP: &str = "holdfast.io";

/// The version of the resources.
pub const VERSION: &str = "v1alpha1";

/// The label that names the cluster a child belongs to.
pub const CLUSTER_LABEL: &str = "holdfast.io/cluster";

/// The label that names the zone a child belongs to.
pub const ZONE_LABEL: &str = "holdfast.io/zone";

/// The annotation that carries a cluster's id (on what outlives the resource).
pub const CLUSTER_ID_ANNOTATION: &str = "holdfast.io/cluster-id";

/// The first broker id of the first zone, and how many ids each zone has: broker 2003 is the fourth
/// broker of the second zone.
pub const IDS_PER_ZONE: i32 = 1000;
