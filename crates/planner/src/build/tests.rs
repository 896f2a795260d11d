//! Children as they are written, and compared with what stands there.

mod applied;
mod configuration;
mod golden;

use std::collections::BTreeMap;

use holdfast_api::MessageCluster;
use serde_json::{Value, json};

use super::*;
use crate::{Identity, NodeView, new_identity};

const CLUSTER_ID: &str = "q1Jb3ZTyQ0yR5m0vHk3fWA";

fn resource(name: &str, spec: &Value) -> MessageCluster {
    let value = json!({
        "apiVersion": "holdfast.io/v1alpha1",
        "kind": "MessageCluster",
        "metadata": { "name": name, "namespace": "shop", "uid": "u-1", "generation": 3 },
        "spec": spec,
    });
    serde_json::from_value(value).expect("a case can be read")
}

fn nodes() -> BTreeMap<String, NodeView> {
    let node = |zone: &str| NodeView {
        zone: Some(zone.to_owned()),
        schedulable: true,
        ready: true,
        out_of_service: false,
    };
    ["a", "b", "c"]
        .map(|zone| (format!("node-{zone}"), node(zone)))
        .into()
}

fn identity_of(resource: &MessageCluster) -> Identity {
    new_identity(resource, &nodes(), CLUSTER_ID, "1.2.3").expect("an identity")
}

fn valid(name: &str, spec: &Value) -> ValidCluster {
    let resource = resource(name, spec);
    ValidCluster::new(&resource, &identity_of(&resource), &|_| Ok(())).expect("a valid cluster")
}

/// What a small test needs, and no more.
fn minimal() -> ValidCluster {
    valid(
        "orders",
        &json!({ "replicas": 1, "storage": { "size": "1Gi" }, "zones": [{ "name": "a" }] }),
    )
}

/// Six brokers in three zones, reached from outside by ports of their nodes.
fn large() -> ValidCluster {
    valid(
        "orders",
        &json!({
            "replicas": 6,
            "storage": { "size": "100Gi", "class": "fast" },
            "zones": [
                { "name": "a" },
                { "name": "b", "nodeSelector": { "disk": "nvme" } },
                { "name": "C.1", "storage": { "size": "4Gi" } },
            ],
            "resources": {
                "requests": { "cpu": "500m", "memory": "4Gi" },
                "limits": { "memory": "4Gi" },
            },
            "version": "1.3.0",
            "image": { "registry": "registry.example.com", "pullSecrets": ["registry"] },
            "listeners": [
                { "name": "INTERNAL", "port": 9092 },
                { "name": "EXTERNAL", "port": 9094, "type": "NodePort", "nodePort": 31000,
                  "annotations": { "example.com/dns": "kafka" } },
            ],
            "settings": { "log.retention.hours": "24", "min.insync.replicas": "1" },
            "pod": {
                "labels": { "team": "shop", "holdfast.io/cluster": "another" },
                "annotations": { "example.com/scrape": "yes" },
                "nodeSelector": { "disk": "ssd" },
                "tolerations": [{ "key": "dedicated", "operator": "Exists", "effect": "NoSchedule" }],
            },
            "brokers": [{ "id": 2001, "mode": "Parked" }],
        }),
    )
}

/// Kubernetes gave every broker of [`large`] a port of its node.
fn node_ports() -> BTreeMap<String, ServiceView> {
    (0..)
        .zip(large().brokers())
        .map(|(place, broker)| {
            let service = ServiceView {
                uid: format!("s-{place}"),
                node_ports: BTreeMap::from([(9094, 31001 + place)]),
                load_balancer: None,
            };
            (format!("orders-external-{}", broker.id), service)
        })
        .collect()
}

fn child<'a>(objects: &'a [Object], kind: &str, name: &str) -> &'a Object {
    let is_it = |object: &&Object| object.key.kind == kind && object.key.name == name;
    objects.iter().find(is_it).expect("such a child")
}

#[test]
fn a_toleration_of_nodes_that_do_not_answer_is_the_resources_if_it_names_one() {
    let of = |named: Value| -> Vec<Value> {
        let cluster = valid(
            "orders",
            &json!({
                "replicas": 3, "zones": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
                "storage": {"size": "10Gi"}, "pod": {"tolerations": named},
            }),
        );
        let set = stateful_set(&cluster, &cluster.zones[0]).value;
        let tolerations = &set["spec"]["template"]["spec"]["tolerations"];
        tolerations.as_array().expect("tolerations").clone()
    };
    let unreachable = "node.kubernetes.io/unreachable";
    let without_end = json!({"key": unreachable, "operator": "Exists", "effect": "NoExecute"});
    let other = json!({"key": "dedicated", "operator": "Exists"});
    assert_eq!(Value::from(of(json!([]))), json!([without_end]));
    assert_eq!(of(json!([other])), [other, without_end]);
    let named = json!({
        "key": unreachable, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60,
    });
    assert_eq!(of(json!([named])), [named]);
    let all = json!({"operator": "Exists"});
    assert_eq!(of(json!([all])), [all]);
}
