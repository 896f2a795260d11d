//! What the operator may do, and how.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

/// Who approves a plan.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Approval {
    /// Nobody: what the resource says is carried out, always under restart permits.
    #[default]
    Auto,
    /// A person, by writing the plan's hash into spec.approvedPlan.
    Manual,
}

/// How versions and settings are rolled out.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// How many brokers may restart together. Zone: all brokers of one zone, where the controller
    /// permits it. Broker: one after the other.
    #[serde(default)]
    pub parallelism: Parallelism,
    /// When the cluster's feature level is raised, after which the older version cannot return. Auto:
    /// once every broker runs the new version. Manual: by a person, with
    /// `holdfast cluster raise-feature-level`.
    #[serde(default)]
    pub feature_level: FeatureLevelPolicy,
    /// What happens to changes of pods that come from a new version of the operator, not from this
    /// resource. Manual: they are shown in status.plan and wait until approvedPlan names the plan, or
    /// until the resource changes in a way that restarts the brokers anyway. Auto: they are rolled out
    /// like a change of the resource.
    #[serde(default)]
    pub operator_changes: OperatorChanges,
    /// Topics that may be unavailable while a broker restarts, because they have too few replicas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 249)))]
    pub allow_unavailable: Vec<String>,
}

/// How many brokers may restart together.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parallelism {
    /// All brokers of one zone, where the controller permits it.
    #[default]
    Zone,
    /// One after the other.
    Broker,
}

/// When the feature level is raised.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeatureLevelPolicy {
    /// Once every broker runs the new version.
    #[default]
    Auto,
    /// By a person, with `holdfast cluster raise-feature-level`: until then the older version can
    /// return.
    Manual,
}

/// What happens to changes that come from a new version of the operator.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperatorChanges {
    /// They are shown in status.plan and wait until approvedPlan names the plan, or until the
    /// resource changes in a way that restarts the brokers anyway.
    #[default]
    Manual,
    /// They are rolled out like a change of the resource.
    Auto,
}

/// What the operator mends by itself.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Healing {
    /// What happens to the pod of a node that is gone for certain, because it bears the
    /// out-of-service taint. Replace: it is deleted, so that it starts elsewhere if its volume allows
    /// that. Keep: it stays until a person or Kubernetes removes it.
    #[serde(default)]
    pub lost_pods: LostPods,
}

/// What happens to the pod of a node that is gone for certain.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LostPods {
    /// It is deleted, so that it starts elsewhere if its volume allows that.
    #[default]
    Replace,
    /// It stays until a person or Kubernetes removes it.
    Keep,
}

/// An exception for one broker.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerOverride {
    /// The broker's id, as 2003.
    #[schemars(range(min = 1000, max = 99999))]
    pub id: i32,
    /// Whether it runs. Run: it serves. Parked: it is stopped, under a permit, and keeps its disk; its
    /// pod stays for a look at it.
    #[serde(default)]
    pub mode: BrokerMode,
}

/// Whether a broker runs.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BrokerMode {
    /// It serves.
    #[default]
    Run,
    /// It is stopped, under a permit, and keeps its disk; its pod stays for a look at it.
    Parked,
}

/// The certificates of the admin API.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificatesSpec {
    /// The name of a Secret with tls.crt and tls.key of an authority that issues the certificates;
    /// unset means that the operator makes one and renews it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), pattern(patterns::RESOURCE_NAME))]
    pub authority_secret: Option<String>,
    /// Days that an issued certificate is valid; it is renewed at two thirds of that, without a
    /// restart.
    #[serde(default = "default_validity")]
    #[schemars(range(min = 1, max = 3650))]
    pub validity_days: i32,
}

impl Default for CertificatesSpec {
    fn default() -> Self {
        Self {
            authority_secret: None,
            validity_days: default_validity(),
        }
    }
}

fn default_validity() -> i32 {
    90
}
