//! What a file may look like at all.

use serde_json::{Value, json};

use super::super::read_cluster;

fn document(spec: &Value) -> Value {
    json!({
        "apiVersion": "holdfast.io/v1alpha1",
        "kind": "MessageCluster",
        "metadata": { "name": "orders" },
        "spec": spec,
    })
}

fn problems(document: &Value) -> Vec<String> {
    let problems = read_cluster(document).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_that_is_right_is_read_with_its_defaults() {
    let file = document(&json!({
        "storage": { "size": "10Gi", "class": null },
        "resources": { "limits": { "cpu": 2, "memory": "4Gi" } },
        "settings": { "log.retention.hours": "24" },
        "pod": { "tolerations": [{ "key": "a", "operator": "Exists" }] },
    }));
    let cluster = read_cluster(&file).unwrap();
    assert_eq!(
        (cluster.spec.replicas, cluster.spec.listeners[0].port),
        (3, 9092)
    );
    assert_eq!(cluster.spec.storage.class, None);
}

#[test]
fn what_is_wrong_is_named_by_its_field() {
    for (spec, expected) in [
        (json!({}), "spec.storage: is missing"),
        (
            json!({ "storage": { "size": "1Gi" }, "replicas": "3" }),
            r#"spec.replicas: must be a whole number, and is the text "3""#,
        ),
        (
            json!({ "storage": { "size": "1Gi" }, "settings": { "num.io.threads": 8 } }),
            "spec.settings[num.io.threads]: must be a text, and is the number 8 (a text has quotes)",
        ),
        (
            json!({ "storage": { "size": "1Gi", "clas": "x" } }),
            "spec.storage.clas: is no field: known are",
        ),
        (
            json!({ "storage": { "size": "1Gi" }, "zones": [{ "replicas": 1 }] }),
            "spec.zones[0].name: is missing",
        ),
        (
            json!({ "storage": { "size": "1Gi" }, "approval": "Never" }),
            "spec.approval: must be one of Auto, Manual",
        ),
    ] {
        let found = problems(&document(&spec));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{found:?}");
    }
}

#[test]
fn a_file_of_something_else_is_refused() {
    let mut file = document(&json!({ "storage": { "size": "1Gi" } }));
    file["apiVersion"] = "holdfast.io/v1".into();
    file["spek"] = json!({});
    file["metadata"] = json!({});
    let found = problems(&file);
    let fields: Vec<&str> = found.iter().filter_map(|p| p.split(':').next()).collect();
    assert_eq!(fields, ["apiVersion", "spek", "metadata.name"]);
}
