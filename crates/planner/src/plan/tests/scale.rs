//! More brokers, and never fewer.

use holdfast_api::{PlanState, Zone};
use serde_json::json;

use super::World;
use super::world::reasons;
use crate::Act;

fn three() -> World {
    let mut world = World::with(json!({
        "replicas": 3,
        "zones": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
        "storage": {"size": "100Gi", "class": "fast"},
        "version": "1.0.0",
    }));
    world.settle();
    world.forget();
    world
}

#[test]
fn three_become_six_without_a_restart() {
    let mut world = three();
    world.edit(|spec| spec.replicas = 6);
    let last = world.settle();
    assert_eq!(world.serving(), 6);
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
    assert!(world.deleted().is_empty());
    let admitted = world
        .done
        .iter()
        .filter(|act| matches!(act, Act::Admit { .. }))
        .count();
    assert_eq!(admitted, 3);
}

#[test]
fn a_new_zone_gets_its_own_range() {
    let mut world = three();
    world.edit(|spec| {
        spec.replicas = 4;
        spec.zones.push(Zone {
            name: "d".to_owned(),
            ..Zone::default()
        });
    });
    world.settle();
    assert_eq!(world.serving(), 4);
    let broker = world
        .observed
        .pods
        .get(&4000)
        .expect("the first broker of zone d");
    assert_eq!(broker.name, "orders-d-4000");
}

#[test]
fn fewer_brokers_are_refused_and_everything_stays() {
    let mut world = World::settled();
    world.edit(|spec| spec.replicas = 3);
    let last = world.settle();
    assert_eq!(reasons(&last), ["ScaleInRefused"]);
    let message = &last.findings[0].message;
    assert!(
        message.contains("brokers 1001, 2001, 3001 would go and hold 30 replicas"),
        "{message}"
    );
    assert!(message.contains("set replicas back to 6"), "{message}");
    assert!(world.done.is_empty(), "{:?}", world.done);
    assert_eq!(last.status.serving.as_deref(), Some("6/6"));
}

#[test]
fn a_zone_that_leaves_the_resource_keeps_its_brokers() {
    let mut world = World::settled();
    world.edit(|spec| {
        spec.replicas = 4;
        spec.zones.pop();
    });
    let last = world.settle();
    assert_eq!(reasons(&last), ["ScaleInRefused"]);
    assert!(world.done.is_empty(), "{:?}", world.done);
    assert_eq!(last.status.brokers.len(), 6);
    // What does not depend on it goes on, for the brokers that are kept too.
    world.observed.certified.retain(|id| *id != 3001);
    world.setting("log.retention.ms", "1000");
    world.step();
    assert!(world.done.contains(&Act::IssueCertificates {
        brokers: vec![3001]
    }));
    assert!(
        world
            .done
            .iter()
            .any(|act| matches!(act, Act::ChangeSettings(_)))
    );
}

#[test]
fn a_set_that_is_gone_comes_back_with_all_pods_that_it_had() {
    let mut world = World::settled();
    world.observed.sets.remove("orders-a");
    world
        .observed
        .children
        .remove(&super::world::key("StatefulSet", "orders-a"));
    world.edit(|spec| spec.replicas = 3);
    world.settle();
    assert_eq!(world.observed.sets["orders-a"].replicas, 2);
    assert_eq!(world.serving(), 6);
    assert!(world.deleted().is_empty());
}
