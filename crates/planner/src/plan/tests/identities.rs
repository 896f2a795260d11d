//! Whose data it is.

use holdfast_api::PlanState;

use super::World;
use super::world::reasons;
use crate::{Act, Lifecycle, ProcessView};

#[test]
fn claims_without_an_identity_form_no_new_cluster() {
    let mut world = World::settled();
    world.observed.identity = None;
    world.observed.sets.clear();
    world.observed.pods.clear();
    world.observed.children.clear();
    world.observed.processes.clear();
    world.observed.cluster = None;
    let decision = world.decide();
    assert_eq!(reasons(&decision), ["IdentityMissing"]);
    assert!(decision.findings[0].stalled);
    assert!(decision.findings[0].message.contains("orders-identity"));
    assert!(decision.acts.is_empty());
    assert_eq!(decision.plan.state, PlanState::Blocked);
}

#[test]
fn pods_without_an_identity_form_no_new_cluster_even_if_the_claims_are_not_seen() {
    let mut world = World::settled();
    world.observed.identity = None;
    world.observed.claims.clear();
    assert_eq!(reasons(&world.decide()), ["IdentityMissing"]);
    assert!(world.decide().acts.is_empty());
}

#[test]
fn a_resource_that_comes_back_adopts_its_volumes() {
    let mut world = World::settled();
    let claims = world.observed.claims.clone();
    for id in world.observed.pods.keys().copied().collect::<Vec<i32>>() {
        world.stopped(id);
    }
    world.observed.sets.clear();
    world.observed.children.clear();
    world.settle();
    assert_eq!(world.serving(), 6);
    assert_eq!(world.observed.claims, claims);
    assert!(
        !world
            .done
            .iter()
            .any(|act| matches!(act, Act::CreateIdentity(_) | Act::Admit { .. }))
    );
}

/// Broker 2000 restarted, and its process says something else of itself.
fn says(change: impl FnOnce(&mut ProcessView)) -> World {
    let mut world = World::settled();
    world.stopped(2000);
    world.tick();
    let processes = &mut world.observed.processes;
    change(processes.get_mut(&2000).expect("the process"));
    let view = world.observed.cluster.as_mut().expect("a cluster");
    view.brokers.get_mut(&2000).expect("the broker").fenced = true;
    world
}

#[test]
fn another_disk_under_a_known_name_is_not_let_in() {
    let mut world = says(|process| {
        process.lifecycle = Lifecycle::WaitingForAdmission;
        process.incarnation = "empty".to_owned();
    });
    let decision = world.decide();
    assert_eq!(reasons(&decision), ["DiskReplaced"]);
    assert!(
        decision.findings[0]
            .message
            .contains("holdfast cluster admit 2000@empty`")
    );
    assert!(decision.acts.is_empty(), "{:?}", decision.acts);
    // A voter that was never registered is no newcomer either.
    let view = world.observed.cluster.as_mut().expect("a cluster");
    view.brokers.remove(&2000);
    assert_eq!(reasons(&world.decide()), ["DiskReplaced"]);
}

#[test]
fn a_disk_that_the_cluster_refuses_is_told_of() {
    let world = says(|process| {
        process.lifecycle = Lifecycle::Replaced;
        process.detail = "disk 2000@1 was rolled back or cloned".to_owned();
    });
    let decision = world.decide();
    assert_eq!(reasons(&decision), ["DiskRefused"]);
    assert!(
        decision.findings[0]
            .message
            .contains("refused: disk 2000@1 was rolled back")
    );
    assert!(decision.acts.is_empty(), "{:?}", decision.acts);
}

#[test]
fn volumes_of_another_cluster_are_named() {
    let mut world = World::settled();
    world.claim("data-orders-a-1000").cluster_id = Some("another".to_owned());
    let decision = world.decide();
    assert_eq!(reasons(&decision), ["ForeignCluster"]);
    assert!(decision.acts.is_empty());
}

#[test]
fn a_resource_that_cannot_be_read_still_gets_its_certificates_and_nothing_else() {
    let mut world = World::settled();
    world.observed.certified.retain(|id| *id != 1001);
    world.edit(|spec| spec.replicas = 3);
    let operator = crate::plan::Operator::default();
    let refuse = |_: &str| Err("num.io.threads: not a number".to_owned());
    let decision = crate::plan::decide(&world.resource, &world.observed, &operator, &refuse);
    assert!(decision.findings[0].stalled);
    assert_eq!(
        decision.acts,
        [Act::IssueCertificates {
            brokers: vec![1001]
        }]
    );
    assert_eq!(decision.status.serving.as_deref(), Some("6/6"));
    assert!(decision.plan.summary.starts_with("blocked: "));
}
