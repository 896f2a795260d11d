//! What goes on beside everything else.

use holdfast_api::{OperatorChanges, PlanState};
use serde_json::json;

use super::World;
use super::world::{key, kinds, reasons};
use crate::{Act, StepKind};

#[test]
fn a_set_that_was_edited_by_hand_is_applied_again_and_restarts_nothing() {
    let mut world = World::settled();
    world.edit_set("orders-b", |set| {
        set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mine:latest");
    });
    let decision = world.decide();
    assert_eq!(kinds(&decision), [StepKind::UpdateTemplate]);
    let last = world.settle();
    assert!(last.acts.is_empty());
    assert!(world.deleted().is_empty());
    let set = &world.observed.children[&key("StatefulSet", "orders-b")];
    let image = set["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
    assert!(
        image.is_some_and(|image| image.ends_with(":1.0.0")),
        "{image:?}"
    );
}

#[test]
fn a_set_that_was_edited_by_hand_while_it_grows_is_no_change_of_the_operators() {
    let mut world = World::settled();
    world.edit_set("orders-b", |set| {
        set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mine:latest");
    });
    world.edit(|spec| spec.replicas = 9);
    let last = world.settle();
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
    assert_eq!(world.serving(), 9);
    assert!(world.deleted().is_empty(), "{:?}", world.deleted());
    let set = &world.observed.children[&key("StatefulSet", "orders-b")];
    let image = set["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
    assert!(image.is_some_and(|image| image.ends_with(":1.0.0")));
}

/// Found by the simulator: sets with the owner that was deleted waited for an approval, until Kubernetes
/// collected them and their pods without a permit.
#[test]
fn a_resource_made_again_takes_its_predecessors_children_over_at_once() {
    let mut world = World::settled();
    world.resource.metadata.uid = Some("another".to_owned());
    world.edit(|spec| spec.approval = holdfast_api::Approval::Manual);
    let last = world.settle();
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
    for name in ["orders-a", "orders-b", "orders-c"] {
        let set = &world.observed.children[&key("StatefulSet", name)];
        assert_eq!(set["metadata"]["ownerReferences"][0]["uid"], "another");
    }
    assert!(world.deleted().is_empty());
}

#[test]
fn a_set_that_was_scaled_by_hand_gets_its_pods_back() {
    let mut world = World::settled();
    world.edit_set("orders-b", |set| set["spec"]["replicas"] = json!(1));
    world.stopped(2001);
    world.settle();
    assert_eq!(world.serving(), 6);
}

#[test]
fn what_belongs_to_somebody_else_is_left_alone() {
    let mut world = World::new();
    let name = key("Service", "orders-bootstrap");
    world.observed.children.insert(
        name.clone(),
        json!({"metadata": {"name": "orders-bootstrap"}}),
    );
    let last = world.settle();
    assert_eq!(reasons(&last), ["NameTaken"]);
    assert_eq!(world.serving(), 6);
    assert!(world.observed.children[&name]["spec"].is_null());
}

#[test]
fn a_set_that_differs_in_what_is_fixed_is_made_again_without_a_restart() {
    let mut world = World::settled();
    for name in ["orders-a", "orders-b", "orders-c"] {
        world.edit_set(name, |set| {
            set["spec"]["serviceName"] = json!("older");
            set["metadata"]["annotations"]["holdfast.io/digest"] = json!("of an older one");
        });
    }
    assert!(
        world.decide().acts.is_empty(),
        "only the operator's version changed"
    );
    world.edit(|spec| spec.upgrade.operator_changes = OperatorChanges::Auto);
    let last = world.settle();
    assert!(world.deleted().is_empty(), "{:?}", world.deleted());
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
    let set = &world.observed.children[&key("StatefulSet", "orders-a")];
    assert_eq!(set["spec"]["serviceName"], "orders-brokers");
}

#[test]
fn a_listener_that_goes_takes_its_services_along_once_no_broker_names_it() {
    let mut world = World::settled();
    world.edit(|spec| {
        let listener = json!({"name": "EXTERNAL", "port": 9094, "type": "LoadBalancer"});
        spec.listeners
            .push(serde_json::from_value(listener).expect("a listener"));
    });
    world.settle();
    let service = key("Service", "orders-external-1000");
    assert!(world.observed.children.contains_key(&service));
    for (child, value) in &mut world.observed.children {
        value["metadata"]["uid"] = json!(format!("uid of {}", child.name));
    }
    world.forget();
    world.edit(|spec| {
        spec.listeners.pop();
    });
    let last = world.settle();
    assert_eq!(world.permits.len(), 3);
    assert!(!world.observed.children.contains_key(&service));
    let removed = |act: &Act| matches!(act, Act::DeleteChild { .. });
    let first = world.done.iter().position(removed).expect("a removal");
    let last_stop = world
        .done
        .iter()
        .rposition(|act| matches!(act, Act::DeletePod { .. }));
    assert!(last_stop.is_some_and(|stop| stop < first));
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
}

#[test]
fn a_child_that_was_removed_comes_back() {
    let mut world = World::settled();
    world
        .observed
        .children
        .remove(&key("ConfigMap", "orders-config"));
    world.settle();
    assert!(
        world
            .observed
            .children
            .contains_key(&key("ConfigMap", "orders-config"))
    );
    assert!(world.deleted().is_empty());
}

#[test]
fn certificates_are_renewed_while_a_roll_is_stuck() {
    let mut world = World::settled();
    world.guarded = [1000, 1001, 2000, 2001, 3000, 3001].into();
    world.version("1.1.0");
    world.settle();
    world.observed.certified.retain(|id| *id != 1000);
    world.forget();
    world.step();
    assert!(world.done.contains(&Act::IssueCertificates {
        brokers: vec![1000]
    }));
}
