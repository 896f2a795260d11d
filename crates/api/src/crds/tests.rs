use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::patterns;

#[test]
fn the_files_in_crds_are_fresh() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds"));
    let fresh = crds();
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        std::fs::create_dir_all(folder).unwrap();
        for (name, text) in &fresh {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    for (name, text) in &fresh {
        let kept = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            kept == *text,
            "crds/{name} is stale: run with HOLDFAST_BLESS=1"
        );
    }
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, fresh.len(), "crds/ holds what nothing generates");
}

/// Every schema below `schema`, with its path; fields end with their name, entries with `[]`.
fn walk(schema: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        walk(field, &format!("{path}.{name}"), visit);
    }
    for of_entries in ["items", "additionalProperties"] {
        if schema[of_entries].is_object() {
            walk(&schema[of_entries], &format!("{path}[]"), visit);
        }
    }
}

/// Visits every schema of both resources: what the resource is named, then the path.
fn visit_all(mut visit: impl FnMut(&str, &Value)) {
    for crd in [MessageCluster::crd(), MessageTopic::crd()] {
        let kind = crd.spec.names.kind.clone();
        let crd = serde_json::to_value(crd).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut count = 0;
        walk(schema, &kind, &mut |path, schema| {
            count += 1;
            visit(path, schema);
        });
        assert!(count > 20, "{kind} has {count} fields");
    }
}

#[test]
fn every_field_is_described() {
    visit_all(|path, schema| {
        let description = schema["description"].as_str().unwrap_or_default();
        // An entry that is a plain text is described by its list.
        let is_plain_entry = path.ends_with("[]") && schema["type"] != "object";
        assert!(is_plain_entry || !description.is_empty(), "{path}");
        for choice in schema["enum"].as_array().into_iter().flatten() {
            let choice = choice.as_str().expect("choices are texts");
            assert!(
                description.contains(choice),
                "{path} does not explain {choice}"
            );
        }
    });
}

/// Without bounds the API server takes the cost of a rule for infinite. A number in `spec` has them
/// too, except for a toleration's seconds, which are Kubernetes' own.
#[test]
fn every_list_map_and_text_has_a_bound() {
    visit_all(|path, schema| {
        let has = |key: &str| schema[key].is_number();
        let bounded = match schema["type"].as_str() {
            Some("array") => has("maxItems"),
            Some("string") => has("maxLength") || schema["enum"].is_array(),
            Some("object") => schema["properties"].is_object() || has("maxProperties"),
            Some("integer") => {
                let foreign = path.ends_with(".tolerationSeconds") || path.contains(".status.");
                foreign || (has("minimum") && has("maximum"))
            }
            Some("boolean") => true,
            None => schema["x-kubernetes-int-or-string"] == true && has("maxLength"),
            Some(other) => panic!("{path} has the type {other}"),
        };
        let is_root = !path.contains('.');
        assert!(is_root || bounded, "{path}: {schema}");
    });
}

/// What a structural schema may not hold, and what the derive could leave behind.
#[test]
fn the_schema_is_structural() {
    visit_all(|path, schema| {
        for word in ["oneOf", "anyOf", "allOf", "not", "$ref", "const"] {
            assert!(schema.get(word).is_none(), "{path} holds {word}");
        }
    });
}

#[test]
fn every_pattern_has_its_function() {
    visit_all(|path, schema| {
        let Some(pattern) = schema["pattern"].as_str() else {
            return;
        };
        let known = patterns::find(pattern).is_some() || path.contains(".status.");
        assert!(known, "{path} has a pattern that validate does not know");
    });
}

#[test]
fn what_must_be_said_is_little() {
    let mut required = BTreeSet::new();
    visit_all(|path, schema| {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !path.contains(".status") {
                required.insert(format!("{path}.{}", name.as_str().unwrap()));
            }
        }
    });
    let required: Vec<&str> = required.iter().map(String::as_str).collect();
    assert_eq!(
        required,
        [
            "MessageCluster.spec",
            "MessageCluster.spec.brokers[].id",
            "MessageCluster.spec.listeners[].name",
            "MessageCluster.spec.listeners[].port",
            "MessageCluster.spec.storage",
            "MessageCluster.spec.storage.size",
            "MessageCluster.spec.zones[].name",
            "MessageCluster.spec.zones[].storage.size",
            "MessageTopic.spec",
            "MessageTopic.spec.cluster",
        ]
    );
}

/// An operator that writes a resource it has read, or a tool that applies one again, changes nothing:
/// what the types leave unset is what the API server fills in.
#[test]
fn defaults_of_the_types_are_defaults_of_the_schema() {
    let said = serde_json::json!({ "storage": { "size": "100Gi" } });
    compare_defaults::<crate::MessageClusterSpec>(&MessageCluster::crd(), &said);
    let said = serde_json::json!({ "cluster": "c" });
    compare_defaults::<crate::MessageTopicSpec>(&MessageTopic::crd(), &said);
}

fn compare_defaults<Spec>(crd: &CustomResourceDefinition, said: &Value)
where
    Spec: serde::Serialize + serde::de::DeserializeOwned,
{
    let crd = serde_json::to_value(crd).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut by_schema = said.clone();
    fill_in(schema, &mut by_schema);
    let spec: Spec = serde_json::from_value(said.clone()).unwrap();
    assert_eq!(serde_json::to_value(spec).unwrap(), by_schema);
}

/// Defaulting as the API server does it.
fn fill_in(schema: &Value, value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(default) = field.get("default") {
                fields.entry(name).or_insert_with(|| default.clone());
            }
            if let Some(value) = fields.get_mut(name) {
                fill_in(field, value);
            }
        }
    }
    for item in value.as_array_mut().into_iter().flatten() {
        fill_in(&schema["items"], item);
    }
}
