//! The two files that a broker reads: what all have in common, and what is its own.

use std::collections::BTreeMap;

use holdfast_api::{Listener, ListenerType};

use super::pod::{ADMIN_API_PORT, METRICS_PORT, RPC_PORT, TLS_PATH};
use super::{names, properties};
use crate::digest::sha256_hex;
use crate::{BrokerName, ServiceView, ValidCluster, ValidZone};

/// Seconds between the end of a graceful stop and the kubelet's patience: the process ends itself
/// before it is killed.
const SHUTDOWN_SPARE_S: i64 = 10;

/// Both files of a broker: `broker.properties` and its own. `None` while the address of any broker is
/// missing: files that belong together change together.
pub fn configuration(
    cluster: &ValidCluster,
    broker: i32,
    services: &BTreeMap<String, ServiceView>,
) -> Option<(String, String)> {
    if !addresses_missing(cluster, services).is_empty() {
        return None;
    }
    Some((common(cluster), own(cluster, broker, services)?))
}

/// The digest of what a broker shall have loaded, as it reports it itself.
pub fn configuration_digest(
    cluster: &ValidCluster,
    broker: i32,
    services: &BTreeMap<String, ServiceView>,
) -> Option<String> {
    let (common, own) = configuration(cluster, broker, services)?;
    Some(files_digest(&common, &own))
}

/// The digest of both files of a broker, as it reports what it has loaded.
pub(crate) fn files_digest(common: &str, own: &str) -> String {
    sha256_hex(format!("{common}\0{own}\0").as_bytes())
}

/// The Services whose address Kubernetes has not given yet, and which it is.
pub fn addresses_missing(
    cluster: &ValidCluster,
    services: &BTreeMap<String, ServiceView>,
) -> Vec<String> {
    let brokers = cluster.brokers();
    let missing = |listener: &Listener, broker: &BrokerName| {
        let what = match listener.kind {
            ListenerType::Internal => return None,
            ListenerType::NodePort => "the node port",
            ListenerType::LoadBalancer => "the address of the load balancer",
        };
        let known = advertised(cluster, listener, broker, services).is_some();
        let name = names::broker_service(&cluster.name, listener, broker.id);
        (!known).then(|| format!("{what} of Service {name}"))
    };
    let listeners = cluster.spec.listeners.iter();
    listeners
        .flat_map(|listener| brokers.iter().filter_map(move |b| missing(listener, b)))
        .collect()
}

/// What all brokers have in common.
pub(crate) fn common(cluster: &ValidCluster) -> String {
    let spec = &cluster.spec;
    let listed = |format: &dyn Fn(&Listener) -> String| {
        let all: Vec<String> = spec.listeners.iter().map(format).collect();
        all.join(",")
    };
    let grace = spec.pod.termination_grace_period_seconds;
    let timeout = (grace - SHUTDOWN_SPARE_S).max(0) * 1000;
    let own = [
        ("log.dirs", "/var/lib/holdfast/data".to_owned()),
        (
            "listeners",
            listed(&|l| format!("{}://0.0.0.0:{}", l.name, l.port)),
        ),
        (
            "listener.security.protocol.map",
            listed(&|l| format!("{}:PLAINTEXT", l.name)),
        ),
        ("holdfast.rpc.bind", any(RPC_PORT)),
        ("holdfast.admin.bind", any(METRICS_PORT)),
        ("holdfast.admin.api.bind", any(ADMIN_API_PORT)),
        (
            "holdfast.admin.api.certificate",
            format!("{TLS_PATH}/${{env:BROKER_ID}}.crt"),
        ),
        (
            "holdfast.admin.api.key",
            format!("{TLS_PATH}/${{env:BROKER_ID}}.key"),
        ),
        ("holdfast.admin.api.authority", format!("{TLS_PATH}/ca.crt")),
        (
            "auto.leader.rebalance.enable",
            spec.preferred_leaders.to_string(),
        ),
        ("holdfast.shutdown.timeout.ms", timeout.to_string()),
    ];
    let mut settings = labelled([("holdfast.log.format", "json".to_owned())]);
    settings.extend(cluster.static_settings.clone());
    settings.extend(labelled(own));
    properties::text(&settings)
}

