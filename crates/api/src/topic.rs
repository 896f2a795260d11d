//! A topic of a cluster.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{Condition, patterns, rules};

/// A topic of a cluster in the same namespace.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "holdfast.io",
    version = "v1alpha1",
    kind = "MessageTopic",
    plural = "messagetopics",
    singular = "messagetopic",
    shortname = "mt",
    category = "holdfast",
    namespaced,
    status = "MessageTopicStatus",
    derive = "PartialEq",
    doc = "A topic of a MessageCluster in the same namespace. One that exists already is adopted.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the topic is as it says here."
    ),
    printcolumn(
        name = "Cluster",
        type_ = "string",
        json_path = ".spec.cluster",
        description = "The MessageCluster."
    ),
    printcolumn(
        name = "Partitions",
        type_ = "integer",
        json_path = ".status.partitions",
        description = "How many partitions it has."
    ),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".status.replicas",
        description = "On how many brokers each partition is kept."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1,
        description = "Why it is ready or not."
    ),
    validation = rules::TOPIC_NAME_LENGTH
)]
#[x_kube(validation = rules::TOPIC_NAME_FIXED, validation = rules::TOPIC_MIN_INSYNC)]
#[serde(rename_all = "camelCase")]
pub struct MessageTopicSpec {
    /// The name of the MessageCluster.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::TOPIC_CLUSTER_FIXED)]
    pub cluster: String,
    /// The topic's name in Kafka; unset means the name of this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249), pattern(patterns::TOPIC_NAME))]
    #[x_kube(validation = rules::TOPIC_NAME_FREE)]
    pub topic_name: Option<String>,
    /// How many partitions. More than before adds some; fewer is refused, because records would be
    /// lost.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10_000))]
    #[x_kube(validation = rules::PARTITIONS_SHRINK)]
    pub partitions: i32,
    /// On how many brokers each partition is kept.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 32))]
    #[x_kube(validation = rules::TOPIC_REPLICAS_FIXED)]
    pub replicas: i32,
    /// Settings by Kafka's names, as retention.ms. A setting that is not named has the cluster's
    /// default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "settings_schema")]
    pub settings: BTreeMap<String, String>,
    /// What happens to the topic and its records when this resource is deleted. Retain: both stay.
    /// Delete: both are deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What happens to a topic whose resource is deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// It stays, with its records.
    #[default]
    Retain,
    /// It is deleted, with its records.
    Delete,
}

/// What the operator found.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageTopicStatus {
    /// The newest generation of the resource that the operator looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling and Stalled, as kstatus knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// The topic's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub topic_id: Option<String>,
    /// How many partitions it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// On how many brokers each is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
}

impl MessageTopic {
    /// The topic's name in Kafka.
    pub fn topic_name(&self) -> &str {
        let own = self.metadata.name.as_deref().unwrap_or_default();
        self.spec.topic_name.as_deref().unwrap_or(own)
    }
}

fn one() -> i32 {
    1
}

fn three() -> i32 {
    3
}

fn settings_schema(_generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 100,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
    })
}
