//! Each rule, broken and kept, by both who judge: the CEL of the schema, evaluated by kube-cel, and
//! the same in Rust. They must find the same.

mod bounds;
mod change;
mod cluster;
mod shape;
mod topic;

use std::collections::BTreeSet;

use kube::CustomResourceExt;
use kube::core::cel;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::rules;

/// The sentences found.
type Sentences = BTreeSet<String>;

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("a case can be read")
}

fn cluster_named(name: &str, spec: &Value) -> MessageCluster {
    read(&json!({
        "apiVersion": "holdfast.io/v1alpha1",
        "kind": "MessageCluster",
        "metadata": { "name": name, "namespace": "default" },
        "spec": spec,
    }))
}

fn topic_named(name: &str, spec: &Value) -> MessageTopic {
    read(&json!({
        "apiVersion": "holdfast.io/v1alpha1",
        "kind": "MessageTopic",
        "metadata": { "name": name, "namespace": "default" },
        "spec": spec,
    }))
}

/// What is said, over `base`: a field that is null is left out.
fn with(base: &Value, changes: &Value) -> Value {
    let mut merged = base.clone();
    for (name, value) in changes.as_object().expect("changes are an object") {
        if value.is_null() {
            merged.as_object_mut().expect("an object").remove(name);
        } else {
            merged[name] = value.clone();
        }
    }
    merged
}

fn by_cel<T: CustomResourceExt + Serialize>(new: &T, old: Option<&T>) -> Sentences {
    let judged = match old {
        Some(old) => cel::validate_cel_update(new, old),
        None => cel::validate_cel(new),
    };
    let Err(errors) = judged else {
        return Sentences::new();
    };
    errors
        .into_vec()
        .into_iter()
        .map(|error| {
            assert_eq!(error.kind, cel::ErrorKind::ValidationFailure, "{error:?}");
            error.message
        })
        .collect()
}

fn by_rust(judged: [Result<(), Vec<Problem>>; 2]) -> Sentences {
    let problems = judged.into_iter().filter_map(Result::err).flatten();
    problems.map(|problem| problem.message).collect()
}

fn sentences(expected: &[rules::Law]) -> Sentences {
    expected.iter().map(|law| law.says.to_owned()).collect()
}

#[test]
fn a_problem_reads_as_a_field_and_a_sentence() {
    let problem = Problem {
        field: "spec.storage.size".to_owned(),
        message: "storage.size cannot shrink".to_owned(),
    };
    let text = "spec.storage.size: storage.size cannot shrink";
    assert_eq!(problem.to_string(), text);
}
