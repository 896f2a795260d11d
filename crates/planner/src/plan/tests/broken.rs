//! Rolls that go wrong.

use holdfast_api::PlanState;

use super::World;
use super::world::reasons;

#[test]
fn a_first_broker_that_crash_loops_stops_the_roll_and_reverting_heals() {
    let mut world = World::settled();
    world.broken_version = Some("2.0.0".to_owned());
    world.version("2.0.0");
    for _ in 0..50 {
        world.step();
    }
    assert_eq!(world.deleted(), [2000, 2001], "only the first zone");
    let stuck = world.decide();
    assert_eq!(reasons(&stuck), ["RollStopped"]);
    assert!(stuck.findings[0].stalled);
    assert_eq!(stuck.plan.state, PlanState::Blocked);
    assert!(stuck.acts.is_empty(), "{:?}", stuck.acts);
    world.forget();
    world.version("1.0.0");
    let last = world.settle();
    assert_eq!(
        world.deleted(),
        [2000, 2001],
        "what is down needs no permit"
    );
    assert!(world.permits.is_empty());
    assert_eq!(world.serving(), 6);
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
    assert!(last.findings.is_empty());
}

#[test]
fn a_broker_that_does_not_come_back_from_its_permit_stops_the_roll_though_others_did() {
    let mut world = World::settled();
    world.broken_brokers.insert(3000);
    world.version("1.1.0");
    for _ in 0..60 {
        world.step();
    }
    assert_eq!(world.deleted(), [2000, 2001, 3000, 3001]);
    assert_eq!(reasons(&world.decide()), ["RollStopped"]);
    assert_eq!(world.serving(), 5);
}

#[test]
fn a_broker_that_was_down_before_gets_the_new_version_first() {
    let mut world = World::settled();
    world.broken_version = Some("2.0.0".to_owned());
    let pod = world.observed.pods.get_mut(&3000).expect("the pod");
    pod.ready = false;
    pod.restarts = 9;
    pod.trouble = Some("CrashLoopBackOff".to_owned());
    world.observed.processes.remove(&3000);
    let view = world.observed.cluster.as_mut().expect("a cluster");
    view.brokers.get_mut(&3000).expect("the broker").fenced = true;
    assert_eq!(reasons(&world.decide()), ["BrokerFailing"]);
    world.version("2.0.0");
    for _ in 0..30 {
        world.step();
    }
    assert_eq!(
        world.deleted(),
        [3000],
        "nobody who serves is stopped for a version that fails"
    );
    assert_eq!(reasons(&world.decide()), ["RollStopped"]);
    world.forget();
    world.version("2.0.1");
    world.settle();
    assert_eq!(world.deleted().first(), Some(&3000));
    assert_eq!(world.permits.len(), 3);
    assert_eq!(world.serving(), 6);
}

#[test]
fn one_broken_machine_stops_neither_settings_nor_certificates_nor_new_brokers() {
    let mut world = World::settled();
    world.broken_brokers.insert(2000);
    world.stopped(2000);
    world.settle();
    world.edit(|spec| spec.replicas = 9);
    world.setting("log.retention.ms", "1000");
    let last = world.settle();
    assert_eq!(world.serving(), 8);
    let settings = &world.observed.cluster.as_ref().expect("a cluster").settings;
    assert!(settings.contains_key("log.retention.ms"));
    assert_eq!(last.status.serving.as_deref(), Some("8/9"));
}

#[test]
fn a_wish_that_is_taken_back_gives_its_permit_back() {
    let mut world = World::settled();
    world.version("2.0.0");
    while world.permits.is_empty() {
        world.step();
    }
    assert!(world.deleted().is_empty());
    world.version("1.0.0");
    let last = world.settle();
    assert!(world.deleted().is_empty(), "{:?}", world.deleted());
    assert!(
        world
            .done
            .iter()
            .any(|act| matches!(act, crate::Act::EndPermit { .. }))
    );
    assert_eq!(last.plan.state, PlanState::Idle);
}
