//! The children of a cluster: what is written to Kubernetes, and whether it stands there already.
//!
//! Everything here follows from the wish and from the addresses that Kubernetes gave to Services.

mod applied;
mod config_map;
pub(crate) mod configuration;
mod disruption_budget;
mod identity;
mod labels;
pub mod names;
mod network_policy;
mod pod;
mod properties;
mod quantity;
mod service;
mod service_account;
mod stateful_set;
mod unwanted;
mod wish;

use std::collections::BTreeMap;

use k8s_openapi::Resource;
use serde::Serialize;
use serde_json::Value;

pub use applied::{is_applied, needs_new_set, template_is_applied};
pub use configuration::{addresses_missing, configuration, configuration_digest};
pub use identity::identity_object;
pub use labels::{DIGEST_ANNOTATION, WISH_ANNOTATION, belongs_to, cluster_selector};
pub use stateful_set::stateful_set;
pub use unwanted::unwanted;
pub use wish::{of_files as wish_of_files, wish};

use crate::digest::json_hex;
use crate::{Object, ObjectKey, ServiceView, ValidCluster};

/// Every child but the StatefulSets, the identity and the Secrets, in an order in which they can be
/// made. The ConfigMaps are among them only once every broker's addresses are known (see
/// [`addresses_missing`]): until then those that there are stay as they are, complete.
pub fn children(cluster: &ValidCluster, services: &BTreeMap<String, ServiceView>) -> Vec<Object> {
    let mut all = vec![service_account::build(cluster)];
    all.extend(service::build(cluster));
    all.extend(config_map::build(cluster, services));
    all.push(disruption_budget::build(cluster));
    if cluster.spec.network_policy {
        all.push(network_policy::build(cluster));
    }
    all
}

/// A typed object as it is applied: without what nobody set, and with its digest.
fn object<T: Resource + Serialize>(typed: &T) -> Object {
    let mut value = serde_json::to_value(typed).unwrap_or_default();
    strip_unset(&mut value);
    let digest = digest(&value);
    let name = value["metadata"]["name"].as_str().unwrap_or_default();
    let key = ObjectKey {
        kind: T::KIND.to_owned(),
        name: name.to_owned(),
    };
    value["metadata"]["annotations"][DIGEST_ANNOTATION] = Value::from(digest);
    Object { key, value }
}

/// The digest of what an object says. Whose it is stands outside: a resource that was made again takes over
/// what its predecessor left, and nothing else about it changed.
fn digest(value: &Value) -> String {
    let mut said = value.clone();
    if let Some(metadata) = said["metadata"].as_object_mut() {
        metadata.remove("ownerReferences");
    }
    json_hex(&said)
}

/// Null means unset to the API server, but not to who compares.
fn strip_unset(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(strip_unset);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_unset),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
