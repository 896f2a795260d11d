//! From a node to what is kept of it.

use std::collections::BTreeMap;

use holdfast_planner::NodeView;
use k8s_openapi::api::core::v1::Node;

use crate::cache::{ClusterKey, Row};

/// The taint that a person sets on a node that will not come back by itself.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// A node; which of its labels names the zone, is for each cluster to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeRow {
    labels: BTreeMap<String, String>,
    schedulable: bool,
    ready: bool,
    out_of_service: bool,
}

/// What is kept of a node. A kubelet's reports change nothing here.
#[expect(
    clippy::unnecessary_wraps,
    reason = "as the rows of all kinds are made"
)]
pub(crate) fn row(node: Node) -> Option<Row<NodeRow>> {
    let spec = node.spec.unwrap_or_default();
    let conditions = node
        .status
        .and_then(|status| status.conditions)
        .unwrap_or_default();
    Some(Row {
        cluster: ClusterKey::default(),
        name: node.metadata.name.unwrap_or_default(),
        value: NodeRow {
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
        },
    })
}

impl NodeRow {
    /// Whether a person said that it will not come back by itself.
    pub(crate) fn is_out_of_service(&self) -> bool {
        self.out_of_service
    }

    /// As a cluster with this topology key sees it.
    pub(crate) fn view(&self, topology_key: &str) -> NodeView {
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

    fn node(value: serde_json::Value) -> NodeRow {
        row(serde_json::from_value(value).unwrap()).unwrap().value
    }

    #[test]
    fn a_node_is_seen_by_the_clusters_own_label() {
        let one = node(json!({
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
            node(json!({
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
