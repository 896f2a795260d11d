//! What is refused, and what a valid cluster knows.

use holdfast_api::MessageCluster;
use serde_json::{Value, json};

use super::*;
use crate::{NodeView, extended, new_identity};

fn resource(spec: &Value) -> MessageCluster {
    let value = json!({
        "apiVersion": "holdfast.io/v1alpha1",
        "kind": "MessageCluster",
        "metadata": { "name": "orders", "namespace": "shop", "uid": "u-1" },
        "spec": spec,
    });
    serde_json::from_value(value).expect("a case can be read")
}

fn spec(replicas: i32, zones: &[&str], more: &Value) -> MessageCluster {
    let zones: Vec<Value> = zones.iter().map(|name| json!({ "name": name })).collect();
    let mut spec = json!({ "replicas": replicas, "zones": zones, "storage": { "size": "1Gi" } });
    let fields = spec.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    resource(&spec)
}

fn identity(resource: &MessageCluster) -> Identity {
    new_identity(resource, &BTreeMap::<String, NodeView>::new(), "id", "1.0").expect("an identity")
}

fn judge(resource: &MessageCluster, identity: &Identity) -> Result<ValidCluster, Vec<Finding>> {
    ValidCluster::new(resource, identity, &|_| Ok(()))
}

fn refusal(more: &Value) -> String {
    let identity = identity(&spec(3, &["a"], &json!({})));
    let findings = judge(&spec(3, &["a"], more), &identity).expect_err("refused");
    assert!(
        findings
            .iter()
            .all(|f| f.reason == "InvalidSpec" && f.stalled)
    );
    let messages: Vec<String> = findings.into_iter().map(|f| f.message).collect();
    messages.join("\n")
}

fn sizes(cluster: &ValidCluster) -> Vec<(&str, i32)> {
    let zones = cluster.zones.iter();
    zones.map(|z| (z.name.as_str(), z.replicas)).collect()
}

#[test]
fn settings_that_the_operator_owns_name_the_field_to_use() {
    for (key, field) in [
        ("listeners", "spec.listeners"),
        ("advertised.listeners", "spec.listeners"),
        ("log.dirs", "spec.storage"),
        ("node.id", "status.zones"),
        ("broker.rack", "spec.zones"),
        ("holdfast.parked", "spec.brokers"),
        ("holdfast.rpc.bind", "are fixed"),
        ("holdfast.admin.api.bind", "are fixed"),
        (
            "holdfast.shutdown.timeout.ms",
            "spec.pod.terminationGracePeriodSeconds",
        ),
        ("auto.leader.rebalance.enable", "spec.preferredLeaders"),
    ] {
        let said = refusal(&json!({ "settings": { key: "1" } }));
        assert!(said.contains(&format!("spec.settings[{key}]")), "{said}");
        assert!(said.contains(field), "{said}");
    }
}

#[test]
fn values_are_judged_before_a_broker_meets_them() {
    let said = refusal(&json!({ "settings": { "log.retention.ms": "soon" } }));
    assert!(said.contains("spec.settings[log.retention.ms]"), "{said}");
    let said = refusal(&json!({ "settings": { "holdfast.log.filter": "${env:HOME}" } }));
    assert!(said.contains("no variable HOME"), "{said}");
    let resource = spec(
        3,
        &["a"],
        &json!({ "settings": { "num.io.threads": "none" } }),
    );
    let findings = ValidCluster::new(&resource, &identity(&resource), &|text| {
        assert!(text.contains("num.io.threads=none\n"), "{text}");
        assert!(text.contains("advertised.listeners="), "{text}");
        Err("\"none\" is not a number".to_owned())
    });
    let message = &findings.expect_err("refused")[0].message;
    assert!(message.contains("\"none\" is not a number"), "{message}");
}

#[test]
fn rules_of_the_resource_hold_here_too() {
    let said = refusal(&json!({ "storage": { "size": "1Mi" } }));
    assert!(said.contains("spec.storage.size"), "{said}");
}

#[test]
fn two_services_cannot_have_one_name() {
    let external = |name: &str| json!({ "name": name, "port": 9095, "type": "NodePort" });
    let internal = json!({ "name": "INTERNAL", "port": 9092 });
    let third = json!({ "name": "EXT", "port": 9096, "type": "NodePort" });
    for name in ["BROKERS", "BOOTSTRAP", "EXT_", "EXT_1000"] {
        let listeners = json!([internal, third, external(name)]);
        let said = refusal(&json!({ "listeners": listeners }));
        assert!(said.contains("choose another name"), "{name}: {said}");
    }
    let identity = identity(&spec(3, &["a"], &json!({})));
    let listeners = json!({ "listeners": [internal, third, external("EXT_2")] });
    let said = judge(&spec(3, &["a"], &listeners), &identity).expect_err("looks like a broker's");
    assert!(said[0].message.contains("orders-ext-2"), "{said:?}");
    let listeners = json!({ "listeners": [internal, third, external("OTHER_B2")] });
    judge(&spec(3, &["a"], &listeners), &identity).expect("names that differ");
}

