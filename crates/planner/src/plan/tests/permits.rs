//! Permits, as others and stale looks meet them.

use std::collections::BTreeMap;

use holdfast_api::PlanState;

use super::World;
use crate::{Act, Lifecycle, PermitStage, PermitView, PodPhase};

#[test]
fn a_permit_of_somebody_else_is_waited_for() {
    let mut world = World::settled();
    let view = world.observed.cluster.as_mut().expect("a cluster");
    view.permit = Some(PermitView {
        id: 7,
        holder: "alice".to_owned(),
        brokers: BTreeMap::from([(1000, 1)]),
        stage: PermitStage::Granted,
        park: false,
    });
    world.version("1.1.0");
    let decision = world.settle();
    assert!(world.deleted().is_empty() && world.permits.is_empty());
    assert_eq!(decision.plan.state, PlanState::Blocked);
    assert!(
        decision
            .plan
            .summary
            .contains("permit 7 of alice is in force")
    );
    world.observed.cluster.as_mut().expect("a cluster").permit = None;
    world.settle();
    assert_eq!(world.permits.len(), 3);
}

/// With a permit granted for zone b, and nobody stopped yet.
fn granted() -> World {
    let mut world = World::settled();
    world.version("1.1.0");
    let stage = |world: &World| {
        let view = world.observed.cluster.as_ref().expect("a cluster");
        view.permit.as_ref().map(|permit| permit.stage)
    };
    while stage(&world) != Some(PermitStage::Granted) {
        world.step();
    }
    assert_eq!(deletes(&world), [2000, 2001]);
    world
}

fn deletes(world: &World) -> Vec<i32> {
    let acts = world.decide().acts;
    let deletes = acts.iter().filter_map(|act| match act {
        Act::DeletePod { broker, .. } => Some(*broker),
        _ => None,
    });
    deletes.collect()
}

#[test]
fn a_broker_that_registered_after_the_grant_is_not_stopped() {
    let mut world = granted();
    let view = world.observed.cluster.as_mut().expect("a cluster");
    view.brokers.get_mut(&2000).expect("the broker").epoch += 1;
    assert_eq!(deletes(&world), [2001]);
}

#[test]
fn nothing_is_stopped_while_leaders_still_move() {
    let mut world = granted();
    for stage in [PermitStage::Draining, PermitStage::Ending] {
        let view = world.observed.cluster.as_mut().expect("a cluster");
        view.permit.as_mut().expect("a permit").stage = stage;
        assert!(deletes(&world).is_empty(), "{stage:?}");
    }
}

#[test]
fn a_pod_that_goes_already_or_does_not_run_is_not_deleted_under_the_permit() {
    let mut world = granted();
    world
        .observed
        .pods
        .get_mut(&2000)
        .expect("the pod")
        .deleting = true;
    world.observed.pods.get_mut(&2001).expect("the pod").phase = PodPhase::Unknown;
    assert!(deletes(&world).is_empty());
}

/// A cache may be behind: what was down as it knows may serve by now.
#[test]
fn what_takes_no_permit_is_stopped_only_as_it_was_seen() {
    let mut world = granted();
    for pod in world.observed.pods.values_mut() {
        pod.version = format!("of {}", pod.broker);
    }
    let pod = world.observed.pods.get_mut(&3000).expect("the pod");
    pod.phase = PodPhase::Pending;
    world.observed.processes.remove(&3000);
    let view = world.observed.cluster.as_mut().expect("a cluster");
    view.brokers.get_mut(&3000).expect("the broker").fenced = true;
    let acts = world.decide().acts;
    let stops: BTreeMap<i32, Option<String>> = acts
        .into_iter()
        .filter_map(|act| match act {
            Act::DeletePod {
                broker,
                unchanged_since,
                ..
            } => Some((broker, unchanged_since)),
            _ => None,
        })
        .collect();
    let seen = Some("of 3000".to_owned());
    assert_eq!(stops, [(2000, None), (2001, None), (3000, seen)].into());
}

