use super::*;

fn check(old: &Value, changes: &Value, broken: &[rules::Law]) {
    let new = cluster_named("c", &with(old, changes));
    let old = cluster_named("c", old);
    let expected = sentences(broken);
    let what = format!(
        "{changes} over {}",
        serde_json::to_value(&old.spec).unwrap()
    );
    assert_eq!(by_cel(&new, Some(&old)), expected, "CEL: {what}");
    let judged = [
        validate_cluster(&new),
        validate_cluster_update(&old.spec, &new.spec),
    ];
    assert_eq!(by_rust(judged), expected, "Rust: {what}");
}

fn plain() -> Value {
    json!({ "storage": { "size": "100Gi", "class": "fast" } })
}

/// `plain` with one zone, whose storage is its own if it is given.
fn zoned(storage: &Value) -> Value {
    with(&plain(), &zones(storage))
}

fn zones(storage: &Value) -> Value {
    json!({ "zones": [with(&json!({ "name": "a" }), &json!({ "storage": storage }))] })
}

#[test]
fn what_may_change_changes() {
    for changes in [
        json!({}),
        json!({ "replicas": 6 }),
        json!({ "version": "1.2.3", "settings": { "retention.ms": "1" } }),
        json!({ "storage": { "size": "1Ti", "class": "fast", "accessMode": "ReadWriteOncePod" } }),
        json!({ "storage": { "size": "102400Mi", "class": "fast" } }),
        json!({ "zones": [{ "name": "a" }, { "name": "b" }] }),
        json!({ "brokers": [{ "id": 1000, "mode": "Parked" }] }),
    ] {
        check(&plain(), &changes, &[]);
    }
}

#[test]
fn a_listener_may_go() {
    let two = json!({ "listeners": [
        { "name": "INTERNAL", "port": 9092 },
        { "name": "OUTSIDE", "port": 9094, "type": "LoadBalancer" },
    ] });
    check(&with(&plain(), &two), &json!({ "listeners": null }), &[]);
}

#[test]
fn disks_do_not_shrink() {
    for size in ["99Gi", "100G", "64Mi"] {
        let changes = json!({ "storage": { "size": size, "class": "fast" } });
        check(&plain(), &changes, &[rules::STORAGE_SHRINKS]);
        let own = json!({ "size": "100Gi" });
        check(
            &zoned(&own),
            &zones(&json!({ "size": size })),
            &[rules::STORAGE_SHRINKS],
        );
    }
}

#[test]
fn disks_keep_their_class() {
    let sized = |class: &Value| with(&json!({ "size": "100Gi" }), &json!({ "class": class }));
    let unset = || sized(&Value::Null);
    let law = [rules::STORAGE_CLASS_FIXED];
    for (before, after) in [
        (sized(&json!("fast")), sized(&json!("slow"))),
        (sized(&json!("fast")), unset()),
        (unset(), sized(&json!("fast"))),
    ] {
        check(
            &json!({ "storage": before }),
            &json!({ "storage": after }),
            &law,
        );
        check(&zoned(&before), &zones(&after), &law);
        check(&zoned(&before), &zones(&before), &[]);
    }
}

#[test]
fn a_zone_that_gets_or_loses_its_own_storage_keeps_size_and_class() {
    let own = |size: &str, class: &str| json!({ "size": size, "class": class });
    let shrinks = [rules::ZONE_STORAGE_SHRINKS];
    let class = [rules::ZONE_STORAGE_CLASS_FIXED];
    for before in [plain(), zoned(&Value::Null)] {
        check(&before, &zones(&own("100Gi", "fast")), &[]);
        check(&before, &zones(&own("200Gi", "fast")), &[]);
        check(&before, &zones(&own("50Gi", "fast")), &shrinks);
        check(&before, &zones(&own("100Gi", "slow")), &class);
        check(&before, &zones(&json!({ "size": "100Gi" })), &class);
    }
    for after in [zones(&Value::Null), json!({ "zones": null })] {
        check(&zoned(&own("100Gi", "fast")), &after, &[]);
        check(&zoned(&own("50Gi", "fast")), &after, &[]);
        check(&zoned(&own("200Gi", "fast")), &after, &shrinks);
        check(&zoned(&own("100Gi", "slow")), &after, &class);
        check(&zoned(&json!({ "size": "100Gi" })), &after, &class);
    }
    let grown = with(
        &zones(&Value::Null),
        &json!({ "storage": { "size": "200Gi", "class": "fast" } }),
    );
    check(&zoned(&own("200Gi", "fast")), &grown, &[]);
}

#[test]
fn a_zone_that_was_not_there_has_any_storage() {
    let new = json!({ "zones": [
        { "name": "a" },
        { "name": "b", "storage": { "size": "64Mi", "class": "slow" } },
    ] });
    check(&zoned(&Value::Null), &new, &[]);
    let left = json!({ "zones": [{ "name": "b" }] });
    check(&zoned(&json!({ "size": "200Gi" })), &left, &[]);
}

#[test]
fn the_topology_key_stays() {
    let other = json!({ "topologyKey": "rack" });
    check(&plain(), &other, &[rules::TOPOLOGY_KEY_FIXED]);
    check(&with(&plain(), &other), &other, &[]);
    let unsaid = json!({ "topologyKey": null });
    check(
        &with(&plain(), &other),
        &unsaid,
        &[rules::TOPOLOGY_KEY_FIXED],
    );
}
