//! Whose a setting is: what the resource named, and what somebody changed by hand.

use holdfast_api::PlanState;
use serde_json::Value;

use super::World;
use super::world::{key, kinds};
use crate::StepKind;

const RETENTION: &str = "log.retention.ms";
const SEGMENT: &str = "log.segment.bytes";

fn by_hand(world: &mut World, key: &str, value: &str) {
    let view = world.observed.cluster.as_mut().expect("a controller");
    view.settings.insert(key.to_owned(), value.to_owned());
}

fn running<'a>(world: &'a World, key: &str) -> Option<&'a str> {
    let view = world.observed.cluster.as_ref().expect("a controller");
    view.settings.get(key).map(String::as_str)
}

fn common_file(world: &mut World) -> &mut Value {
    let map = world
        .observed
        .children
        .get_mut(&key("ConfigMap", "orders-config"));
    map.expect("the file of all brokers")
}

fn says(world: &mut World, line: &str) -> bool {
    let text = common_file(world)["data"]["broker.properties"].as_str();
    text.expect("its text").lines().any(|each| each == line)
}

#[test]
fn what_somebody_changed_by_hand_stays_and_is_shown() {
    let mut world = World::settled();
    by_hand(&mut world, SEGMENT, "1048576");
    let last = world.settle();
    assert_eq!(running(&world, SEGMENT), Some("1048576"));
    assert_eq!(last.status.unmanaged_settings, [SEGMENT]);
    assert!(!last.status.managed_settings.contains(&SEGMENT.to_owned()));
    // The resource takes it over, and later gives it up.
    world.setting(SEGMENT, "2097152");
    let last = world.settle();
    assert_eq!(running(&world, SEGMENT), Some("2097152"));
    assert!(last.status.unmanaged_settings.is_empty());
    world.edit(|spec| spec.settings.clear());
    world.settle();
    assert_eq!(running(&world, SEGMENT), None);
}

#[test]
fn what_the_resource_names_is_changed_back() {
    let mut world = World::settled();
    world.setting(RETENTION, "1000");
    world.settle();
    by_hand(&mut world, RETENTION, "5");
    assert_eq!(kinds(&world.decide()), [StepKind::ChangeSettings]);
    world.settle();
    assert_eq!(running(&world, RETENTION), Some("1000"));
}

#[test]
fn what_the_resource_named_returns_to_its_default_also_without_a_controller_for_a_while() {
    let mut world = World::settled();
    world.setting(RETENTION, "1000");
    world.settle();
    world.edit(|spec| spec.settings.clear());
    let view = world.observed.cluster.take();
    let blind = world.step().status;
    assert!(blind.managed_settings.contains(&RETENTION.to_owned()));
    world.observed.cluster = view;
    let last = world.settle();
    assert_eq!(running(&world, RETENTION), None);
    assert!(!last.status.managed_settings.contains(&RETENTION.to_owned()));
}

/// The file is written before the sets, so that for a moment it alone is of the newer wish.
#[test]
fn a_setting_that_is_taken_back_at_once_waits_for_no_approval() {
    let mut world = World::settled();
    world.setting("num.io.threads", "16");
    world.step();
    assert!(says(&mut world, "num.io.threads=16"));
    world.edit(|spec| spec.settings.clear());
    let last = world.settle();
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
    assert!(!says(&mut world, "num.io.threads=16"));
    assert!(world.deleted().is_empty(), "no broker had loaded it");
}

fn forget_the_wish(world: &mut World) {
    let annotations = &mut common_file(world)["metadata"]["annotations"];
    let annotations = annotations.as_object_mut().expect("annotations");
    annotations.remove("holdfast.io/wish").expect("its wish");
}

#[test]
fn a_file_without_its_wish_that_only_the_operators_version_changed_is_held_back() {
    let mut world = World::settled();
    world.files_of_an_older_operator();
    forget_the_wish(&mut world);
    let decision = world.settle();
    assert!(world.done.is_empty(), "{:?}", world.done);
    assert_eq!(decision.plan.state, PlanState::AwaitingApproval);
}

/// A version that did not say for which wish it wrote the file.
#[test]
fn a_file_without_its_wish_gets_it_and_nothing_restarts() {
    let mut world = World::settled();
    world.forget();
    forget_the_wish(&mut world);
    assert_eq!(kinds(&world.decide()), [StepKind::ApplyChildren]);
    let last = world.settle();
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.steps);
    assert!(world.permits.is_empty() && world.deleted().is_empty());
}
