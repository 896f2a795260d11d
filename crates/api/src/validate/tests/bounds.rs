//! What the schema says without CEL; kube-cel does not judge it, so only the Rust is tried here.

use super::*;

fn problems(changes: &Value) -> Vec<String> {
    let base = json!({ "storage": { "size": "100Gi" } });
    let cluster = cluster_named("c", &with(&base, changes));
    let problems = validate_cluster(&cluster).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn numbers_are_within_their_range() {
    assert_eq!(problems(&json!({ "replicas": 300 })), [""; 0]);
    let message = "spec.replicas: must be 300 at most";
    assert_eq!(problems(&json!({ "replicas": 301 })), [message]);
    let message = "spec.replicas: must be 1 at least";
    assert_eq!(problems(&json!({ "replicas": 0 })), [message]);
    let zone =
        json!({ "replicas": 300, "zones": [{ "name": "a", "replicas": 101 }, { "name": "b" }] });
    let message = "spec.zones[0].replicas: must be 100 at most";
    assert_eq!(problems(&zone), [message]);
}

#[test]
fn a_zone_has_no_more_brokers_than_ids() {
    let all = i64::from(crate::IDS_PER_ZONE) - 1;
    let many = json!({ "replicas": all, "zones": [{ "name": "a" }] });
    let message = "spec.replicas: must be 300 at most";
    assert_eq!(problems(&many), [message]);
}

#[test]
fn node_ports_are_ports() {
    let outside = |port: i32| {
        json!({ "listeners": [
            { "name": "INTERNAL", "port": 9092 },
            { "name": "OUTSIDE", "port": 9094, "type": "NodePort", "nodePort": port },
        ] })
    };
    assert_eq!(problems(&outside(65_535)), [""; 0]);
    let message = "spec.listeners[1].nodePort: must be 65535 at most";
    assert_eq!(problems(&outside(65_536)), [message]);
}

#[test]
fn texts_match_their_pattern_and_length() {
    let message = "spec.version: must be the tag of an image, as 1.2.3";
    assert_eq!(problems(&json!({ "version": "a/b" })), [message]);
    let message = "spec.version: may have 128 characters at most";
    assert_eq!(problems(&json!({ "version": "1".repeat(129) })), [message]);
    let zone = json!({ "zones": [{ "name": "-" }] });
    let message = "spec.zones[0].name: must be the value of a node's label, as eu-west-1a";
    assert_eq!(problems(&zone), [message]);
}

#[test]
fn keys_of_lists_differ() {
    let twice = json!({ "brokers": [{ "id": 1000 }, { "id": 1001 }, { "id": 1000 }] });
    let message = "spec.brokers[2].id: id must differ from that of every other entry";
    assert_eq!(problems(&twice), [message]);
    let twice =
        json!({ "listeners": [{ "name": "A", "port": 9092 }, { "name": "A", "port": 9093 }] });
    let message = "spec.listeners[1].name: name must differ from that of every other entry";
    assert_eq!(problems(&twice), [message]);
    let twice = json!({ "zones": [{ "name": "a" }, { "name": "a" }] });
    let message = "spec.zones[1].name: name must differ from that of every other entry";
    assert!(problems(&twice).contains(&message.to_owned()));
}

#[test]
fn entries_of_maps_and_lists_are_counted_and_judged() {
    let many: Vec<Value> = (0..9)
        .map(|n| json!({ "name": format!("L{n}"), "port": 10_000 + n }))
        .collect();
    let message = "spec.listeners: may have 8 entries at most";
    assert_eq!(problems(&json!({ "listeners": many })), [message]);
    let message = "spec.settings[retention.ms]: may have 4096 characters at most";
    let long = json!({ "settings": { "retention.ms": "1".repeat(4097) } });
    assert_eq!(problems(&long), [message]);
    let message = "spec.resources.limits[memory]: must be a quantity that is not negative, as 500m \
                   or 4Gi";
    let negative = json!({ "resources": { "limits": { "cpu": "500m", "memory": "-1Gi" } } });
    assert_eq!(problems(&negative), [message]);
}

#[test]
fn topics_have_bounds_too() {
    let topic = topic_named(
        "t",
        &json!({ "cluster": "c", "partitions": 0, "topicName": "a/b" }),
    );
    let problems = validate_topic(&topic).unwrap_err();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "spec.partitions: must be 1 at least",
            "spec.topicName: must be made of letters, digits, dots, underscores and hyphens",
        ]
    );
}
