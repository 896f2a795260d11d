use super::*;

fn check(name: &str, changes: &Value, broken: &[rules::Law]) {
    let topic = topic_named(name, &with(&json!({ "cluster": "c" }), changes));
    let expected = sentences(broken);
    assert_eq!(by_cel(&topic, None), expected, "CEL: {name} {changes}");
    let found = by_rust([validate_topic(&topic), Ok(())]);
    assert_eq!(found, expected, "Rust: {name} {changes}");
}

fn check_change(old: &Value, changes: &Value, broken: &[rules::Law]) {
    let new = topic_named("t", &with(old, changes));
    let old = topic_named("t", old);
    let expected = sentences(broken);
    assert_eq!(by_cel(&new, Some(&old)), expected, "CEL: {changes}");
    let judged = [
        validate_topic(&new),
        validate_topic_update(&old.spec, &new.spec),
    ];
    assert_eq!(by_rust(judged), expected, "Rust: {changes}");
}

#[test]
fn the_smallest_topic_is_valid() {
    check("orders", &json!({}), &[]);
}

#[test]
fn names_of_topics_are_names_in_kafka() {
    let named = |name: &str| json!({ "topicName": name });
    for good in ["Orders", "a.b_c-D", "_private", "..."] {
        check("t", &named(good), &[]);
    }
    for bad in [".", "..", "__consumer_offsets", "__"] {
        check("t", &named(bad), &[rules::TOPIC_NAME_FREE]);
    }
    let long = "a".repeat(250);
    check(&long, &json!({}), &[rules::TOPIC_NAME_LENGTH]);
    check(&long, &named("short"), &[]);
    check(&long[1..], &json!({}), &[]);
}

#[test]
fn min_insync_replicas_is_within_replicas() {
    let min = |value: &str| json!({ "settings": { "min.insync.replicas": value } });
    check("t", &min("1"), &[]);
    check("t", &min("3"), &[]);
    for bad in ["0", "4", "x", ""] {
        check("t", &min(bad), &[rules::TOPIC_MIN_INSYNC]);
    }
}

#[test]
fn what_a_topic_is_cannot_change() {
    let old = json!({ "cluster": "c", "topicName": "a", "partitions": 3 });
    check_change(&old, &json!({}), &[]);
    check_change(&old, &json!({ "settings": { "retention.ms": "1" } }), &[]);
    check_change(&old, &json!({ "deletionPolicy": "Delete" }), &[]);
    check_change(&old, &json!({ "partitions": 4 }), &[]);
    let fewer = json!({ "partitions": 2 });
    check_change(&old, &fewer, &[rules::PARTITIONS_SHRINK]);
    let unsaid = json!({ "partitions": null });
    check_change(&old, &unsaid, &[rules::PARTITIONS_SHRINK]);
    for replicas in [2, 4] {
        let moved = json!({ "replicas": replicas });
        check_change(&old, &moved, &[rules::TOPIC_REPLICAS_FIXED]);
    }
    for name in [json!("b"), Value::Null] {
        let renamed = json!({ "topicName": name });
        check_change(&old, &renamed, &[rules::TOPIC_NAME_FIXED]);
    }
    let named = json!({ "topicName": "t" });
    check_change(
        &json!({ "cluster": "c" }),
        &named,
        &[rules::TOPIC_NAME_FIXED],
    );
    let elsewhere = json!({ "cluster": "d" });
    check_change(&old, &elsewhere, &[rules::TOPIC_CLUSTER_FIXED]);
}
