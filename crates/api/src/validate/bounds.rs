//! The bounds and patterns of single fields, read from the schema, so that there is one place for
//! each. Types and required fields were judged when the resource was read.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Found;
use crate::{MessageCluster, MessageClusterSpec, MessageTopic, MessageTopicSpec, patterns};

pub(super) static CLUSTER: LazyLock<JSONSchemaProps> =
    LazyLock::new(|| spec_schema(MessageCluster::crd()));
static TOPIC: LazyLock<JSONSchemaProps> = LazyLock::new(|| spec_schema(MessageTopic::crd()));

pub(super) fn cluster(spec: &MessageClusterSpec, found: &mut Found) {
    check(&CLUSTER, spec, found);
}

pub(super) fn topic(spec: &MessageTopicSpec, found: &mut Found) {
    check(&TOPIC, spec, found);
}

/// The schema of the field `spec`.
fn spec_schema(crd: CustomResourceDefinition) -> JSONSchemaProps {
    crd.spec
        .versions
        .into_iter()
        .next()
        .and_then(|version| {
            version
                .schema?
                .open_api_v3_schema?
                .properties?
                .remove("spec")
        })
        .expect("a definition of ours has a schema with a spec")
}

fn check(schema: &JSONSchemaProps, spec: &impl Serialize, found: &mut Found) {
    let value = serde_json::to_value(spec).expect("a spec is JSON");
    walk(schema, &value, "spec", found);
}

fn walk(schema: &JSONSchemaProps, value: &Value, field: &str, found: &mut Found) {
    match value {
        Value::Number(number) => in_range(schema, number.as_f64().unwrap_or(0.0), field, found),
        Value::String(text) => is_text(schema, text, field, found),
        Value::Array(items) => is_list(schema, items, field, found),
        Value::Object(fields) => is_object(schema, fields, field, found),
        Value::Null | Value::Bool(_) => {}
    }
}

fn in_range(schema: &JSONSchemaProps, number: f64, field: &str, found: &mut Found) {
    if let Some(least) = schema.minimum.filter(|least| number < *least) {
        found.add(field, format!("must be {least} at least"));
    }
    if let Some(most) = schema.maximum.filter(|most| number > *most) {
        found.add(field, format!("must be {most} at most"));
    }
}

fn is_text(schema: &JSONSchemaProps, text: &str, field: &str, found: &mut Found) {
    let bounds = (schema.min_length, schema.max_length);
    in_bounds(bounds, text.chars().count(), "characters", field, found);
    let pattern = schema.pattern.as_deref().and_then(patterns::find);
    if let Some(pattern) = pattern.filter(|pattern| !(pattern.holds)(text)) {
        found.add(field, format!("must be {}", pattern.words));
    }
}

fn is_list(schema: &JSONSchemaProps, items: &[Value], field: &str, found: &mut Found) {
    let bounds = (schema.min_items, schema.max_items);
    in_bounds(bounds, items.len(), "entries", field, found);
    let Some(JSONSchemaPropsOrArray::Schema(of_item)) = &schema.items else {
        return;
    };
    let keys = schema.x_kubernetes_list_map_keys.as_deref();
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let place = format!("{field}[{index}]");
        for key in keys.unwrap_or_default() {
            if !seen.insert((key, item[key].to_string())) {
                let message = format!("{key} must differ from that of every other entry");
                found.add(format_args!("{place}.{key}"), message);
            }
        }
        walk(of_item, item, &place, found);
    }
}

fn is_object(
    schema: &JSONSchemaProps,
    fields: &Map<String, Value>,
    field: &str,
    found: &mut Found,
) {
    let bounds = (schema.min_properties, schema.max_properties);
    in_bounds(bounds, fields.len(), "entries", field, found);
    for (name, value) in fields {
        let known = schema.properties.as_ref().and_then(|of| of.get(name));
        match (known, &schema.additional_properties) {
            (Some(of_field), _) => walk(of_field, value, &format!("{field}.{name}"), found),
            (None, Some(JSONSchemaPropsOrBool::Schema(of_value))) => {
                walk(of_value, value, &format!("{field}[{name}]"), found);
            }
            (None, _) => {}
        }
    }
}

fn in_bounds(
    (least, most): (Option<i64>, Option<i64>),
    count: usize,
    what: &str,
    field: &str,
    found: &mut Found,
) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    if let Some(least) = least.filter(|least| count < *least) {
        found.add(field, format!("must have {least} {what} at least"));
    }
    if let Some(most) = most.filter(|most| count > *most) {
        found.add(field, format!("may have {most} {what} at most"));
    }
}
