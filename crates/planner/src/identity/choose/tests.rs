//! The identity is chosen once, and only grows.

use serde_json::{Value, json};

use super::*;

fn resource(spec: &Value) -> MessageCluster {
    let value = json!({
        "apiVersion": "holdfast.io/v1alpha1",
        "kind": "MessageCluster",
        "metadata": { "name": "orders", "namespace": "shop", "uid": "u-1" },
        "spec": spec,
    });
    serde_json::from_value(value).expect("a case can be read")
}

fn in_zones(replicas: i32, zones: &[&str]) -> MessageCluster {
    let zones: Vec<Value> = zones.iter().map(|name| json!({ "name": name })).collect();
    resource(&json!({ "replicas": replicas, "zones": zones, "storage": { "size": "1Gi" } }))
}

fn node(zone: Option<&str>) -> NodeView {
    NodeView {
        zone: zone.map(str::to_owned),
        schedulable: true,
        ready: true,
        out_of_service: false,
    }
}

fn nodes(zones: &[Option<&str>]) -> BTreeMap<String, NodeView> {
    let zones = zones.iter().enumerate();
    zones
        .map(|(i, zone)| (format!("n{i}"), node(*zone)))
        .collect()
}

fn choose(resource: &MessageCluster, zones: &[Option<&str>]) -> Result<Identity, Finding> {
    new_identity(resource, &nodes(zones), "cid", "1.2.3")
}

fn ranges(identity: &Identity) -> Vec<(&str, i32)> {
    let zones = identity.zones.iter();
    zones.map(|z| (z.name.as_str(), z.first_id)).collect()
}

#[test]
fn zones_are_found_on_nodes_that_take_pods() {
    let mut nodes = nodes(&[Some("b"), Some("a"), Some("b"), None]);
    for (name, change) in [("c", 0), ("d", 1), ("e", 2)] {
        let mut node = node(Some(name));
        node.schedulable = change != 0;
        node.ready = change != 1;
        node.out_of_service = change == 2;
        nodes.insert(name.to_owned(), node);
    }
    let identity = new_identity(&in_zones(3, &[]), &nodes, "cid", "1.2.3").expect("an identity");
    assert_eq!(ranges(&identity), [("a", 1000), ("b", 2000)]);
    assert_eq!(
        (identity.version.as_str(), identity.formed),
        ("1.2.3", false)
    );
}

#[test]
fn nodes_without_zones_are_said_with_the_way_out() {
    let finding = choose(&in_zones(3, &[]), &[None, None]).expect_err("no zones");
    assert_eq!((finding.reason, finding.stalled), ("NoZones", true));
    for part in [
        "topology.kubernetes.io/zone",
        "kubectl label node",
        "kubernetes.io/hostname",
    ] {
        assert!(finding.message.contains(part), "{}", finding.message);
    }
}

#[test]
fn too_many_zones_or_zones_that_look_alike_are_said() {
    let names: Vec<String> = (0..17).map(|i| format!("z{i}")).collect();
    let many: Vec<_> = names.iter().map(|name| Some(name.as_str())).collect();
    let finding = choose(&in_zones(3, &[]), &many).expect_err("17 zones");
    assert_eq!(finding.reason, "TooManyZones");
    let finding = choose(&in_zones(3, &[]), &[Some("a.b"), Some("a-b")]).expect_err("alike");
    assert_eq!(finding.reason, "InvalidZones");
    assert!(
        finding.message.contains("spec.zones"),
        "{}",
        finding.message
    );
}

#[test]
fn a_resource_that_breaks_a_rule_gets_no_identity() {
    let finding = choose(&in_zones(0, &["a"]), &[]).expect_err("no brokers");
    assert_eq!(finding.reason, "InvalidSpec");
    assert!(
        finding.message.contains("spec.replicas"),
        "{}",
        finding.message
    );
}

#[test]
fn voters_are_the_lowest_brokers_over_all_zones() {
    let voters = |replicas, zones: &[&str]| {
        choose(&in_zones(replicas, zones), &[])
            .expect("an identity")
            .voters
    };
    assert_eq!(voters(1, &["a"]), [1000]);
    assert_eq!(voters(2, &["a", "b"]), [1000]);
    assert_eq!(voters(3, &["a", "b", "c"]), [1000, 2000, 3000]);
    assert_eq!(voters(3, &["a"]), [1000, 1001, 1002]);
    assert_eq!(voters(4, &["a", "b", "c"]), [1000, 2000, 3000]);
    assert_eq!(voters(6, &["a", "b", "c"]), [1000, 2000, 3000, 1001, 2001]);
    assert_eq!(voters(6, &["a", "b"]), [1000, 2000, 1001]);
    assert_eq!(voters(5, &["a"]), [1000, 1001, 1002, 1003, 1004]);
    // Three brokers use the first three of five zones.
    assert_eq!(voters(3, &["a", "b", "c", "d", "e"]), [1000, 2000, 3000]);
}

#[test]
fn the_formation_document_names_the_voters() {
    let identity = choose(&in_zones(2, &["eu.1"]), &[]).expect("an identity");
    let expected = "version = 1\ncluster_id = \"cid\"\n\n[[voters]]\nbroker = 1000\n\
                    host = \"orders-eu-1-1000.orders-brokers.shop.svc\"\nport = 9192\n\
                    zone = \"eu.1\"\n";
    assert_eq!(identity.formation.as_deref(), Some(expected));
    let formed = formed(&identity);
    assert_eq!((formed.formation.as_deref(), formed.formed), (None, true));
    assert_eq!(formed.zones, identity.zones);
}

#[test]
fn a_new_zone_gets_a_new_range_wherever_it_is_listed() {
    let identity = choose(&in_zones(3, &["b", "c"]), &[]).expect("an identity");
    assert_eq!(extended(&in_zones(3, &["c", "b"]), &identity), None);
    let wider = extended(&in_zones(3, &["a", "b", "c"]), &identity).expect("a new zone");
    assert_eq!(ranges(&wider), [("b", 1000), ("c", 2000), ("a", 3000)]);
    assert_eq!(wider.voters, identity.voters);
}

#[test]
fn a_zone_that_left_keeps_its_range() {
    let identity = choose(&in_zones(3, &["a", "b", "c"]), &[]).expect("an identity");
    assert_eq!(extended(&in_zones(3, &["a", "b"]), &identity), None);
    let other = extended(&in_zones(3, &["a", "b", "d"]), &identity).expect("a new zone");
    assert_eq!(ranges(&other)[2..], [("c", 3000), ("d", 4000)]);
    assert_eq!(extended(&in_zones(3, &["a", "b", "c"]), &other), None);
}

#[test]
fn brokers_can_read_the_cluster_id_of_the_document() {
    let written = uuid("ejoZysp5SM-bDeJajJ9YYQ").unwrap();
    assert_eq!(written, "7a3a19ca-ca79-48cf-9b0d-e25a8c9f5861");
    for wrong in ["", "ejoZysp5SM-bDeJajJ9YY", "ejoZysp5SM+bDeJajJ9YYQ"] {
        assert_eq!(uuid(wrong), None, "{wrong}");
    }
}
