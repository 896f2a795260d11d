//! The ConfigMaps with the brokers' files.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::configuration::{addresses_missing, common as common_text, own};
use super::{labels, names, object, wish};
use crate::{Object, ServiceView, ValidCluster};

/// Both or none: one without the other would be a configuration that nobody meant.
pub(super) fn build(
    cluster: &ValidCluster,
    services: &BTreeMap<String, ServiceView>,
) -> Vec<Object> {
    if !addresses_missing(cluster, services).is_empty() {
        return Vec::new();
    }
    let shared = BTreeMap::from([("broker.properties".to_owned(), common_text(cluster))]);
    let brokers = cluster.brokers().into_iter();
    let each = brokers.filter_map(|broker| {
        let text = own(cluster, broker.id, services)?;
        Some((format!("{}.properties", broker.id), text))
    });
    let mut common = config_map(cluster, names::config(&cluster.name), shared);
    // Beside the digest, which is of the content: a file that older versions wrote gets it, and no broker
    // restarts for it.
    common.value["metadata"]["annotations"][labels::WISH_ANNOTATION] =
        wish::of_files(cluster).into();
    vec![
        common,
        config_map(cluster, names::brokers(&cluster.name), each.collect()),
    ]
}

fn config_map(cluster: &ValidCluster, name: String, data: BTreeMap<String, String>) -> Object {
    object(&ConfigMap {
        metadata: labels::metadata(cluster, name),
        data: labels::unless_empty(data),
        ..ConfigMap::default()
    })
}
