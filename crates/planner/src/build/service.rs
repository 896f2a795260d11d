//! Services: one for the brokers' own names, one for each listener to begin at, and one for each
//! broker on a listener that is reached from outside.

use std::collections::BTreeMap;

use holdfast_api::{Listener, ListenerType};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod::{ADMIN_API_PORT, METRICS_PORT, RPC_PORT};
use super::{labels, names, object};
use crate::{BrokerName, Object, ValidCluster};

/// The label by which a Service finds one pod of a StatefulSet.
const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";

pub(super) fn build(cluster: &ValidCluster) -> Vec<Object> {
    let listeners = &cluster.spec.listeners;
    let brokers = cluster.brokers();
    let mut all = vec![headless(cluster)];
    for listener in listeners {
        all.push(bootstrap(cluster, listener));
        if listener.kind != ListenerType::Internal {
            all.extend(brokers.iter().map(|name| broker(cluster, listener, name)));
        }
    }
    all
}

/// Governs the sets. Brokers find each other by it before they are ready: that they are one cluster
/// is what makes them ready.
fn headless(cluster: &ValidCluster) -> Object {
    let listeners = cluster.spec.listeners.iter();
    let mut ports = vec![
        port("rpc", RPC_PORT),
        port("metrics", METRICS_PORT),
        port("admin-api", ADMIN_API_PORT),
    ];
    ports.extend(listeners.map(|listener| port(&port_name(listener), listener.port)));
    let spec = ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        publish_not_ready_addresses: Some(true),
        ports: Some(ports),
        selector: select_pods(cluster),
        type_: Some("ClusterIP".to_owned()),
        ..ServiceSpec::default()
    };
    service(
        cluster,
        names::brokers(&cluster.name),
        BTreeMap::new(),
        spec,
    )
}

fn bootstrap(cluster: &ValidCluster, listener: &Listener) -> Object {
    let mut port = port(&port_name(listener), listener.port);
    port.node_port = listener.node_port;
    let spec = ServiceSpec {
        ports: Some(vec![port]),
        selector: select_pods(cluster),
        type_: Some(service_type(listener).to_owned()),
        ..ServiceSpec::default()
    };
    let name = names::bootstrap(&cluster.name, &cluster.spec.listeners, listener);
    service(cluster, name, listener.annotations.clone(), spec)
}

/// Whoever connects here wants this broker and no other: to hide it until it is ready would only
/// delay its first clients.
fn broker(cluster: &ValidCluster, listener: &Listener, broker: &BrokerName) -> Object {
    let spec = ServiceSpec {
        ports: Some(vec![port(&port_name(listener), listener.port)]),
        publish_not_ready_addresses: Some(true),
        selector: Some(labels::texts([(POD_NAME_LABEL, &broker.pod)])),
        type_: Some(service_type(listener).to_owned()),
        ..ServiceSpec::default()
    };
    let name = names::broker_service(&cluster.name, listener, broker.id);
    service(cluster, name, listener.annotations.clone(), spec)
}

fn service(
    cluster: &ValidCluster,
    name: String,
    annotations: BTreeMap<String, String>,
    spec: ServiceSpec,
) -> Object {
    let mut metadata = labels::metadata(cluster, name);
    metadata.annotations = labels::unless_empty(annotations);
    object(&Service {
        metadata,
        spec: Some(spec),
        status: None,
    })
}

fn service_type(listener: &Listener) -> &'static str {
    match listener.kind {
        ListenerType::Internal => "ClusterIP",
        ListenerType::NodePort => "NodePort",
        ListenerType::LoadBalancer => "LoadBalancer",
    }
}

fn select_pods(cluster: &ValidCluster) -> Option<BTreeMap<String, String>> {
    labels::select_cluster(cluster).match_labels
}

/// A port's name has 15 characters at most, fewer than a listener's.
pub(super) fn port_name(listener: &Listener) -> String {
    format!("kafka-{}", listener.port)
}

fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(number)),
        ..ServicePort::default()
    }
}
