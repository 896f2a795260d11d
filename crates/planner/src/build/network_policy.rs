//! Who reaches which port of the brokers.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{NAME_LABEL, OPERATOR_NAME};
use super::pod::{ADMIN_API_PORT, METRICS_PORT, RPC_PORT};
use super::{labels, object};
use crate::{Object, ValidCluster};

pub(super) fn build(cluster: &ValidCluster) -> Object {
    let clients = cluster.spec.listeners.iter().map(|l| l.port).collect();
    let own_pods = || NetworkPolicyPeer {
        pod_selector: Some(labels::select_cluster(cluster)),
        ..NetworkPolicyPeer::default()
    };
    let any_namespace = || Some(LabelSelector::default());
    let every_pod = NetworkPolicyPeer {
        namespace_selector: any_namespace(),
        ..NetworkPolicyPeer::default()
    };
    let operators = NetworkPolicyPeer {
        namespace_selector: any_namespace(),
        pod_selector: Some(labels::select([(NAME_LABEL, OPERATOR_NAME)])),
        ..NetworkPolicyPeer::default()
    };
    let rules = vec![
        rule(clients, None),
        rule(vec![RPC_PORT], Some(vec![own_pods()])),
        rule(vec![METRICS_PORT], Some(vec![every_pod])),
        rule(vec![ADMIN_API_PORT], Some(vec![own_pods(), operators])),
    ];
    object(&NetworkPolicy {
        metadata: labels::metadata(cluster, cluster.name.clone()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::select_cluster(cluster)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(rules),
            egress: None,
        }),
    })
}

/// Who may come in to these ports: `None` means everybody.
fn rule(ports: Vec<i32>, from: Option<Vec<NetworkPolicyPeer>>) -> NetworkPolicyIngressRule {
    let ports = ports.into_iter().map(|port| NetworkPolicyPort {
        port: Some(IntOrString::Int(port)),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    });
    NetworkPolicyIngressRule {
        ports: Some(ports.collect()),
        from,
    }
}
