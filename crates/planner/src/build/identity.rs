//! The ConfigMap of a cluster's identity.

use std::collections::BTreeMap;

use holdfast_api::CLUSTER_ID_ANNOTATION;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{labels, names, object};
use crate::{Identity, Object};

/// It has no owner: like the volumes it outlives the resource. The operator creates it and writes it
/// on the version that it read; it is never applied over another one. The identity is read back from
/// `identity.json`.
pub fn identity_object(namespace: &str, cluster: &str, identity: &Identity) -> Object {
    let json = serde_json::to_string_pretty(identity).unwrap_or_default();
    let mut data = BTreeMap::from([
        ("identity.json".to_owned(), json),
        ("cluster-id".to_owned(), identity.cluster_id.clone()),
    ]);
    if let Some(document) = &identity.formation {
        data.insert("formation.toml".to_owned(), document.clone());
    }
    object(&ConfigMap {
        metadata: ObjectMeta {
            name: Some(names::identity(cluster)),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels::of_cluster(cluster)),
            annotations: Some(labels::texts([(
                CLUSTER_ID_ANNOTATION,
                &identity.cluster_id,
            )])),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..ConfigMap::default()
    })
}
