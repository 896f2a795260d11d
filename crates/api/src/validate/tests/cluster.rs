use super::*;

fn check(name: &str, changes: &Value, broken: &[rules::Law]) {
    let base = json!({ "storage": { "size": "100Gi" } });
    let cluster = cluster_named(name, &with(&base, changes));
    let expected = sentences(broken);
    assert_eq!(by_cel(&cluster, None), expected, "CEL: {name} {changes}");
    let found = by_rust([validate_cluster(&cluster), Ok(())]);
    assert_eq!(found, expected, "Rust: {name} {changes}");
}

#[test]
fn the_smallest_cluster_is_valid() {
    check("orders", &json!({}), &[]);
}

#[test]
fn names_of_clusters_are_short_labels() {
    let none = json!({});
    check("c", &none, &[]);
    check("orders-2", &none, &[]);
    check(&"a".repeat(32), &none, &[]);
    check(&"a".repeat(33), &none, &[rules::CLUSTER_NAME_LENGTH]);
    for name in ["2orders", "or.ders", "orders-", "-orders"] {
        check(name, &none, &[rules::CLUSTER_NAME_LABEL]);
    }
}

#[test]
fn names_of_clusters_and_zones_fit_into_a_pods_labels() {
    let zones = |length: usize| json!({ "zones": [{ "name": "z".repeat(length) }] });
    check(&"a".repeat(32), &zones(19), &[]);
    check(&"a".repeat(32), &zones(20), &[rules::ZONE_NAME_LENGTH]);
    check("a", &zones(50), &[]);
    check("a", &zones(51), &[rules::ZONE_NAME_LENGTH]);
}

#[test]
fn zones_stay_distinct_as_labels() {
    let zones = |a: &str, b: &str| json!({ "zones": [{ "name": a }, { "name": b }] });
    check("c", &zones("a", "b"), &[]);
    check("c", &zones("a.b", "ab"), &[]);
    check("c", &zones("a", "A"), &[rules::ZONE_LABELS]);
    check("c", &zones("a_b", "a-b"), &[rules::ZONE_LABELS]);
    check("c", &zones("a.b", "A_B"), &[rules::ZONE_LABELS]);
}

#[test]
fn zones_found_on_nodes_are_judged_alike() {
    assert_eq!(validate_zones("c", &["a", "b"]), Ok(()));
    let problems = validate_zones("c", &["a", "A"]).unwrap_err();
    assert_eq!(problems[0].field, "spec.zones[1].name");
    assert_eq!(problems[0].message, rules::ZONE_LABELS.says);
    let long = "z".repeat(51);
    let problems = validate_zones("c", &[&long]).unwrap_err();
    assert_eq!(problems[0].message, rules::ZONE_NAME_LENGTH.says);
}

#[test]
fn replicas_of_zones_add_up() {
    let sized = |replicas: i32, zones: &Value| json!({ "replicas": replicas, "zones": zones });
    let fixed = json!([{ "name": "a", "replicas": 2 }, { "name": "b", "replicas": 1 }]);
    let open = json!([{ "name": "a", "replicas": 2 }, { "name": "b" }]);
    check("c", &sized(3, &fixed), &[]);
    check("c", &sized(4, &fixed), &[rules::ZONES_ADD_UP]);
    check(
        "c",
        &sized(2, &fixed),
        &[rules::ZONES_ADD_UP, rules::ZONES_WITHIN],
    );
    check("c", &sized(9, &open), &[]);
    check("c", &sized(2, &open), &[]);
    check("c", &sized(1, &open), &[rules::ZONES_WITHIN]);
}

#[test]
fn disks_have_a_least_size() {
    let size = |size: &str| json!({ "storage": { "size": size } });
    for good in ["64Mi", "100Gi", "1.5T", "67108864"] {
        check("c", &size(good), &[]);
    }
    for small in ["63Mi", "64M", "1", "0"] {
        check("c", &size(small), &[rules::STORAGE_SIZE]);
    }
    let zone = json!({ "zones": [{ "name": "a", "storage": { "size": "1Mi" } }] });
    check("c", &zone, &[rules::STORAGE_SIZE]);
}

fn listeners(more: &[Value]) -> Value {
    let internal = json!({ "name": "INTERNAL", "port": 9092 });
    let all = [&[internal], more].concat();
    json!({ "listeners": all })
}

#[test]
fn listeners_have_ports_of_their_own() {
    let other = |port: i32| listeners(&[json!({ "name": "OTHER", "port": port })]);
    check("c", &other(9093), &[]);
    check("c", &other(9092), &[rules::PORTS_DIFFER]);
    for taken in [9192, 9292, 9392] {
        check("c", &other(taken), &[rules::PORT_IS_FREE]);
    }
    let outside = |name: &str, port: i32, node_port: i32| json!({ "name": name, "port": port, "type": "NodePort", "nodePort": node_port });
    let two = |a: i32, b: i32| listeners(&[outside("A", 9093, a), outside("B", 9094, b)]);
    check("c", &two(30001, 30002), &[]);
    check("c", &two(30001, 30001), &[rules::NODE_PORTS_DIFFER]);
}

#[test]
fn one_listener_is_internal() {
    let one = |kind: &str| json!({ "listeners": [{ "name": "A", "port": 9092, "type": kind }] });
    check("c", &one("Internal"), &[]);
    check("c", &one("NodePort"), &[rules::ONE_IS_INTERNAL]);
    check("c", &one("LoadBalancer"), &[rules::ONE_IS_INTERNAL]);
}

#[test]
fn fields_of_listeners_belong_to_their_type() {
    let host = |kind: &str| {
        listeners(&[json!({ "name": "A", "port": 9093, "type": kind, "advertisedHost": "h" })])
    };
    check("c", &host("NodePort"), &[]);
    check("c", &host("LoadBalancer"), &[]);
    check("c", &host("Internal"), &[rules::INTERNAL_HAS_NO_HOST]);
    let port = |kind: &str| {
        listeners(&[json!({ "name": "A", "port": 9093, "type": kind, "nodePort": 30001 })])
    };
    check("c", &port("NodePort"), &[]);
    check("c", &port("LoadBalancer"), &[rules::NODE_PORT_HAS_TYPE]);
    check("c", &port("Internal"), &[rules::NODE_PORT_HAS_TYPE]);
}

#[test]
fn settings_ask_for_no_more_replicas_than_there_are() {
    let min = |value: &str| json!({ "settings": { "min.insync.replicas": value } });
    let factor = |value: &str| json!({ "settings": { "default.replication.factor": value } });
    for good in ["1", "3"] {
        check("c", &min(good), &[]);
        check("c", &factor(good), &[]);
    }
    for bad in ["0", "4", "-1", "+1", "02", "two", "", "9999999999"] {
        check("c", &min(bad), &[rules::CLUSTER_MIN_INSYNC]);
        check("c", &factor(bad), &[rules::CLUSTER_REPLICATION]);
    }
    check("c", &json!({ "settings": { "retention.ms": "1" } }), &[]);
}
