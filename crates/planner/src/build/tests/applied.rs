//! What is a difference between what is applied and what stands there, and what is not.

use super::*;
use crate::Observed;

/// A set as the API server shows it: with its defaults, and amounts in its own way.
fn live_set() -> (Object, Value) {
    let cluster = large();
    let desired = stateful_set(&cluster, &cluster.zones[0]);
    let mut live = desired.value.clone();
    live["metadata"]["uid"] = json!("set-1");
    live["metadata"]["generation"] = json!(1);
    live["status"] = json!({ "replicas": 2 });
    let spec = &mut live["spec"];
    spec["revisionHistoryLimit"] = json!(10);
    spec["volumeClaimTemplates"][0]["status"] = json!({ "phase": "Pending" });
    spec["volumeClaimTemplates"][0]["spec"]["volumeMode"] = json!("Filesystem");
    spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = json!("102400Mi");
    let pod = &mut spec["template"]["spec"];
    pod["restartPolicy"] = json!("Always");
    pod["dnsPolicy"] = json!("ClusterFirst");
    pod["volumes"][0]["configMap"]["defaultMode"] = json!(420);
    let broker = &mut pod["containers"][0];
    broker["resources"]["requests"] = json!({ "cpu": "0.5", "memory": "4096Mi" });
    broker["startupProbe"]["successThreshold"] = json!(1);
    broker["startupProbe"]["httpGet"]["scheme"] = json!("HTTP");
    (desired, live)
}

#[test]
fn defaults_of_the_server_are_no_difference() {
    let (desired, live) = live_set();
    assert!(is_applied(&desired, &live));
    assert!(template_is_applied(&desired, &live));
    assert!(!needs_new_set(&desired, &live));
    // As an item of a list, which does not say its kind.
    let mut item = live;
    item.as_object_mut().unwrap().remove("kind");
    item.as_object_mut().unwrap().remove("apiVersion");
    assert!(is_applied(&desired, &item));
}

#[test]
fn things_that_others_add_to_named_lists_are_no_difference() {
    let (desired, mut live) = live_set();
    let pod = &mut live["spec"]["template"]["spec"];
    let sidecar = json!({ "name": "mesh", "image": "mesh:1" });
    pod["containers"].as_array_mut().unwrap().insert(0, sidecar);
    pod["volumes"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "mesh", "emptyDir": {} }));
    live["metadata"]["annotations"]["example.com/seen"] = json!("yes");
    assert!(is_applied(&desired, &live));
}

#[test]
fn edits_by_hand_are_noticed() {
    let edits: [fn(&mut Value); 8] = [
        |set| set["spec"]["replicas"] = json!(1),
        |set| set["spec"]["updateStrategy"]["type"] = json!("RollingUpdate"),
        |set| set["metadata"]["labels"]["holdfast.io/zone"] = json!("b"),
        |set| set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("other:1"),
        |set| {
            let broker = &mut set["spec"]["template"]["spec"]["containers"][0];
            broker["resources"]["requests"]["cpu"] = json!("600m");
        },
        |set| {
            let broker = &mut set["spec"]["template"]["spec"]["containers"][0];
            broker["args"]
                .as_array_mut()
                .unwrap()
                .push(json!("--verbose"));
        },
        |set| {
            let pod = set["spec"]["template"]["spec"].as_object_mut().unwrap();
            pod.remove("securityContext");
        },
        |set| {
            let pod = &mut set["spec"]["template"]["spec"];
            pod["tolerations"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "operator": "Exists" }));
        },
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        let (desired, mut live) = live_set();
        edit(&mut live);
        assert!(!is_applied(&desired, &live), "edit {index}");
    }
}

#[test]
fn a_field_that_is_no_longer_applied_is_noticed_by_the_digest() {
    let cluster = large();
    let before = stateful_set(&cluster, &cluster.zones[0]);
    let mut without = cluster;
    without.spec.pod.annotations.clear();
    let desired = stateful_set(&without, &without.zones[0]);
    assert!(template_is_applied(&desired, &before.value));
    assert!(!is_applied(&desired, &before.value));
}

