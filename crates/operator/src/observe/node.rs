//! From a node to what is kept of it.

use holdfast_planner::seen::SeenNode;
use k8s_openapi::api::core::v1::Node;

use crate::cache::{ClusterKey, Row};

/// A node; which of its labels names the zone, is for each cluster to say.
pub(crate) type NodeRow = SeenNode;

/// What is kept of a node. A kubelet's reports change nothing here.
#[expect(
    clippy::unnecessary_wraps,
    reason = "as the rows of all kinds are made"
)]
pub(crate) fn row(node: Node) -> Option<Row<NodeRow>> {
    Some(Row {
        cluster: ClusterKey::default(),
        name: node.metadata.name.clone().unwrap_or_default(),
        value: SeenNode::new(node),
    })
}
