//! From a storage class to its view.

use k8s_openapi::api::storage::v1::StorageClass;

use crate::StorageClassView;

/// The view of a storage class.
pub fn storage_class(class: &StorageClass) -> StorageClassView {
    let annotations = class.metadata.annotations.as_ref();
    let default = annotations.and_then(|a| a.get("storageclass.kubernetes.io/is-default-class"));
    StorageClassView {
        expandable: class.allow_volume_expansion.unwrap_or(false),
        is_default: default.is_some_and(|value| value == "true"),
        waits_for_pod: class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
    }
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
        let view = storage_class(&serde_json::from_value(class).unwrap());
        let all = StorageClassView {
            expandable: true,
            is_default: true,
            waits_for_pod: true,
        };
        assert_eq!(view, all);
        let bare = json!({ "metadata": { "name": "slow" }, "provisioner": "x" });
        let view = storage_class(&serde_json::from_value(bare).unwrap());
        assert_eq!(view, StorageClassView::default());
    }
}
