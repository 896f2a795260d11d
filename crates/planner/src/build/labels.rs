//! What all children bear.

use std::collections::BTreeMap;

use holdfast_api::{CLUSTER_LABEL, GROUP, VERSION, ZONE_LABEL};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use serde_json::Value;

use crate::{ValidCluster, ValidZone};

/// The annotation with the digest of what was applied: a field that is no longer applied is noticed
/// by it.
pub const DIGEST_ANNOTATION: &str = "holdfast.io/digest";

/// The annotation of a StatefulSet with the digest of the wish that its template was built from.
pub const WISH_ANNOTATION: &str = "holdfast.io/wish";

/// The label by which Kubernetes' own tools know the name of an application.
pub(super) const NAME_LABEL: &str = "app.kubernetes.io/name";

/// The operator's value of that label.
pub(super) const OPERATOR_NAME: &str = "holdfast-operator";

/// The labels of whatever belongs to a cluster.
pub(super) fn of_cluster(cluster: &str) -> BTreeMap<String, String> {
    texts([
        (NAME_LABEL, "holdfast"),
        ("app.kubernetes.io/instance", cluster),
        ("app.kubernetes.io/component", "broker"),
        ("app.kubernetes.io/managed-by", OPERATOR_NAME),
        (CLUSTER_LABEL, cluster),
    ])
}

/// The labels of whatever belongs to a zone.
pub(super) fn of_zone(cluster: &ValidCluster, zone: &ValidZone) -> BTreeMap<String, String> {
    let mut labels = of_cluster(&cluster.name);
    labels.insert(ZONE_LABEL.to_owned(), zone.name.clone());
    labels
}

/// Selects the pods of a cluster.
pub(super) fn select_cluster(cluster: &ValidCluster) -> LabelSelector {
    select([(NAME_LABEL, "holdfast"), (CLUSTER_LABEL, &cluster.name)])
}

/// Selects the pods of a zone. A StatefulSet's selector never changes.
pub(super) fn select_zone(cluster: &ValidCluster, zone: &ValidZone) -> LabelSelector {
    select([(CLUSTER_LABEL, &cluster.name), (ZONE_LABEL, &zone.name)])
}

/// Selects the pods of a cluster, as a text.
pub fn cluster_selector(cluster: &str) -> String {
    format!("{NAME_LABEL}=holdfast,{CLUSTER_LABEL}={cluster}")
}

/// Whether an object that stands under the name of a child belongs to the cluster. Names that are put
/// together can meet those of another cluster, or of somebody's own objects: theirs are left alone.
pub fn belongs_to(cluster: &str, live: &Value) -> bool {
    let labels = &live["metadata"]["labels"];
    labels[CLUSTER_LABEL] == cluster && labels["app.kubernetes.io/managed-by"] == OPERATOR_NAME
}

/// A selector of labels.
pub(super) fn select<const N: usize>(labels: [(&str, &str); N]) -> LabelSelector {
    LabelSelector {
        match_labels: Some(texts(labels)),
        match_expressions: None,
    }
}

/// The metadata of a child, which goes when its resource goes.
pub(super) fn metadata(cluster: &ValidCluster, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.namespace.clone()),
        labels: Some(of_cluster(&cluster.name)),
        owner_references: Some(vec![OwnerReference {
            api_version: format!("{GROUP}/{VERSION}"),
            kind: "MessageCluster".to_owned(),
            name: cluster.name.clone(),
            uid: cluster.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(false),
        }]),
        ..ObjectMeta::default()
    }
}

/// A map of texts.
pub(super) fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The map, unless it is empty: Kubernetes keeps no empty ones.
pub(super) fn unless_empty(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then_some(map)
}
