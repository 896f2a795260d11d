//! Nodes that are drained or lost, and brokers that stay away.

use std::collections::BTreeSet;

use holdfast_api::{BrokerMode, BrokerOverride, BrokerState, LostPods, PlanState};

use super::World;
use crate::{Act, PermitPurpose};

#[test]
fn brokers_leave_a_node_that_is_drained() {
    let mut world = World::settled();
    let node = world.observed.pods[&2000].node.clone().expect("a node");
    world
        .observed
        .nodes
        .get_mut(&node)
        .expect("the node")
        .schedulable = false;
    let last = world.settle();
    let asked = world.done.iter().find_map(|act| match act {
        Act::AcquirePermit {
            brokers, purpose, ..
        } => Some((brokers.clone(), *purpose)),
        _ => None,
    });
    assert_eq!(
        asked,
        Some((BTreeSet::from([2000, 2001]), PermitPurpose::Park))
    );
    assert_eq!(world.deleted(), [2000, 2001]);
    assert_eq!(last.plan.state, PlanState::Idle);
    assert_ne!(world.observed.pods[&2000].node.as_ref(), Some(&node));
    assert_eq!(world.serving(), 6);
}

#[test]
fn a_drain_goes_before_a_roll() {
    let mut world = World::settled();
    world.version("1.1.0");
    world.step();
    let node = world.observed.pods[&1000].node.clone().expect("a node");
    world
        .observed
        .nodes
        .get_mut(&node)
        .expect("the node")
        .schedulable = false;
    world.settle();
    assert_eq!(world.permits[0], BTreeSet::from([1000, 1001]));
    assert_eq!(
        world.permits.len(),
        3,
        "the drain has updated them: {:?}",
        world.permits
    );
    assert_eq!(world.deleted().len(), 6);
}

fn lose(world: &mut World, id: i32) {
    let pod = world.observed.pods.get_mut(&id).expect("the pod");
    pod.ready = false;
    let node = pod.node.clone().expect("a node");
    let node = world.observed.nodes.get_mut(&node).expect("the node");
    node.out_of_service = true;
    world.observed.processes.remove(&id);
    let view = world.observed.cluster.as_mut().expect("a cluster");
    view.brokers.get_mut(&id).expect("the broker").fenced = true;
}

#[test]
fn a_pod_of_a_node_that_is_gone_is_removed() {
    let mut world = World::settled();
    lose(&mut world, 2000);
    let decision = world.decide();
    let removed = decision.acts.iter().filter_map(|act| match act {
        Act::RemoveLostPod { broker, .. } => Some(*broker),
        _ => None,
    });
    // Broker 2001 is on the same node, and still answers.
    assert_eq!(removed.collect::<Vec<i32>>(), [2000]);
    world.edit(|spec| spec.healing.lost_pods = LostPods::Keep);
    assert!(world.decide().acts.is_empty());
}

/// Found by the simulator: nodes were missing from the API server for a moment, and pods whose processes
/// were starting, or ending, counted as lost.
#[test]
fn a_pod_is_not_lost_because_its_node_is_missing() {
    for deleting in [false, true] {
        let mut world = World::settled();
        lose(&mut world, 2000);
        let pod = world.observed.pods.get_mut(&2000).unwrap();
        pod.deleting = deleting;
        world.observed.nodes.remove(pod.node.as_ref().unwrap());
        let acts = world.decide().acts;
        let removed = |act: &Act| matches!(act, Act::RemoveLostPod { .. });
        assert!(!acts.iter().any(removed), "{acts:?}");
    }
}

#[test]
fn a_look_without_nodes_removes_nothing() {
    let mut world = World::settled();
    lose(&mut world, 2000);
    world.observed.nodes.clear();
    assert!(world.decide().acts.is_empty());
}

#[test]
fn a_lost_pod_is_removed_while_a_roll_is_stuck() {
    let mut world = World::settled();
    world.guarded = BTreeSet::from([1000, 1001, 2000, 2001, 3000, 3001]);
    world.version("1.1.0");
    world.settle();
    lose(&mut world, 3000);
    let acts = world.decide().acts;
    assert!(
        acts.iter()
            .any(|act| matches!(act, Act::RemoveLostPod { broker: 3000, .. })
                || matches!(act, Act::DeletePod { broker: 3000, .. })),
        "{acts:?}"
    );
}

#[test]
fn a_broker_is_parked_under_a_permit_and_comes_back_without_one() {
    let mut world = World::settled();
    world.edit(|spec| {
        spec.brokers = vec![BrokerOverride {
            id: 3001,
            mode: BrokerMode::Parked,
        }];
    });
    let last = world.settle();
    assert_eq!(world.deleted(), [3001]);
    assert_eq!(world.permits, [BTreeSet::from([3001])]);
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
    let parked = last.status.brokers.iter().find(|broker| broker.id == 3001);
    assert_eq!(parked.map(|broker| broker.state), Some(BrokerState::Parked));
    assert_eq!(last.status.serving.as_deref(), Some("5/6"));
    world.forget();
    world.edit(|spec| spec.brokers.clear());
    let last = world.settle();
    assert_eq!(world.deleted(), [3001]);
    assert!(world.permits.is_empty());
    assert_eq!(last.status.serving.as_deref(), Some("6/6"));
}

#[test]
fn a_parked_broker_gets_a_new_version_without_a_permit() {
    let mut world = World::settled();
    world.edit(|spec| {
        spec.brokers = vec![BrokerOverride {
            id: 3001,
            mode: BrokerMode::Parked,
        }];
    });
    world.settle();
    world.forget();
    world.version("1.1.0");
    world.settle();
    assert_eq!(world.deleted().len(), 6);
    let permitted: BTreeSet<i32> = world.permits.iter().flatten().copied().collect();
    assert!(!permitted.contains(&3001));
}
