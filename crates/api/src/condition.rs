//! Conditions, as kstatus and `kubectl wait` read them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

/// The types of conditions.
pub mod condition_types {
    /// All brokers serve and the wish is fulfilled.
    pub const READY: &str = "Ready";
    /// Something is being done. Absent when nothing is.
    pub const RECONCILING: &str = "Reconciling";
    /// A person must do something. Absent when nobody must.
    pub const STALLED: &str = "Stalled";
    /// One more broker may be lost without an outage.
    pub const SAFE: &str = "Safe";
}

/// One aspect of the state.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub kind: String,
    /// Whether it holds: True, False or Unknown.
    pub status: ConditionStatus,
    /// Why, in one word for programs.
    #[schemars(length(min = 1, max = 128), pattern(patterns::REASON))]
    pub reason: String,
    /// Why, in a sentence for people.
    #[schemars(length(max = 4096))]
    pub message: String,
    /// Since when, in UTC.
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// The generation of the resource that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    #[default]
    Unknown,
}
