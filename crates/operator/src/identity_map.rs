//! The ConfigMap that holds a cluster's identity. It has no owner: it outlives the resource.

use std::collections::BTreeMap;

use holdfast_api::CLUSTER_LABEL;
use holdfast_planner::build::identity_object;
use holdfast_planner::{Identity, seen};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use crate::cache::ClusterKey;
use crate::error::Error;
use crate::kinds::{INSTANCE, MANAGED_BY, MANAGER};

/// The name of the map.
pub(crate) fn name(cluster: &str) -> String {
    format!("{cluster}-identity")
}

/// What the map holds.
///
/// # Errors
/// It was not written by an operator, or by one that is newer. Nothing may be done to such a cluster.
pub(crate) fn read(name: &str, map: &Value) -> Result<Identity, Error> {
    seen::identity(map).map_err(|reason| Error::unreadable(&format!("ConfigMap {name}"), &reason))
}

/// The map of an identity; with a version it takes the place of that one only.
///
/// # Errors
/// The planner's map is a ConfigMap: none.
pub(crate) fn write(
    cluster: &ClusterKey,
    identity: &Identity,
    version: Option<String>,
) -> Result<ConfigMap, Error> {
    let object = identity_object(&cluster.namespace, &cluster.name, identity);
    let mut map: ConfigMap = serde_json::from_value(object.value)
        .map_err(|error| Error::unreadable(&object.key.name, &error))?;
    map.metadata.resource_version = version;
    Ok(map)
}

/// The labels of what the operator writes by itself.
pub(crate) fn labels(cluster: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "holdfast"),
        (INSTANCE, cluster),
        ("app.kubernetes.io/component", "broker"),
        (MANAGED_BY, MANAGER),
        (CLUSTER_LABEL, cluster),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            cluster_id: holdfast_model::ClusterId::from_u128(7).to_string(),
            voters: vec![1000],
            formation: Some("version = 1".to_owned()),
            ..Identity::default()
        }
    }

    #[test]
    fn an_identity_reads_back_as_it_was_written() {
        let key = ClusterKey::new("data", "orders");
        let map = write(&key, &identity(), None).unwrap();
        assert_eq!(map.metadata.owner_references, None);
        assert_eq!(map.data.as_ref().unwrap()["formation.toml"], "version = 1");
        let value = serde_json::to_value(&map).unwrap();
        assert_eq!(read("orders-identity", &value).unwrap(), identity());

        let formed = Identity {
            formed: true,
            formation: None,
            ..identity()
        };
        let map = write(&key, &formed, Some("7".to_owned())).unwrap();
        assert!(!map.data.unwrap().contains_key("formation.toml"));
        assert_eq!(map.metadata.resource_version.as_deref(), Some("7"));
    }

    #[test]
    fn what_no_operator_of_this_version_wrote_is_not_guessed() {
        for data in [
            "{}",
            r#"{"identity.json":"{\"newField\":1}"}"#,
            r#"{"identity.json":""}"#,
        ] {
            let map = serde_json::json!({ "data": serde_json::from_str::<Value>(data).unwrap() });
            assert!(read("x", &map).is_err(), "{data}");
        }
    }
}