/// What is one broker's own, if its addresses are known.
pub(super) fn own(
    cluster: &ValidCluster,
    broker: i32,
    services: &BTreeMap<String, ServiceView>,
) -> Option<String> {
    let zone = cluster.zone_of(broker)?;
    let name = cluster.broker(broker)?;
    let address = |listener| advertised(cluster, listener, &name, services);
    let addresses = cluster.spec.listeners.iter().map(address);
    let addresses: Option<Vec<String>> = addresses.collect();
    Some(own_text(cluster, zone, &name, &addresses?.join(",")))
}

fn own_text(
    cluster: &ValidCluster,
    zone: &ValidZone,
    broker: &BrokerName,
    advertised: &str,
) -> String {
    let mut settings = labelled([
        ("advertised.listeners", advertised.to_owned()),
        ("broker.rack", zone.name.clone()),
        (
            "holdfast.rpc.advertised",
            format!("{}:{RPC_PORT}", broker.host),
        ),
    ]);
    if cluster.parked.contains(&broker.id) {
        settings.insert("holdfast.parked".to_owned(), "true".to_owned());
    }
    properties::text(&settings)
}

/// Both files of a zone's first broker in one, for whoever judges them before any address is known.
pub(crate) fn sample(cluster: &ValidCluster, zone: &ValidZone) -> String {
    let broker = cluster.addresses().broker(&zone.name, zone.first_id);
    let address = |listener: &Listener| {
        let host = host(listener, &broker, "balancer");
        format!("{}://{host}:{}", listener.name, listener.port)
    };
    let listeners = cluster.spec.listeners.iter();
    let advertised: Vec<String> = listeners.map(address).collect();
    common(cluster) + &own_text(cluster, zone, &broker, &advertised.join(","))
}

/// How clients of a listener reach a broker, if that is known.
fn advertised(
    cluster: &ValidCluster,
    listener: &Listener,
    broker: &BrokerName,
    services: &BTreeMap<String, ServiceView>,
) -> Option<String> {
    let name = names::broker_service(&cluster.name, listener, broker.id);
    let service = services.get(&name);
    let (balancer, port) = match listener.kind {
        ListenerType::Internal => ("", listener.port),
        ListenerType::NodePort => ("", *service?.node_ports.get(&listener.port)?),
        ListenerType::LoadBalancer if listener.advertised_host.is_some() => ("", listener.port),
        ListenerType::LoadBalancer => (service?.load_balancer.as_deref()?, listener.port),
    };
    let host = host(listener, broker, balancer);
    Some(format!("{}://{host}:{port}", listener.name))
}

/// The host that clients of a listener are told.
fn host(listener: &Listener, broker: &BrokerName, balancer: &str) -> String {
    // The broker asks its pod for the node's address when it starts: it changes with the node.
    const NODE_IP: &str = "${env:NODE_IP}";
    match (listener.kind, &listener.advertised_host) {
        (ListenerType::Internal, _) => broker.host.clone(),
        (_, Some(template)) => template
            .replace("$(BROKER)", &broker.id.to_string())
            .replace("$(NODE_IP)", NODE_IP)
            .replace("$(ZONE)", &broker.zone),
        (ListenerType::NodePort, None) => NODE_IP.to_owned(),
        // An IPv6 address stands in brackets before its port.
        (ListenerType::LoadBalancer, None) if balancer.contains(':') => format!("[{balancer}]"),
        (ListenerType::LoadBalancer, None) => balancer.to_owned(),
    }
}

fn any(port: i32) -> String {
    format!("0.0.0.0:{port}")
}

fn labelled<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
