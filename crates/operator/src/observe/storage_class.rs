//! From a storage class to the planner's view.

use holdfast_planner::StorageClassView;
use k8s_openapi::api::storage::v1::StorageClass;

use crate::cache::{ClusterKey, Row};

/// What is kept of a storage class.
#[expect(
    clippy::unnecessary_wraps,
    reason = "as the rows of all kinds are made"
)]
pub(crate) fn row(class: StorageClass) -> Option<Row<StorageClassView>> {
    let annotations = class.metadata.annotations.unwrap_or_default();
    let default = annotations.get("storageclass.kubernetes.io/is-default-class");
    Some(Row {
        cluster: ClusterKey::default(),
        name: class.metadata.name.unwrap_or_default(),
        value: StorageClassView {
            expandable: class.allow_volume_expansion.unwrap_or(false),
            is_default: default.is_some_and(|value| value == "true"),
            waits_for_pod: class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_class_says_what_its_volumes_can() {
        let class = json!({
            "metadata": {
                "name": "fast",
                "annotations": { "storageclass.kubernetes.io/is-default-class": "true" },
            },
            "provisioner": "x", "allowVolumeExpansion": true,
            "volumeBindingMode": "WaitForFirstConsumer",
        });
        let row = row(serde_json::from_value(class).unwrap()).unwrap();
        let all = StorageClassView {
            expandable: true,
            is_default: true,
            waits_for_pod: true,
        };
        assert_eq!((row.name.as_str(), row.value), ("fast", all));
        let bare = json!({ "metadata": { "name": "slow" }, "provisioner": "x" });
        let row = super::row(serde_json::from_value(bare).unwrap()).unwrap();
        assert_eq!(row.value, StorageClassView::default());
    }
}
