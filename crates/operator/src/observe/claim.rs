//! From a claim, and the volume that it is bound to, to what is kept of them.

use holdfast_planner::{ClaimView, seen};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};

use super::rows::owner;
use crate::cache::{ClusterKey, Row};

/// A claim; the node of its volume is looked up later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClaimRow {
    pub(crate) view: ClaimView,
    pub(crate) volume: Option<String>,
}

/// What is kept of a claim; none if it is no broker's.
pub(crate) fn row(claim: PersistentVolumeClaim) -> Option<Row<ClaimRow>> {
    let cluster = owner(&claim.metadata)?;
    let name = claim.metadata.name.clone()?;
    let volume = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.volume_name.clone());
    Some(Row {
        cluster,
        name,
        value: ClaimRow {
            view: seen::claim(claim)?,
            volume: volume.filter(|name| !name.is_empty()),
        },
    })
}

/// The node of a volume that cannot leave it; none for one that can.
pub(crate) fn volume_row(volume: PersistentVolume) -> Option<Row<String>> {
    Some(Row {
        cluster: ClusterKey::default(),
        name: volume.metadata.name.clone()?,
        value: seen::node_of_volume(volume)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_kept_with_its_volume() {
        let claim = |labels: serde_json::Value, volume: &str| {
            let claim = json!({
                "metadata": { "namespace": "data", "name": "data-orders-a-1000", "labels": labels },
                "spec": { "volumeName": volume },
            });
            row(serde_json::from_value(claim).unwrap())
        };
        let ours = json!({ "holdfast.io/cluster": "orders" });
        let row = claim(ours.clone(), "pv-1").unwrap();
        assert_eq!(
            (row.cluster.name.as_str(), row.value.view.broker),
            ("orders", 1000)
        );
        assert_eq!(row.value.volume.as_deref(), Some("pv-1"));
        assert_eq!(claim(ours, "").unwrap().value.volume, None);
        assert_eq!(claim(json!({}), "pv-1"), None);
    }
}
