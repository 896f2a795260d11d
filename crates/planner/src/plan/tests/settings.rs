//! Whose a setting is: what the resource named, and what somebody changed by hand.

use super::World;
use super::world::kinds;
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
