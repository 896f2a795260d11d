//! Whose change a changed template or file is.

use std::collections::BTreeMap;

use serde_json::json;

use super::pod;
use crate::digest::json_hex;
use crate::{ValidCluster, ValidZone};

/// The digest of what the resource puts into the template of a zone's pods and into the file that all
/// brokers read, without anything that the operator puts there by itself: if it is what the set bears,
/// and the template or the file differs all the same, then only the operator changed. How many brokers
/// there are and how large their volumes are is not in it, because that restarts nobody (but for the
/// replication factor, which a few brokers cannot have).
///
/// A new field of the resource must be left out here where it is unset, or a new operator would take
/// every template for a changed wish.
pub fn wish(cluster: &ValidCluster, zone: &ValidZone) -> String {
    let spec = &cluster.spec;
    let listeners = listeners(cluster);
    let settings = settings(cluster);
    json_hex(&json!({
        "clusterId": cluster.identity.cluster_id,
        "image": pod::image(cluster),
        "pullPolicy": spec.image.pull_policy,
        "pullSecrets": spec.image.pull_secrets,
        "resources": zone.resources,
        "pod": spec.pod,
        "zone": zone.name,
        "nodeSelector": zone.node_selector,
        "topologyKey": spec.topology_key,
        "listeners": listeners,
        "settings": settings,
        "replicationFactor": cluster.static_settings.get("default.replication.factor"),
        "preferredLeaders": spec.preferred_leaders,
        "storageClass": zone.storage.class,
        "accessMode": zone.storage.access_mode,
    }))
}

/// The digest of what the resource puts into the file that all brokers read. A file may have been written
/// for another wish than the sets, which follow it: it says itself for which. For new fields the same holds
/// as in [`wish`].
pub fn of_files(cluster: &ValidCluster) -> String {
    let spec = &cluster.spec;
    json_hex(&json!({
        "listeners": listeners(cluster),
        "settings": settings(cluster),
        "replicationFactor": cluster.static_settings.get("default.replication.factor"),
        "preferredLeaders": spec.preferred_leaders,
        "gracePeriod": spec.pod.termination_grace_period_seconds,
    }))
}

fn listeners(cluster: &ValidCluster) -> Vec<(&str, i32)> {
    let listeners = cluster.spec.listeners.iter();
    listeners.map(|l| (l.name.as_str(), l.port)).collect()
}

fn settings(cluster: &ValidCluster) -> BTreeMap<&str, &str> {
    let in_files = |name: &str| cluster.static_settings.contains_key(name);
    let named = cluster.spec.settings.iter();
    named
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| in_files(name))
        .collect()
}
