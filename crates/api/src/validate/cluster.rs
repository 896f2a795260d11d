//! Rules of a cluster that are about more than one field.

use std::collections::BTreeMap;

use super::Found;
use crate::cluster::{Listener, ListenerType, MessageCluster, MessageClusterSpec, Storage};
use crate::quantity::quantity_bytes;
use crate::{rules, zone_label};

pub(super) fn check(cluster: &MessageCluster, found: &mut Found) {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let spec = &cluster.spec;
    check_name(name, found);
    let zones: Vec<&str> = spec.zones.iter().map(|zone| zone.name.as_str()).collect();
    check_zone_names(name, &zones, found);
    check_sums(spec, found);
    check_size(&spec.storage, "spec.storage", found);
    for (index, zone) in spec.zones.iter().enumerate() {
        if let Some(storage) = &zone.storage {
            check_size(storage, &format!("spec.zones[{index}].storage"), found);
        }
    }
    check_listeners(&spec.listeners, found);
    for (index, listener) in spec.listeners.iter().enumerate() {
        check_listener(listener, &format!("spec.listeners[{index}]"), found);
    }
    for (key, law) in [
        ("min.insync.replicas", rules::CLUSTER_MIN_INSYNC),
        ("default.replication.factor", rules::CLUSTER_REPLICATION),
    ] {
        let field = format!("spec.settings[{key}]");
        let holds = fits(spec.settings.get(key), spec.replicas);
        found.add_unless(holds, field, law.says);
    }
}

fn check_name(name: &str, found: &mut Found) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(plain)
        && !name.ends_with('-');
    let short = name.len() <= rules::LONGEST_CLUSTER_NAME;
    found.add_unless(short, "metadata.name", rules::CLUSTER_NAME_LENGTH.says);
    found.add_unless(label, "metadata.name", rules::CLUSTER_NAME_LABEL.says);
}

/// Pods are named after the cluster and the zone, so both together must be short and distinct.
pub(super) fn check_zone_names(cluster: &str, zones: &[&str], found: &mut Found) {
    let mut seen = BTreeMap::new();
    for (index, zone) in zones.iter().enumerate() {
        let field = format!("spec.zones[{index}].name");
        let short = cluster.len() + zone.len() <= rules::LONGEST_NAMES;
        found.add_unless(short, &field, rules::ZONE_NAME_LENGTH.says);
        let earlier = seen.insert(zone_label(zone), zone);
        found.add_unless(earlier.is_none(), &field, rules::ZONE_LABELS.says);
    }
}

fn check_sums(spec: &MessageClusterSpec, found: &mut Found) {
    let fixed: Vec<i64> = spec
        .zones
        .iter()
        .filter_map(|zone| zone.replicas.map(i64::from))
        .collect();
    let sum: i64 = fixed.iter().sum();
    let all_fixed = !fixed.is_empty() && fixed.len() == spec.zones.len();
    let wanted = i64::from(spec.replicas);
    let adds_up = !all_fixed || sum == wanted;
    found.add_unless(adds_up, "spec.replicas", rules::ZONES_ADD_UP.says);
    found.add_unless(sum <= wanted, "spec.replicas", rules::ZONES_WITHIN.says);
}

fn check_size(storage: &Storage, field: &str, found: &mut Found) {
    const LEAST: u64 = 64 << 20;
    let enough = quantity_bytes(&storage.size).is_some_and(|bytes| bytes >= LEAST);
    found.add_unless(
        enough,
        format_args!("{field}.size"),
        rules::STORAGE_SIZE.says,
    );
}

fn check_listeners(listeners: &[Listener], found: &mut Found) {
    let internal = listeners.iter().any(|l| l.kind == ListenerType::Internal);
    found.add_unless(internal, "spec.listeners", rules::ONE_IS_INTERNAL.says);
    for (index, listener) in listeners.iter().enumerate() {
        let earlier = &listeners[..index];
        let field = format!("spec.listeners[{index}]");
        let port = !earlier.iter().any(|l| l.port == listener.port);
        found.add_unless(port, format_args!("{field}.port"), rules::PORTS_DIFFER.says);
        let node_port = listener.node_port.is_none()
            || !earlier.iter().any(|l| l.node_port == listener.node_port);
        let field = format_args!("{field}.nodePort");
        found.add_unless(node_port, field, rules::NODE_PORTS_DIFFER.says);
    }
}

fn check_listener(listener: &Listener, field: &str, found: &mut Found) {
    let free = !rules::RESERVED_PORTS.contains(&listener.port);
    found.add_unless(free, format_args!("{field}.port"), rules::PORT_IS_FREE.says);
    let internal = listener.kind == ListenerType::Internal;
    let host = !internal || listener.advertised_host.is_none();
    let at = format_args!("{field}.advertisedHost");
    found.add_unless(host, at, rules::INTERNAL_HAS_NO_HOST.says);
    let node_port = listener.kind == ListenerType::NodePort || listener.node_port.is_none();
    let at = format_args!("{field}.nodePort");
    found.add_unless(node_port, at, rules::NODE_PORT_HAS_TYPE.says);
}

/// Whether a setting is unset, or a number from 1 to `most` as Kafka writes numbers.
pub(super) fn fits(setting: Option<&String>, most: i32) -> bool {
    setting.is_none_or(|text| {
        let plain = text.len() <= 9 && !text.starts_with(['0', '+']);
        plain
            && text
                .parse()
                .is_ok_and(|number: i32| (1..=most).contains(&number))
    })
}
