//! A new cluster.

use holdfast_api::PlanState;

use super::World;
use super::world::kinds;
use crate::{Act, StepKind};

#[test]
fn six_brokers_become_one_cluster_and_nothing_is_done_twice() {
    let mut world = World::new();
    let first = world.decide();
    assert!(
        matches!(first.acts[..], [Act::CreateIdentity(_)]),
        "{:?}",
        first.acts
    );
    for kind in [
        StepKind::AddBrokers,
        StepKind::FormCluster,
        StepKind::ChangeSettings,
    ] {
        assert!(kinds(&first).contains(&kind), "{kind:?}");
    }
    let last = world.settle();
    assert_eq!(world.serving(), 6);
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
    assert_eq!(last.plan.summary, "idle");
    assert_eq!(last.status.serving.as_deref(), Some("6/6"));
    assert_eq!(last.status.safety.as_deref(), Some("yes"));
    let identity = world.observed.identity.clone().expect("an identity");
    assert!(identity.formed && identity.formation.is_none());
    assert!(world.permits.is_empty() && world.deleted().is_empty());
    let mut applied: Vec<&str> = world
        .done
        .iter()
        .filter_map(|act| match act {
            Act::Apply(object) if object.key.kind == "StatefulSet" => Some(&*object.key.name),
            _ => None,
        })
        .collect();
    applied.sort_unstable();
    assert_eq!(applied, ["orders-a", "orders-b", "orders-c"]);
    assert!(world.decide().acts.is_empty());
}

#[test]
fn the_plan_of_a_new_cluster_keeps_its_hash_although_each_look_draws_an_id() {
    let mut world = World::new();
    let first = world.decide().plan.hash;
    world.observed.fresh_cluster_id = "BBBBBBBBBBBBBBBBBBBBBB".to_owned();
    assert_eq!(world.decide().plan.hash, first);
    for _ in 0..4 {
        let hash = world.step().plan.hash;
        assert_eq!(hash, first);
    }
}

#[test]
fn an_image_that_crashes_before_the_cluster_exists_is_replaced_without_a_permit() {
    let mut world = World::new();
    world.broken_version = Some("1.0.0".to_owned());
    world.settle();
    assert_eq!(world.serving(), 0);
    world.version("1.0.1");
    world.settle();
    assert_eq!(world.serving(), 6);
}

#[test]
fn a_zone_of_its_own_is_enough() {
    let mut world = World::with(serde_json::json!({
        "replicas": 3, "zones": [{"name": "a"}], "version": "1.0.0",
        "storage": {"size": "10Gi", "class": "fast"},
    }));
    world.settle();
    world
        .observed
        .identity
        .as_mut()
        .expect("an identity")
        .voters
        .sort_unstable();
    assert_eq!(world.serving(), 3);
    world.forget();
    world.version("1.1.0");
    world.settle();
    assert_eq!(
        world.permits.len(),
        3,
        "one zone restarts one by one: {:?}",
        world.permits
    );
}

/// The cluster may be formed while the acts of a look are under way, and then the look was wrong about
/// all that it stops.
#[test]
fn a_change_before_the_cluster_exists_restarts_one_broker_at_a_look() {
    let mut world = World::new();
    world.broken_brokers = [1000, 2000, 3000].into();
    world.settle();
    assert_eq!(world.serving(), 0);
    world.forget();
    world.setting("num.io.threads", "16");
    let sound = [1001, 2001, 3001];
    let mut stopped = 0;
    for _ in 0..30 {
        world.step();
        let now = world.deleted();
        let now = now.iter().filter(|id| sound.contains(id)).count();
        assert!(now <= stopped + 1, "several at once: {:?}", world.deleted());
        stopped = now;
    }
    assert_eq!(stopped, 3, "each was restarted once");
    assert!(world.permits.is_empty());
    world.broken_brokers.clear();
    world.version("1.0.1");
    world.settle();
    assert_eq!(world.serving(), 6);
}
