//! The definitions of the resources, as the files in `crds/`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Number, Value};

use crate::{MessageCluster, MessageTopic};

const HEADER: &str = "\
# Generated from crates/api; a test compares. To write it again:
# HOLDFAST_BLESS=1 cargo test --release -p holdfast-api crds
";

/// Every definition: the name of its file, and its text in YAML.
pub fn crds() -> Vec<(String, String)> {
    [MessageCluster::crd(), MessageTopic::crd()]
        .iter()
        .map(|crd| {
            let name = crd.metadata.name.clone().unwrap_or_default();
            (format!("{name}.yaml"), yaml(crd))
        })
        .collect()
}

fn yaml(crd: &CustomResourceDefinition) -> String {
    let value = serde_json::to_value(crd).expect("a definition is JSON");
    let body = serde_saphyr::to_string(&tidied(value)).expect("JSON is YAML");
    format!("{HEADER}{body}")
}

/// The same for people and for diffs: keys in order, also where another crate has serde_json keep
/// them as they come; whole numbers without a fraction; descriptions without the line breaks of our
/// sources.
fn tidied(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            let fields = fields.into_iter().map(|(name, value)| match value {
                Value::String(text) if name == "description" => {
                    (name, Value::String(text.replace('\n', " ")))
                }
                value => (name, tidied(value)),
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(tidied).collect()),
        Value::Number(number) => whole(&number).map_or(Value::Number(number), Value::from),
        other => other,
    }
}

fn whole(number: &Number) -> Option<i64> {
    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
    Some(float as i64)
}

#[cfg(test)]
mod tests;
