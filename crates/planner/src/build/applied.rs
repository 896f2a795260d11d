//! Whether a child stands in Kubernetes as it is applied. The API server adds defaults, writes
//! amounts in its own way, and others may add items of their own to lists of named things: none of
//! that is a difference, or the operator would apply for ever.

use serde_json::{Map, Value};

use super::{DIGEST_ANNOTATION, quantity};
use crate::Object;

/// Whether everything that is applied is there, and nothing that was applied once is left.
pub fn is_applied(desired: &Object, live: &Value) -> bool {
    let digest = |value: &Value| value["metadata"]["annotations"][DIGEST_ANNOTATION].clone();
    digest(&desired.value) == digest(live) && is_covered(desired, live)
}

/// Whether a StatefulSet's pods are made as they shall be. Its replicas and its claims may differ.
/// Does not notice a field that is no longer applied, as [`is_applied`] does.
pub fn template_is_applied(desired: &Object, live: &Value) -> bool {
    let template = |value: &Value| value["spec"]["template"].clone();
    covers(&template(&desired.value), &template(live), Place::start())
}

/// Whether a StatefulSet differs in what cannot be changed in place: it must be made again.
pub fn needs_new_set(desired: &Object, live: &Value) -> bool {
    let fixed = [
        "podManagementPolicy",
        "selector",
        "serviceName",
        "volumeClaimTemplates",
    ];
    fixed.iter().any(|field| {
        let (wanted, there) = (&desired.value["spec"][*field], &live["spec"][*field]);
        !covers(wanted, there, Place::start().below(field))
    })
}

fn is_covered(desired: &Object, live: &Value) -> bool {
    let Some(fields) = desired.value.as_object() else {
        return false;
    };
    fields
        .iter()
        // The key says both, and a list's items do not.
        .filter(|(name, _)| *name != "apiVersion" && *name != "kind")
        .all(|(name, field)| covers(field, &live[name], Place::start().below(name)))
}

/// Where in an object something stands, as far as it matters.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The nearest field.
    field: &'a str,
    /// Within a list that is replaced as a whole, whatever is in it.
    is_whole: bool,
}

impl<'a> Place<'a> {
    fn start() -> Self {
        Place {
            field: "",
            is_whole: false,
        }
    }

    fn below(self, field: &'a str) -> Self {
        Place { field, ..self }
    }

    fn within_whole(self) -> Self {
        Place {
            is_whole: true,
            ..self
        }
    }

    /// By which fields Kubernetes tells the items of this list apart, if it merges it.
    fn keys(self) -> &'static [&'static str] {
        if self.is_whole {
            return &[];
        }
        match self.field {
            "containers" | "env" | "imagePullSecrets" | "initContainers" | "volumes" => &["name"],
            "ownerReferences" => &["uid"],
            "ports" => &["containerPort", "port", "protocol"],
            "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
            "volumeMounts" => &["mountPath"],
            _ => &[],
        }
    }
}

fn covers(desired: &Value, live: &Value, place: Place<'_>) -> bool {
    match (desired, live) {
        (Value::Null, _) => true,
        // Kubernetes does not keep an empty text.
        (Value::String(text), Value::Null) => text.is_empty(),
        (Value::Object(desired), Value::Object(live)) => has_fields(desired, live, place),
        (Value::Array(desired), Value::Array(live)) => has_items(desired, live, place),
        _ => desired == live,
    }
}

fn has_fields(desired: &Map<String, Value>, live: &Map<String, Value>, place: Place<'_>) -> bool {
    let is_amounts = matches!(place.field, "limits" | "requests");
    desired.iter().all(|(name, field)| {
        let there = live.get(name).unwrap_or(&Value::Null);
        if is_amounts {
            quantity::same(field, there)
        } else {
            covers(field, there, place.below(name))
        }
    })
}

fn has_items(desired: &[Value], live: &[Value], place: Place<'_>) -> bool {
    let keys = place.keys();
    if keys.is_empty() {
        let inside = place.within_whole();
        let mut pairs = desired.iter().zip(live);
        return desired.len() == live.len() && pairs.all(|(one, other)| covers(one, other, inside));
    }
    let is_same = |one: &Value, other: &Value| keys.iter().all(|key| one[*key] == other[*key]);
    desired.iter().all(|item| {
        let found = live.iter().find(|other| is_same(item, other));
        found.is_some_and(|other| covers(item, other, place))
    })
}
