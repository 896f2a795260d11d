//! Whether a document has the fields of the schema, and values of their types. The API server judges
//! that before anything else; here it is judged for a file that it has not seen.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::{Map, Value};

use super::{Found, bounds};
use crate::{GROUP, MessageCluster, VERSION};

/// The fields of every resource.
const TOP: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// The cluster that the document holds; none if it cannot be read, of which something is found.
pub(super) fn cluster(document: &Value, found: &mut Found) -> Option<MessageCluster> {
    let version = format!("{GROUP}/{VERSION}");
    if document["apiVersion"] != version.as_str() {
        found.add("apiVersion", format!("must be {version}"));
    }
    for name in document.as_object().into_iter().flat_map(Map::keys) {
        if !TOP.contains(&name.as_str()) {
            found.add(name, format!("is no field: known are {}", TOP.join(", ")));
        }
    }
    let named = document["metadata"]["name"].as_str();
    if named.is_none_or(str::is_empty) {
        found.add("metadata.name", "is missing: name the cluster");
    }
    let before = found.0.len();
    walk(&bounds::CLUSTER, &document["spec"], "spec", found);
    // The status is Kubernetes' own, and nothing of a file.
    let mut wish = without_null(document.clone());
    if let Some(fields) = wish.as_object_mut() {
        fields.remove("status");
    }
    match serde_json::from_value(wish) {
        Ok(cluster) => Some(cluster),
        Err(error) => {
            // What was found by its field is said better than that.
            if found.0.len() == before {
                found.add("spec", error.to_string());
            }
            None
        }
    }
}

/// As the API server leaves out a null that no field may have.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let there = fields.into_iter().filter(|(_, field)| !field.is_null());
            Value::Object(
                there
                    .map(|(name, field)| (name, without_null(field)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_null).collect()),
        plain => plain,
    }
}

fn walk(schema: &JSONSchemaProps, value: &Value, field: &str, found: &mut Found) {
    if let Some(wanted) = wrong_type(schema, value) {
        found.add(field, format!("must be {wanted}, and is {}", said(value)));
        return;
    }
    one_of(schema, value, field, found);
    match value {
        Value::Array(items) => {
            if let Some(JSONSchemaPropsOrArray::Schema(of_item)) = &schema.items {
                for (index, item) in items.iter().enumerate() {
                    walk(of_item, item, &format!("{field}[{index}]"), found);
                }
            }
        }
        Value::Object(fields) => is_object(schema, fields, field, found),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn wrong_type(schema: &JSONSchemaProps, value: &Value) -> Option<&'static str> {
    let (fits, wanted) = match (schema.type_.as_deref()?, value) {
        (_, Value::Null) => return None,
        ("string", value) => (value.is_string(), "a text"),
        ("boolean", value) => (value.is_boolean(), "true or false"),
        ("integer", value) => (value.is_i64() || value.is_u64(), "a whole number"),
        ("number", value) => (value.is_number(), "a number"),
        ("array", value) => (value.is_array(), "a list"),
        ("object", value) => (value.is_object(), "a map of fields"),
        _ => return None,
    };
    (!fits).then_some(wanted)
}

/// A value in words; a text that looks like something else shows its quotes.
fn said(value: &Value) -> String {
    const SHOWN: usize = 40;
    match value {
        Value::String(_) => {
            let text: String = value.to_string().chars().take(SHOWN).collect();
            format!("the text {text}")
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map of fields".to_owned(),
        Value::Number(_) => format!("the number {value} (a text has quotes)"),
        Value::Bool(_) => format!("{value} (a text has quotes)"),
        Value::Null => "nothing".to_owned(),
    }
}

fn one_of(schema: &JSONSchemaProps, value: &Value, field: &str, found: &mut Found) {
    let Some(allowed) = schema.enum_.as_deref().filter(|_| !value.is_null()) else {
        return;
    };
    if allowed.iter().any(|one| one.0 == *value) {
        return;
    }
    let words: Vec<&str> = allowed.iter().filter_map(|one| one.0.as_str()).collect();
    found.add(field, format!("must be one of {}", words.join(", ")));
}

fn is_object(
    schema: &JSONSchemaProps,
    fields: &Map<String, Value>,
    field: &str,
    found: &mut Found,
) {
    for name in schema.required.iter().flatten() {
        if fields.get(name).is_none_or(Value::is_null) {
            found.add(format_args!("{field}.{name}"), "is missing");
        }
    }
    for (name, value) in fields {
        let known = schema.properties.as_ref().and_then(|of| of.get(name));
        match (known, &schema.additional_properties) {
            (Some(of_field), _) => walk(of_field, value, &format!("{field}.{name}"), found),
            (None, Some(JSONSchemaPropsOrBool::Schema(of_value))) => {
                walk(of_value, value, &format!("{field}[{name}]"), found);
            }
            (None, Some(JSONSchemaPropsOrBool::Bool(true))) => {}
            (None, _) if schema.x_kubernetes_preserve_unknown_fields == Some(true) => {}
            (None, _) => {
                let known: Vec<&str> = schema
                    .properties
                    .iter()
                    .flatten()
                    .map(|(n, _)| n.as_str())
                    .collect();
                let message = format!("is no field: known are {}", known.join(", "));
                found.add(format_args!("{field}.{name}"), message);
            }
        }
    }
}
