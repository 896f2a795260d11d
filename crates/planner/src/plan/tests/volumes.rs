//! Volumes that grow, or cannot.

use holdfast_api::PlanState;

use super::World;
use super::world::{GI, kinds, reasons};
use crate::{Act, StepKind};

#[test]
fn volumes_grow_and_their_sets_are_made_again_without_a_restart() {
    let mut world = World::settled();
    world.edit(|spec| spec.storage.size = "200Gi".to_owned());
    let first = world.decide();
    assert!(kinds(&first).contains(&StepKind::GrowVolumes));
    assert!(kinds(&first).contains(&StepKind::RecreateSet));
    let last = world.settle();
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
    for claim in world.observed.claims.values() {
        assert_eq!(claim.requested_bytes, 200 * GI);
    }
    for set in world.observed.sets.values() {
        assert_eq!(set.claim_size, "200Gi");
    }
    assert!(world.deleted().is_empty() && world.permits.is_empty());
    let orphaned = world
        .done
        .iter()
        .filter(|a| matches!(a, Act::DeleteSetKeepPods { .. }));
    assert_eq!(orphaned.count(), 3);
}

#[test]
fn a_class_that_cannot_grow_is_named_and_stops_nothing_else() {
    let mut world = World::settled();
    world
        .observed
        .storage_classes
        .get_mut("fast")
        .expect("the class")
        .expandable = false;
    world.edit(|spec| spec.storage.size = "200Gi".to_owned());
    world.version("1.1.0");
    let last = world.settle();
    assert!(reasons(&last).contains(&"VolumeCannotGrow"));
    assert_eq!(last.plan.state, PlanState::Blocked);
    assert!(
        !world
            .done
            .iter()
            .any(|act| matches!(act, Act::GrowClaim { .. }))
    );
    assert!(
        !world
            .done
            .iter()
            .any(|act| matches!(act, Act::DeleteSetKeepPods { .. }))
    );
    assert_eq!(world.permits.len(), 3, "the new version is rolled out");
    world.edit(|spec| spec.storage.size = "100Gi".to_owned());
    assert_eq!(world.settle().plan.state, PlanState::Idle);
}

#[test]
fn growth_that_fails_on_one_volume_is_told() {
    let mut world = World::settled();
    world.claim("data-orders-a-1000").resize_error = Some("no space in the pool".to_owned());
    let decision = world.decide();
    assert_eq!(reasons(&decision), ["VolumeResizeFailed"]);
    assert!(decision.acts.is_empty());
}
