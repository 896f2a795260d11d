//! How clients reach the brokers.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pod;
use crate::{patterns, rules};

/// One way in for Kafka's clients.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::INTERNAL_HAS_NO_HOST,
    validation = rules::NODE_PORT_HAS_TYPE
)]
pub struct Listener {
    /// Its name, as brokers and clients know it.
    #[schemars(length(min = 1, max = 32), pattern(patterns::LISTENER_NAME))]
    pub name: String,
    /// The port of the pods and of the bootstrap Service.
    #[schemars(range(min = 1024, max = 65535))]
    #[x_kube(validation = rules::PORT_IS_FREE)]
    pub port: i32,
    /// Who can reach it. Internal: pods of the Kubernetes cluster, by the pods' own names. NodePort:
    /// whoever reaches the nodes, by a port of the node on which each broker runs. LoadBalancer:
    /// whoever reaches a load balancer, one for each broker and one for bootstrapping.
    #[serde(default, rename = "type")]
    pub kind: ListenerType,
    /// The port on every node of the bootstrap Service, within the range that the Kubernetes cluster
    /// has for that, usually 30000 to 32767; unset means that Kubernetes chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,
    /// The host that clients are told, with $(BROKER), $(NODE_IP) and $(ZONE) replaced; unset means
    /// the address of the broker's node, or the address of its load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub advertised_host: Option<String>,
    /// Annotations of its Services, as load balancers want them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "pod::annotations_schema")]
    pub annotations: BTreeMap<String, String>,
}

/// Who can reach a listener.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListenerType {
    /// Pods of the Kubernetes cluster, by the pods' own names.
    #[default]
    Internal,
    /// Whoever reaches the nodes, by a port of the node on which each broker runs.
    NodePort,
    /// Whoever reaches a load balancer: one for each broker and one for bootstrapping.
    LoadBalancer,
}

/// What is there if nothing is said.
pub(super) fn defaults() -> Vec<Listener> {
    vec![Listener {
        name: "INTERNAL".to_owned(),
        port: 9092,
        kind: ListenerType::Internal,
        node_port: None,
        advertised_host: None,
        annotations: BTreeMap::new(),
    }]
}