#[test]
fn brokers_are_named_after_their_zones_and_ids() {
    let resource = spec(3, &["eu_1.B", "c"], &json!({}));
    let cluster = judge(&resource, &identity(&resource)).expect("valid");
    let ids: Vec<i32> = cluster.brokers().iter().map(|broker| broker.id).collect();
    assert_eq!(ids, [1000, 1001, 2000]);
    let broker = cluster.broker(1001).expect("a broker");
    assert_eq!(broker.pod, "orders-eu-1-b-1001");
    assert_eq!(broker.set, "orders-eu-1-b");
    assert_eq!(broker.claim, "data-orders-eu-1-b-1001");
    assert_eq!(broker.host, "orders-eu-1-b-1001.orders-brokers.shop.svc");
    assert_eq!(cluster.broker(1002), None);
    assert_eq!(cluster.version, "1.0");
}

#[test]
fn zones_keep_their_share_in_whatever_order_the_resource_lists_them() {
    let first = spec(5, &["a", "b", "c"], &json!({}));
    let identity = identity(&first);
    let expected = [("a", 2), ("b", 2), ("c", 1)];
    assert_eq!(sizes(&judge(&first, &identity).expect("valid")), expected);
    let turned = spec(5, &["c", "b", "a"], &json!({}));
    assert_eq!(sizes(&judge(&turned, &identity).expect("valid")), expected);
    let named =
        json!({ "zones": [{ "name": "c", "replicas": 4 }, { "name": "a" }, { "name": "b" }] });
    let cluster = judge(&spec(6, &[], &named), &identity).expect("valid");
    assert_eq!(sizes(&cluster), [("a", 1), ("b", 1), ("c", 4)]);
}

#[test]
fn a_zone_without_a_range_has_its_share_and_waits() {
    let identity = identity(&spec(4, &["a", "b"], &json!({})));
    let wider = spec(4, &["c", "a", "b"], &json!({}));
    let cluster = judge(&wider, &identity).expect("valid");
    assert_eq!(sizes(&cluster), [("a", 2), ("b", 1)]);
    let identity = extended(&wider, &identity).expect("a new zone");
    let cluster = judge(&wider, &identity).expect("valid");
    assert_eq!(sizes(&cluster), [("a", 2), ("b", 1), ("c", 1)]);
}

#[test]
fn sets_keep_their_size_while_they_are_there() {
    let first = spec(4, &["a", "b", "c"], &json!({}));
    let identity = identity(&first);
    let cluster = judge(&spec(2, &["a"], &json!({})), &identity).expect("valid");
    assert_eq!(sizes(&cluster), [("a", 2), ("b", 0), ("c", 0)]);
    let set = |replicas| SetView {
        replicas,
        ..SetView::default()
    };
    let sets = [("orders-a", set(1)), ("orders-b", set(1))];
    let sets = sets.map(|(name, set)| (name.to_owned(), set)).into();
    assert_eq!(cluster.dynamic_settings["min.insync.replicas"], "1");
    let kept = cluster.keeping(&sets);
    assert_eq!(sizes(&kept), [("a", 2), ("b", 1)]);
    assert_eq!(kept.dynamic_settings["min.insync.replicas"], "2");
}

#[test]
fn what_running_brokers_can_change_is_not_in_their_files() {
    let settings = json!({ "settings": { "log.retention.ms": "5", "num.io.threads": "4" } });
    let resource = spec(3, &["a"], &settings);
    let cluster = judge(&resource, &identity(&resource)).expect("valid");
    let pairs = |map: &BTreeMap<String, String>| {
        let pairs = map.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>()
    };
    let dynamic = pairs(&cluster.dynamic_settings);
    assert_eq!(dynamic, ["log.retention.ms=5", "min.insync.replicas=2"]);
    let in_files = pairs(&cluster.static_settings);
    assert_eq!(
        in_files,
        ["default.replication.factor=3", "num.io.threads=4"]
    );
}

#[test]
fn parked_brokers_are_known() {
    let brokers = json!({ "brokers": [{ "id": 1001, "mode": "Parked" }, { "id": 1000 }] });
    let resource = spec(3, &["a"], &brokers);
    let cluster = judge(&resource, &identity(&resource)).expect("valid");
    assert_eq!(cluster.parked, BTreeSet::from([1001]));
}