#[test]
fn a_broker_is_not_let_in_by_the_look_that_stops_it() {
    let mut world = granted();
    let view = world.observed.cluster.as_mut().expect("a cluster");
    view.brokers.remove(&3001);
    let process = world.observed.processes.get_mut(&3001).expect("a process");
    process.lifecycle = Lifecycle::WaitingForAdmission;
    assert_eq!(deletes(&world), [3001, 2000, 2001]);
    let admits = |act: &Act| matches!(act, Act::Admit { broker: 3001, .. });
    assert!(!world.decide().acts.iter().any(admits));
    // Where nothing has to be changed it is let in.
    world.version("1.0.0");
    assert!(!deletes(&world).contains(&3001));
    assert!(world.decide().acts.iter().any(admits));
}

#[test]
fn nothing_is_stopped_that_no_set_would_make_again() {
    let mut world = granted();
    world
        .observed
        .sets
        .get_mut("orders-b")
        .expect("the set")
        .deleting = true;
    assert!(deletes(&world).is_empty());
    world.observed.sets.remove("orders-b");
    assert!(deletes(&world).is_empty());
}

#[test]
fn the_view_of_another_cluster_is_no_view() {
    let mut world = granted();
    world
        .observed
        .cluster
        .as_mut()
        .expect("a cluster")
        .cluster_id = "another".to_owned();
    assert!(deletes(&world).is_empty());
}

/// Its node is cut off from the API server, which has the deletion; the broker has heard of nothing.
fn told_to_stop(world: &mut World, broker: i32) {
    let pod = world.observed.pods.get_mut(&broker).expect("the pod");
    pod.deleting = true;
}

#[test]
fn no_permit_is_asked_for_while_a_broker_that_was_told_to_stop_serves() {
    let mut world = World::settled();
    told_to_stop(&mut world, 1001);
    world.version("1.1.0");
    let decision = world.settle();
    assert!(world.permits.is_empty(), "{:?}", world.permits);
    let waits = decision.steps.iter().filter_map(|s| s.waiting_for.clone());
    let reason = "pod orders-a-1001 to end: it is being deleted, and its broker serves yet";
    assert!(waits.clone().any(|waits| waits == reason), "{decision:?}");
    assert_eq!(decision.plan.state, PlanState::Running);
    // Nobody hears its node: that may take long, and is said.
    let node = world.observed.pods[&1001].node.clone().expect("a node");
    let seen = world.observed.nodes.get_mut(&node).expect("the node");
    seen.ready = false;
    assert_eq!(world.decide().plan.state, PlanState::Blocked);
    let seen = world.observed.nodes.get_mut(&node).expect("the node");
    seen.ready = true;
    world.stopped(1001);
    world.settle();
    assert_eq!(world.permits.len(), 3);
}

#[test]
fn a_permit_is_kept_while_one_of_its_brokers_has_yet_to_stop() {
    let ends = |world: &World| {
        let acts = world.decide().acts;
        acts.iter().any(|act| matches!(act, Act::EndPermit { .. }))
    };
    let mut world = granted();
    let view = world.observed.cluster.clone();
    world.version("1.0.0");
    while !ends(&world) {
        world.step();
        assert_eq!(view, world.observed.cluster, "nothing was asked of brokers");
    }
    told_to_stop(&mut world, 2001);
    assert!(!ends(&world));
}

#[test]
fn nobody_is_stopped_under_a_permit_while_another_was_told_to_stop_and_serves() {
    let mut world = granted();
    told_to_stop(&mut world, 1001);
    assert!(deletes(&world).is_empty());
    let waits = world.decide().steps;
    let mut waits = waits.iter().filter_map(|step| step.waiting_for.as_deref());
    assert!(waits.any(|waits| waits.starts_with("pod orders-a-1001 to end")));
    world.stopped(1001);
    assert_eq!(deletes(&world), [2000, 2001]);
}
