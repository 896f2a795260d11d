//! The restart permit: asked for with the tool, as a person does.
//!
//! Goal: one broker restarts under a permit, nobody else gets one before it is caught up, and only
//! callers with the right certificate get anything.

use crate::dev_cluster::Cluster;

const BASE_PORT: u16 = 26_092;

#[test]
fn one_broker_restarts_under_a_permit_and_nobody_else_before_it_is_caught_up() {
    let cluster = Cluster::start("permit", BASE_PORT);
    let request = |brokers: &str| cluster.request(brokers);
    let topic = ["topic", "create", "t", "--partitions", "6"];
    cluster.tool("admin", &topic).unwrap();

    let two = request("0,1").unwrap_err();
    assert!(
        two.contains("only if all are in one zone") && two.contains("voters"),
        "{two}"
    );
    let broker = cluster
        .tool("broker-1", &["permit", "request", "1"])
        .unwrap_err();
    assert!(
        broker.contains("needs a certificate of the operator"),
        "{broker}"
    );
    cluster.tool("broker-1", &["cluster", "state"]).unwrap();
    let nobody = cluster
        .tool("no-such-folder", &["cluster", "state"])
        .unwrap_err();
    assert!(nobody.contains("cannot read"), "{nobody}");

    let permit = request("1").unwrap();
    assert_eq!(permit["stage"], "granted");
    let state = cluster.tool("admin", &["cluster", "state"]).unwrap();
    assert_eq!(state["brokers"][1]["leads"], 0, "{state}");
    assert_eq!(state["brokers"][1]["in_sync"], 6, "{state}");
    let id = permit["id"].to_string();
    assert_eq!(request("1").unwrap()["id"].to_string(), id, "asked again");

    cluster.dev(&["kill", "1"]);
    let taken = request("2").unwrap_err();
    assert!(taken.contains("has the slot"), "{taken}");
    cluster.tool("admin", &["permit", "end", &id]).unwrap();
    let taken = request("2").unwrap_err();
    assert!(
        taken.contains("has the slot"),
        "given back, but not caught up: {taken}"
    );
    cluster.dev(&["revive", "1"]);
    cluster.wait_for(&["permit", "show"], |shown| shown["permit"].is_null());
    let shown = cluster.tool("admin", &["permit", "show"]).unwrap();
    assert_eq!(shown["ended"][0]["outcome"], "completed", "{shown}");
    let state = cluster.tool("admin", &["cluster", "state"]).unwrap();
    assert_eq!(state["brokers"][1]["in_sync"], 6, "{state}");
    request("2").unwrap();
}
