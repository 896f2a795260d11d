//! From a node to its view.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;

use crate::NodeView;

/// The taint that a person sets on a node that will not come back by itself.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// A node; which of its labels names the zone, is for each cluster to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenNode {
    labels: BTreeMap<String, String>,
    schedulable: bool,
    ready: bool,
    out_of_service: bool,
}

impl SeenNode {
    /// What is of interest of a node. A kubelet's reports change nothing here.
    pub fn new(node: Node) -> Self {
        let spec = node.spec.unwrap_or_default();
        let conditions = node
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        Self {
            labels: node.metadata.labels.unwrap_or_default(),
            schedulable: !spec.unschedulable.unwrap_or(false),
            ready: conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True"),
            out_of_service: spec
                .taints
                .iter()
                .flatten()
                .any(|taint| taint.key == OUT_OF_SERVICE),
        }
    }

    /// Whether a person said that it will not come back by itself.
    pub fn is_out_of_service(&self) -> bool {
        self.out_of_service
    }

    /// As a cluster with this topology key sees it.
    pub fn view(&self, topology_key: &str) -> NodeView {
        NodeView {
            zone: self.labels.get(topology_key).cloned(),
            schedulable: self.schedulable,
            ready: self.ready,
            out_of_service: self.out_of_service,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(value: serde_json::Value) -> SeenNode {
        SeenNode::new(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_node_is_seen_by_the_clusters_own_label() {
        let one = seen(json!({
            "metadata": { "name": "n1", "labels": { "zone": "a", "rack": "7" } },
            "status": { "conditions": [{
                "type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z",
            }] },
        }));
        let view = one.view("rack");
        assert_eq!(view.zone.as_deref(), Some("7"));
        assert!(view.schedulable && view.ready && !view.out_of_service);
        assert_eq!(one.view("region").zone, None);
    }

    #[test]
    fn a_heartbeat_changes_nothing_and_a_cordon_does() {
        let node_at = |time: &str, cordoned: bool| {
            seen(json!({
                "metadata": { "name": "n1", "resourceVersion": time.len().to_string() },
                "spec": {
                    "unschedulable": cordoned,
                    "taints": [{ "key": OUT_OF_SERVICE, "effect": "NoExecute" }],
                },
                "status": { "conditions": [{
                    "type": "Ready", "status": "Unknown", "lastHeartbeatTime": time,
                }] },
            }))
        };
        let before = node_at("2026-01-01T00:00:00Z", false);
        assert_eq!(before, node_at("2026-01-01T00:00:10.5Z", false));
        let after = node_at("2026-01-01T00:00:00Z", true);
        assert_ne!(before, after);
        let view = after.view("zone");
        assert!(!view.schedulable && !view.ready && view.out_of_service);
    }
}
