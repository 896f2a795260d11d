//! Brokers restart, zone by zone.

use std::collections::BTreeSet;

use holdfast_api::{FeatureLevelPolicy, Parallelism, PlanState};

use super::World;
use super::world::kinds;
use crate::{Act, StepKind};

#[test]
fn a_static_setting_rolls_six_brokers_under_three_permits_the_controller_last() {
    let mut world = World::settled();
    world.setting("num.io.threads", "16");
    let mut summaries = BTreeSet::new();
    for _ in 0..60 {
        let decision = world.step();
        summaries.insert(decision.plan.summary.clone());
        assert!(world.serving() >= 4);
    }
    assert_eq!(world.serving(), 6);
    let expected: [BTreeSet<i32>; 3] = [
        BTreeSet::from([2000, 2001]),
        BTreeSet::from([3000, 3001]),
        BTreeSet::from([1000, 1001]),
    ];
    assert_eq!(world.permits, expected);
    assert_eq!(world.deleted().len(), 6);
    assert!(
        summaries.iter().any(|s| s.ends_with("(1 of 3)")),
        "{summaries:?}"
    );
    assert!(
        summaries.iter().any(|s| s.ends_with("(3 of 3)")),
        "{summaries:?}"
    );
    assert_eq!(world.decide().plan.state, PlanState::Idle);
}

#[test]
fn a_dynamic_setting_restarts_nothing() {
    let mut world = World::settled();
    world.setting("log.retention.ms", "1000");
    let decision = world.step();
    assert_eq!(kinds(&decision), [StepKind::ChangeSettings]);
    world.settle();
    assert!(world.permits.is_empty() && world.deleted().is_empty());
    let settings = &world.observed.cluster.as_ref().expect("a cluster").settings;
    assert_eq!(
        settings.get("log.retention.ms").map(String::as_str),
        Some("1000")
    );
    world.edit(|spec| spec.settings.clear());
    let decision = world.step();
    assert!(
        decision.steps[0].risk.contains("deleted sooner"),
        "{:?}",
        decision.steps
    );
    world.settle();
    let settings = &world.observed.cluster.as_ref().expect("a cluster").settings;
    assert!(!settings.contains_key("log.retention.ms"));
}

#[test]
fn a_version_is_rolled_out_and_then_its_formats_are_allowed() {
    let mut world = World::settled();
    world.version("2.0.0");
    world.step();
    assert!(
        !world
            .done
            .iter()
            .any(|act| matches!(act, Act::RaiseFeatureLevel(_)))
    );
    let last = world.settle();
    assert_eq!(world.permits.len(), 3);
    assert_eq!(last.status.version.as_deref(), Some("2.0.0"));
    assert!(matches!(world.done.last(), Some(Act::RaiseFeatureLevel(3))));
    assert_eq!(last.status.feature_level, Some(3));
}

#[test]
fn a_manual_feature_level_leaves_the_way_back_open() {
    let mut world = World::settled();
    world.edit(|spec| spec.upgrade.feature_level = FeatureLevelPolicy::Manual);
    world.version("2.0.0");
    let last = world.settle();
    assert_eq!(last.plan.state, PlanState::Idle);
    assert_eq!(last.status.feature_level, Some(2));
}

#[test]
fn one_by_one_takes_six_permits() {
    let mut world = World::settled();
    world.edit(|spec| spec.upgrade.parallelism = Parallelism::Broker);
    world.version("1.1.0");
    world.settle();
    assert_eq!(world.permits.len(), 6);
    assert_eq!(world.deleted().len(), 6);
}

#[test]
fn a_refused_zone_is_tried_broker_by_broker_and_keeps_no_other_zone_waiting() {
    let mut world = World::settled();
    world.guarded = BTreeSet::from([2001]);
    world.version("1.1.0");
    let mut blocked = false;
    for _ in 0..100 {
        let decision = world.step();
        blocked |= decision.plan.state == PlanState::Blocked;
    }
    assert!(blocked);
    let restarted: BTreeSet<i32> = world.deleted().into_iter().collect();
    assert_eq!(restarted, BTreeSet::from([1000, 1001, 2000, 3000, 3001]));
    let waiting = world
        .decide()
        .steps
        .iter()
        .find_map(|step| step.waiting_for.clone());
    assert_eq!(
        waiting.as_deref(),
        Some("logs/3 would have 1 of 2 replicas")
    );
    world.guarded.clear();
    world.settle();
    assert!(world.deleted().contains(&2001));
}

#[test]
fn several_changes_at_once_restart_each_broker_once() {
    let mut world = World::settled();
    world.setting("num.io.threads", "16");
    world.version("1.1.0");
    world.settle();
    assert_eq!(world.deleted().len(), 6);
}
