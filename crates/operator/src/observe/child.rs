//! Children: kept as text, because a tree of JSON takes eight times the room.

use std::sync::Arc;

use kube::ResourceExt;
use kube::api::DynamicObject;

use super::rows::owner;
use crate::cache::Row;
use crate::kinds::Kind;

/// What is kept of a child: all but its managed fields.
pub(crate) fn row(kind: &Kind, mut object: DynamicObject) -> Option<Row<Arc<str>>> {
    let cluster = owner(&object.metadata)?;
    let name = object.name_any();
    object.metadata.managed_fields = None;
    let mut value = serde_json::to_value(object).ok()?;
    // A listing leaves out what all its objects have in common.
    value["apiVersion"] = kind.api_version().into();
    value["kind"] = kind.name.into();
    Some(Row {
        cluster,
        name,
        value: value.to_string().into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_child_is_kept_without_its_managed_fields() {
        let object = json!({
            "metadata": {
                "namespace": "data", "name": "orders-config", "resourceVersion": "7",
                "labels": { "holdfast.io/cluster": "orders" },
                "managedFields": [{ "manager": "x" }],
            },
            "data": { "a": "b" },
        });
        let kind = Kind::find("ConfigMap").unwrap();
        let row = row(kind, serde_json::from_value(object).unwrap()).unwrap();
        assert_eq!(
            (row.cluster.name.as_str(), row.name.as_str()),
            ("orders", "orders-config")
        );
        let value: Value = serde_json::from_str(&row.value).unwrap();
        let expected = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "namespace": "data", "name": "orders-config", "resourceVersion": "7",
                "labels": { "holdfast.io/cluster": "orders" },
            },
            "data": { "a": "b" },
        });
        assert_eq!(value, expected);
    }
}