#[test]
fn what_cannot_change_in_place_needs_a_new_set() {
    let (_, live) = live_set();
    let mut cluster = large();
    cluster.version = "9.9.9".to_owned();
    let renewed = stateful_set(&cluster, &cluster.zones[0]);
    assert!(!needs_new_set(&renewed, &live));
    assert!(!template_is_applied(&renewed, &live));
    cluster.zones[0].storage.size = "200Gi".to_owned();
    let grown = stateful_set(&cluster, &cluster.zones[0]);
    assert!(needs_new_set(&grown, &live));
}

#[test]
fn a_policy_that_was_widened_by_hand_is_noticed() {
    let all = children(&minimal(), &BTreeMap::new());
    let policy = child(&all, "NetworkPolicy", "orders");
    let mut live = policy.value.clone();
    assert!(is_applied(policy, &live));
    let ports = &mut live["spec"]["ingress"][0]["ports"];
    ports
        .as_array_mut()
        .unwrap()
        .push(json!({ "port": 9392, "protocol": "TCP" }));
    assert!(!is_applied(policy, &live));
}

#[test]
fn what_bears_the_name_of_a_child_and_is_none_is_told_apart() {
    let (_, mut live) = live_set();
    assert!(belongs_to("orders", &live));
    assert!(!belongs_to("orders-a", &live));
    live["metadata"]["labels"] = json!({ "holdfast.io/cluster": "orders" });
    assert!(!belongs_to("orders", &live));
    assert!(!belongs_to(
        "orders",
        &json!({ "metadata": { "name": "orders-a" } })
    ));
}

fn seen(objects: Vec<Object>) -> Observed {
    let mut observed = Observed {
        services: node_ports(),
        ..Observed::default()
    };
    for (place, mut object) in objects.into_iter().enumerate() {
        object.value["metadata"]["uid"] = json!(format!("uid-{place}"));
        observed.children.insert(object.key, object.value);
    }
    observed
}

fn names_of(unwanted: &[(ObjectKey, String)]) -> Vec<&str> {
    unwanted.iter().map(|(key, _)| key.name.as_str()).collect()
}

#[test]
fn services_of_a_listener_that_left_go_and_so_does_a_policy_switched_off() {
    let cluster = large();
    let mut observed = seen(children(&cluster, &node_ports()));
    assert_eq!(unwanted(&cluster, &observed), []);
    let mut smaller = cluster;
    smaller.spec.listeners.pop();
    smaller.spec.network_policy = false;
    let gone = unwanted(&smaller, &observed);
    assert_eq!(
        names_of(&gone),
        [
            "orders",
            "orders-external",
            "orders-external-1000",
            "orders-external-1001",
            "orders-external-2000",
            "orders-external-2001",
            "orders-external-3000",
            "orders-external-3001",
        ]
    );
    assert!(gone.iter().all(|(_, uid)| uid.starts_with("uid-")));
    // What somebody else owns is not ours to remove.
    for live in observed.children.values_mut() {
        live["metadata"]["ownerReferences"][0]["uid"] = json!("u-2");
    }
    assert_eq!(unwanted(&smaller, &observed), []);
}

#[test]
fn a_broker_that_is_still_there_keeps_its_services() {
    let cluster = large();
    let mut observed = seen(children(&cluster, &node_ports()));
    let mut smaller = cluster;
    smaller.zones[0].replicas = 1;
    assert_eq!(
        names_of(&unwanted(&smaller, &observed)),
        ["orders-external-1001"]
    );
    let set = crate::SetView {
        replicas: 2,
        ..crate::SetView::default()
    };
    observed.sets.insert("orders-a".to_owned(), set);
    assert_eq!(unwanted(&smaller, &observed), []);
}
