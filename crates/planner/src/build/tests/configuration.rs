//! The brokers' files, and the addresses that they wait for.

use super::*;

#[test]
fn files_hold_what_follows_from_the_resource() {
    let cluster = large();
    let (common, own) = configuration(&cluster, 2001, &node_ports()).unwrap();
    for line in [
        "listeners=INTERNAL://0.0.0.0:9092,EXTERNAL://0.0.0.0:9094",
        "log.retention.hours=24",
        "default.replication.factor=3",
        "holdfast.shutdown.timeout.ms=110000",
        "holdfast.admin.api.key=/etc/holdfast/tls/${env:BROKER_ID}.key",
    ] {
        assert!(
            common.lines().any(|found| found == line),
            "{line}: {common}"
        );
    }
    // It is changed while the brokers run.
    assert!(!common.contains("min.insync.replicas"));
    let expected = "advertised.listeners=INTERNAL://orders-b-2001.orders-brokers.shop.svc:9092,\
                    EXTERNAL://${env:NODE_IP}:31004\n\
                    broker.rack=b\n\
                    holdfast.parked=true\n\
                    holdfast.rpc.advertised=orders-b-2001.orders-brokers.shop.svc:9192\n";
    assert_eq!(own, expected);
    assert_eq!(configuration(&cluster, 1002, &node_ports()), None);
}

/// Seen on a cluster: a volume that grew restarted all brokers, because its size stood in their files.
#[test]
fn a_volume_that_grows_changes_no_file_of_a_broker() {
    let before = large();
    let mut after = large();
    for zone in &mut after.zones {
        zone.storage_bytes *= 2;
    }
    assert_eq!(
        configuration(&before, 3000, &node_ports()),
        configuration(&after, 3000, &node_ports())
    );
}

#[test]
fn the_digest_is_the_one_that_brokers_report() {
    let cluster = large();
    let (common, own) = configuration(&cluster, 1000, &node_ports()).unwrap();
    let bytes = [common.as_bytes(), &[0], own.as_bytes(), &[0]].concat();
    let expected = crate::digest::sha256_hex(&bytes);
    let digest = configuration_digest(&cluster, 1000, &node_ports());
    assert_eq!(digest, Some(expected));
    assert_ne!(digest, configuration_digest(&cluster, 1001, &node_ports()));
}

#[test]
fn while_an_address_is_missing_no_file_changes() {
    let cluster = large();
    let mut services = node_ports();
    services.remove("orders-external-1001");
    assert_eq!(
        addresses_missing(&cluster, &services),
        ["the node port of Service orders-external-1001"]
    );
    assert_eq!(configuration(&cluster, 1000, &services), None);
    let without = children(&cluster, &services);
    assert!(without.iter().all(|object| object.key.kind != "ConfigMap"));
    // The Service that the address comes from is made all the same.
    child(&without, "Service", "orders-external-1001");
    assert!(addresses_missing(&minimal(), &BTreeMap::new()).is_empty());
}

#[test]
fn load_balancers_are_waited_for_unless_a_host_is_given() {
    let cluster = |more: &Value| {
        let mut listener = json!({ "name": "LB", "port": 9095, "type": "LoadBalancer" });
        let fields = listener.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        valid(
            "orders",
            &json!({
                "replicas": 1,
                "storage": { "size": "50Gi" },
                "listeners": [{ "name": "INTERNAL", "port": 9092 }, listener],
            }),
        )
    };
    let plain = cluster(&json!({}));
    let waits = addresses_missing(&plain, &BTreeMap::new());
    assert_eq!(
        waits,
        ["the address of the load balancer of Service orders-lb-1000"]
    );
    let own = |cluster: &ValidCluster, address: Option<&str>| {
        let service = ServiceView {
            load_balancer: address.map(str::to_owned),
            ..ServiceView::default()
        };
        let services = BTreeMap::from([("orders-lb-1000".to_owned(), service)]);
        configuration(cluster, 1000, &services).unwrap().1
    };
    assert!(own(&plain, Some("203.0.113.7")).contains("LB://203.0.113.7:9095\n"));
    assert!(own(&plain, Some("2001:db8::7")).contains("LB://[2001:db8::7]:9095\n"));
    let named = cluster(&json!({ "advertisedHost": "b$(BROKER).$(ZONE).example.com" }));
    assert!(own(&named, None).contains("LB://b1000.a.example.com:9095\n"));
}

#[test]
fn a_wish_is_what_the_resource_asks_of_pods() {
    let cluster = large();
    let zone = &cluster.zones[0];
    let before = wish(&cluster, zone);
    let mut more = zone.clone();
    more.replicas += 1;
    more.storage.size = "200Gi".to_owned();
    assert_eq!(wish(&cluster, &more), before, "restarts nobody");
    let mut newer = cluster.clone();
    newer.version = "1.4.0".to_owned();
    assert_ne!(wish(&newer, zone), before);
    let mut busy = cluster.clone();
    let threads = ("num.io.threads".to_owned(), "16".to_owned());
    busy.spec.settings.extend([threads.clone()]);
    busy.static_settings.extend([threads]);
    assert_ne!(
        wish(&busy, zone),
        before,
        "a setting in a file restarts them"
    );
    let mut patient = cluster.clone();
    patient.spec.pod.termination_grace_period_seconds = 300;
    assert_ne!(wish(&patient, zone), before);
}
