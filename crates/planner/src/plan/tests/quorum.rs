//! Without a controller nobody gives permits.

use holdfast_api::{BrokerState, PlanState};

use super::World;
use super::world::reasons;
use crate::Lifecycle;

fn lost() -> World {
    let mut world = World::settled();
    world
        .observed
        .cluster
        .as_mut()
        .expect("a cluster")
        .controller = None;
    for process in world.observed.processes.values_mut() {
        process.lifecycle = Lifecycle::Registering;
    }
    world.version("1.1.0");
    world
}

#[test]
fn nothing_restarts_while_the_quorum_is_lost() {
    let mut world = lost();
    for _ in 0..3 {
        let decision = world.decide();
        for act in &decision.acts {
            assert!(matches!(act, crate::Act::Apply(_)), "{act:?}");
        }
        world.step();
        world
            .observed
            .cluster
            .as_mut()
            .expect("a cluster")
            .controller = None;
    }
    let decision = world.decide();
    assert_eq!(reasons(&decision), ["QuorumLost"]);
    assert_eq!(decision.plan.state, PlanState::Blocked);
    assert!(decision.findings[0].message.contains("break-glass"));
    assert!(world.deleted().is_empty());
}

#[test]
fn break_glass_restarts_one_after_the_other() {
    let mut world = lost();
    world.observed.break_glass = Some("another".to_owned());
    let id = world
        .observed
        .identity
        .as_ref()
        .expect("an identity")
        .cluster_id
        .clone();
    for look in 0..40 {
        if look == 3 {
            assert!(world.deleted().is_empty(), "the wrong id is no key");
            world.observed.break_glass = Some(id.clone());
        }
        let before = world.deleted().len();
        world.step();
        world
            .observed
            .cluster
            .as_mut()
            .expect("a cluster")
            .controller = None;
        assert!(world.deleted().len() <= before + 1);
    }
    let mut deleted = world.deleted();
    deleted.sort_unstable();
    assert_eq!(deleted, [1000, 1001, 2000, 2001, 3000, 3001]);
}

/// On real nodes a controller whose two other voters lost their power went on to answer, so that the broken
/// glass was not looked at; and the first broker of the roll was on one of the dead nodes.
#[test]
fn a_controller_that_lost_most_voters_gives_no_permit_and_dead_nodes_are_not_waited_for() {
    let mut world = World::settled();
    world.version("1.1.0");
    let dead = [2000, 2001, 3000, 3001];
    let lose = |world: &mut World| {
        let nodes = dead.map(|id| world.observed.pods[&id].node.clone().expect("a node"));
        for node in nodes {
            world.observed.nodes.get_mut(&node).expect("it").ready = false;
        }
        let view = world.observed.cluster.as_mut().expect("a cluster");
        for member in &mut view.quorum {
            member.answers = !dead.contains(&member.broker);
        }
        for id in dead {
            world.observed.processes.remove(&id);
        }
        // Somebody deleted one of them; nobody is there to say that it is gone.
        world.observed.pods.get_mut(&3001).expect("it").deleting = true;
    };
    for _ in 0..3 {
        lose(&mut world);
        world.step();
    }
    lose(&mut world);
    let decision = world.decide();
    assert_eq!(reasons(&decision), ["QuorumLost"]);
    assert!(world.deleted().is_empty());
    let states = decision.status.brokers.iter();
    let silent = states.filter(|broker| broker.state != BrokerState::InSync);
    assert_eq!(silent.map(|broker| broker.id).collect::<Vec<_>>(), dead);
    let id = world.observed.identity.as_ref().expect("an identity");
    world.observed.break_glass = Some(id.cluster_id.clone());
    for _ in 0..10 {
        world.step();
        lose(&mut world);
    }
    let mut deleted = world.deleted();
    deleted.sort_unstable();
    assert_eq!(deleted, [1000, 1001]);
}

#[test]
fn brokers_that_were_not_asked_are_no_lost_quorum() {
    let mut world = World::settled();
    world.version("1.1.0");
    world.step();
    world.step();
    world.observed.cluster = None;
    world.observed.processes.clear();
    world.observed.asked = false;
    let decision = world.decide();
    assert!(reasons(&decision).is_empty());
    assert!(decision.acts.is_empty());
}
