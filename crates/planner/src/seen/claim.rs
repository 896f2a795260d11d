//! From a claim, and from the volume that it is bound to, to the view.

use holdfast_api::{CLUSTER_ID_ANNOTATION, quantity_bytes};
use k8s_openapi::api::core::v1::{
    NodeSelectorTerm, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::broker_of;
use crate::ClaimView;

/// The label by which local volumes say where they are.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// The view of a broker's claim, without the node of its volume; none if its name is no broker's.
pub fn claim(claim: PersistentVolumeClaim) -> Option<ClaimView> {
    let name = claim.metadata.name?;
    let annotations = claim.metadata.annotations.unwrap_or_default();
    let spec = claim.spec.unwrap_or_default();
    let status = claim.status.unwrap_or_default();
    let requests = spec.resources.and_then(|resources| resources.requests);
    Some(ClaimView {
        uid: claim.metadata.uid.unwrap_or_default(),
        broker: broker_of(&name)?,
        cluster_id: annotations.get(CLUSTER_ID_ANNOTATION).cloned(),
        requested_bytes: requests
            .as_ref()
            .and_then(|r| bytes(r.get("storage")))
            .unwrap_or(0),
        capacity_bytes: status
            .capacity
            .as_ref()
            .and_then(|c| bytes(c.get("storage"))),
        class: spec.storage_class_name,
        deleting: claim.metadata.deletion_timestamp.is_some(),
        resize_error: resize_error(&status),
        node: None,
    })
}

fn bytes(quantity: Option<&Quantity>) -> Option<u64> {
    quantity_bytes(&quantity?.0)
}

fn resize_error(status: &PersistentVolumeClaimStatus) -> Option<String> {
    let failed = ["ControllerResizeError", "NodeResizeError"];
    let mut conditions = status.conditions.iter().flatten();
    let condition = conditions.find(|c| failed.contains(&c.type_.as_str()) && c.status == "True");
    if let Some(condition) = condition {
        let message = condition.message.clone().unwrap_or_default();
        return Some(format!("{}: {message}", condition.type_));
    }
    let stages = status.allocated_resource_statuses.as_ref()?;
    stages
        .get("storage")
        .filter(|stage| stage.ends_with("Infeasible"))
        .cloned()
}

/// The node of a volume that cannot leave it; none for one that can.
pub fn node_of_volume(volume: PersistentVolume) -> Option<String> {
    let affinity = volume.spec?.node_affinity?;
    match affinity.required?.node_selector_terms.as_slice() {
        [term] => only_node(term),
        _ => None,
    }
}

fn only_node(term: &NodeSelectorTerm) -> Option<String> {
    let mut expressions = term.match_expressions.iter().flatten();
    let expression = expressions.find(|e| e.key == HOSTNAME && e.operator == "In")?;
    match expression.values.as_deref() {
        Some([node]) => Some(node.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(status: &serde_json::Value) -> ClaimView {
        let object = json!({
            "metadata": {
                "namespace": "data", "name": "data-orders-a-1000", "uid": "u1",
                "labels": { "holdfast.io/cluster": "orders" },
                "annotations": { "holdfast.io/cluster-id": "abc" },
            },
            "spec": {
                "storageClassName": "fast", "volumeName": "pv-1",
                "resources": { "requests": { "storage": "200Gi" } },
            },
            "status": status,
        });
        claim(serde_json::from_value(object).unwrap()).unwrap()
    }

    #[test]
    fn a_claim_says_what_it_asks_for_and_what_it_has() {
        let view = seen(&json!({ "capacity": { "storage": "100Gi" } }));
        assert_eq!(
            (view.broker, view.cluster_id.as_deref()),
            (1000, Some("abc"))
        );
        assert_eq!(
            (view.requested_bytes, view.capacity_bytes),
            (200 << 30, Some(100 << 30))
        );
        assert_eq!(
            (view.class.as_deref(), view.resize_error),
            (Some("fast"), None)
        );
        assert_eq!(seen(&json!({})).capacity_bytes, None);
    }

    #[test]
    fn growth_that_failed_says_why() {
        let view = seen(&json!({ "conditions": [{
            "type": "ControllerResizeError", "status": "True", "message": "quota",
        }] }));
        assert_eq!(
            view.resize_error.as_deref(),
            Some("ControllerResizeError: quota")
        );
        let view = seen(&json!({
            "allocatedResourceStatuses": { "storage": "NodeResizeInfeasible" },
        }));
        assert_eq!(view.resize_error.as_deref(), Some("NodeResizeInfeasible"));
    }

    #[test]
    fn only_a_volume_that_cannot_leave_its_node_names_one() {
        let volume = |key: &str, values: &[&str]| {
            let volume = json!({
                "metadata": { "name": "pv-1" },
                "spec": { "nodeAffinity": { "required": { "nodeSelectorTerms": [{
                    "matchExpressions": [{ "key": key, "operator": "In", "values": values }],
                }] } } },
            });
            node_of_volume(serde_json::from_value(volume).unwrap())
        };
        assert_eq!(volume(HOSTNAME, &["n1"]).as_deref(), Some("n1"));
        assert_eq!(volume(HOSTNAME, &["n1", "n2"]), None);
        assert_eq!(volume("topology.kubernetes.io/zone", &["a"]), None);
    }
}
