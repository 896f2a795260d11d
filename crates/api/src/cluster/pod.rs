//! Images, and how pods are placed and marked.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::patterns;

/// Where the brokers' image comes from.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The registry; empty means what the nodes take as theirs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub registry: String,
    /// The repository.
    #[serde(default = "default_repository")]
    #[schemars(length(min = 1, max = 253))]
    pub repository: String,
    /// The digest, as sha256:...; it wins over the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 80), pattern(patterns::DIGEST))]
    pub digest: Option<String>,
    /// When the image is pulled. IfNotPresent: if the node does not have it. Always: before every
    /// start. Never: the node must have it.
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// Names of Secrets that hold credentials for the registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        inner(length(min = 1, max = 253), pattern(patterns::RESOURCE_NAME))
    )]
    pub pull_secrets: Vec<String>,
}

/// When an image is pulled.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    /// If the node does not have it.
    #[default]
    IfNotPresent,
    /// Before every start.
    Always,
    /// Never: the node must have it.
    Never,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            registry: String::new(),
            repository: default_repository(),
            digest: None,
            pull_policy: PullPolicy::default(),
            pull_secrets: Vec::new(),
        }
    }
}

fn default_repository() -> String {
    "holdfast".to_owned()
}

/// How pods are placed and marked.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// More labels of the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema")]
    pub labels: BTreeMap<String, String>,
    /// More annotations of the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations_schema")]
    pub annotations: BTreeMap<String, String>,
    /// Labels that the nodes must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that the pods bear. To that of a node that does not answer
    /// (node.kubernetes.io/unreachable) they stay without end, unless it is named here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "tolerations_schema")]
    pub tolerations: Vec<Toleration>,
    /// The priority class of the pods; unset means the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Seconds that a broker has to give its leaderships away when it stops.
    #[serde(default = "default_grace")]
    #[schemars(range(min = 30, max = 3600))]
    pub termination_grace_period_seconds: i64,
}

impl Default for PodTemplate {
    fn default() -> Self {
        Self {
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            priority_class_name: None,
            termination_grace_period_seconds: default_grace(),
        }
    }
}

fn default_grace() -> i64 {
    120
}

/// A map of texts; the field that it is for brings its own description.
fn text_map(most: u32, longest: u32) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": most,
        "additionalProperties": { "type": "string", "maxLength": longest },
    })
}

pub(super) fn labels_schema(_generator: &mut SchemaGenerator) -> Schema {
    text_map(32, 63)
}

pub(super) fn annotations_schema(_generator: &mut SchemaGenerator) -> Schema {
    text_map(32, 4096)
}

pub(super) fn settings_schema(_generator: &mut SchemaGenerator) -> Schema {
    text_map(200, 4096)
}

pub(super) fn resources_schema(_generator: &mut SchemaGenerator) -> Schema {
    let quantities = |what: &str| {
        json_schema!({
            "description": what,
            "type": "object",
            "maxProperties": 8,
            "additionalProperties": {
                "x-kubernetes-int-or-string": true,
                "maxLength": 64,
                "pattern": patterns::QUANTITY,
            },
        })
    };
    json_schema!({
        "type": "object",
        "properties": {
            "limits": quantities("The most that a broker may use."),
            "requests": quantities("What is set aside for a broker."),
        },
    })
}

fn tolerations_schema(_generator: &mut SchemaGenerator) -> Schema {
    let text =
        |what: &str| json_schema!({ "description": what, "type": "string", "maxLength": 253 });
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "items": {
            "description": "A taint that is borne.",
            "type": "object",
            "properties": {
                "key": text("The taint's key; empty with operator Exists means every taint."),
                "operator": text("Exists or Equal."),
                "value": text("The taint's value."),
                "effect": text("NoSchedule, PreferNoSchedule or NoExecute; empty means all."),
                "tolerationSeconds": {
                    "description": "How long a NoExecute taint is borne; unset means for ever.",
                    "type": "integer", "format": "int64",
                },
            },
        },
    })
}
