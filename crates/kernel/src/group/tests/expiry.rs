use std::time::Duration;

use super::super::Effects;
use super::rig::{Rig, SESSION, row};

const WEEK: Duration = Duration::from_hours(7 * 24);

fn expire(rig: &mut Rig) {
    let mut effects = Effects::default();
    rig.shard.expire(rig.now, |_, _| false, 1_000, &mut effects);
    rig.settle(effects);
}

#[test]
fn offsets_outlive_an_empty_group_by_a_week() {
    let mut rig = Rig::new();
    let (leader, other) = rig.pair();
    rig.commit(&leader, 1, vec![row(0, 5)]);
    rig.leave(&[&leader, &other]);
    rig.pass(WEEK.saturating_sub(Duration::from_secs(1)));
    expire(&mut rig);
    assert_eq!(rig.offset(0), Some(5));
    rig.pass(Duration::from_secs(2));
    expire(&mut rig);
    assert_eq!(rig.offset(0), None);
    assert!(rig.shard.is_empty());
    rig.fail_over();
    assert!(rig.shard.is_empty());
}

#[test]
fn what_members_read_never_expires() {
    let mut rig = Rig::new();
    let (leader, other) = rig.pair();
    rig.commit(&leader, 1, vec![row(0, 5)]);
    let mut left = WEEK * 2;
    while !left.is_zero() {
        let step = SESSION / 2;
        rig.now.wall_ms += 3_600_000;
        rig.pass(step);
        rig.heartbeat(&leader, 1);
        rig.heartbeat(&other, 1);
        left = left.saturating_sub(Duration::from_hours(1));
    }
    expire(&mut rig);
    assert_eq!(rig.offset(0), Some(5));
}

#[test]
fn offsets_of_somebody_without_a_group_expire_one_by_one() {
    let mut rig = Rig::new();
    rig.commit("", -1, vec![row(0, 5)]);
    rig.pass(WEEK / 2);
    let mut later = row(1, 6);
    later.value.as_mut().unwrap().committed_ms = rig.now.wall_ms;
    rig.commit("", -1, vec![later]);
    rig.pass(WEEK / 2 + Duration::from_secs(2));
    expire(&mut rig);
    assert_eq!((rig.offset(0), rig.offset(1)), (None, Some(6)));
}

#[test]
fn offsets_of_a_deleted_topic_go() {
    let mut rig = Rig::new();
    rig.commit("", -1, vec![row(0, 5)]);
    let mut effects = Effects::default();
    rig.shard
        .expire(rig.now, |topic, _| topic == "orders", 1_000, &mut effects);
    rig.settle(effects);
    assert_eq!(rig.offset(0), None);
}
