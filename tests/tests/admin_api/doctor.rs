//! `holdfast doctor` names whoever writes in a way that may cost records.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::dev_cluster::Cluster;

const TOPIC: &str = "careless";

fn produce(cluster: &Cluster, acks: &str) {
    let arguments = ["produce", TOPIC, "--acks", acks];
    let mut client = cluster
        .command("admin", &[0], &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(b"one\n").unwrap();
    assert!(client.wait().unwrap().success(), "acks {acks}");
}

/// What the doctor finds of clients.
fn findings(cluster: &Cluster, certificate: &str) -> Vec<String> {
    let output = cluster
        .command(certificate, &[0, 1, 2], &["doctor"])
        .output()
        .unwrap();
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = checks.as_array().unwrap();
    let of_clients = checks
        .iter()
        .find(|check| check["name"] == "clients write and commit safely")
        .unwrap();
    let findings = of_clients["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| finding["what"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_doctor_names_clients_that_do_not_wait_for_every_replica() {
    let cluster = Cluster::start("doctor", 27_392);
    let create = ["topic", "create", TOPIC, "--partitions", "1"];
    cluster.tool("admin", &create).unwrap();
    produce(&cluster, "all");
    assert_eq!(findings(&cluster, "broker-0"), [] as [&str; 0]);
    produce(&cluster, "1");
    produce(&cluster, "0");
    let found = findings(&cluster, "admin");
    let expected =
        ["0", "1"].map(|acks| format!("topic {TOPIC} is written with acks={acks} by holdfast-cli"));
    assert_eq!(found, expected);
}
