use std::time::Duration;

use holdfast_model::ErrorCode;

use super::super::Effects;
use super::rig::{Rig, row, text};

#[test]
fn a_commit_is_answered_and_shown_once_it_is_committed() {
    let mut rig = Rig::new();
    rig.prompt = false;
    let ticket = rig.commit("", -1, vec![row(0, 5)]);
    assert_eq!((rig.done(ticket), rig.offset(0)), (None, None));
    rig.commit_log();
    assert_eq!(
        (rig.done(ticket), rig.offset(0)),
        (Some(ErrorCode::None), Some(5))
    );
    rig.fail_over();
    assert_eq!(rig.offset(0), Some(5));
}

#[test]
fn a_commit_that_takes_long_is_answered_so_and_may_count_later() {
    let mut rig = Rig::new();
    rig.prompt = false;
    let ticket = rig.commit("", -1, vec![row(0, 5)]);
    rig.pass(Duration::from_secs(6));
    assert_eq!(rig.done(ticket), Some(ErrorCode::CoordinatorNotAvailable));
    rig.commit_log();
    assert_eq!(rig.offset(0), Some(5));
}

#[test]
fn zombies_and_strangers_commit_nothing() {
    let mut rig = Rig::new();
    let (leader, _) = rig.pair();
    for (member, generation, code) in [
        ("", -1, ErrorCode::UnknownMemberId),
        ("nobody", 1, ErrorCode::UnknownMemberId),
        (&*leader, 0, ErrorCode::IllegalGeneration),
        (&*leader, 2, ErrorCode::IllegalGeneration),
    ] {
        let ticket = rig.commit(member, generation, vec![row(0, 9)]);
        assert_eq!(rig.done(ticket), Some(code), "{member} {generation}");
    }
    assert_eq!(rig.offset(0), None);
    let ticket = rig.commit(&leader, 1, vec![row(0, 9)]);
    assert_eq!(rig.done(ticket), Some(ErrorCode::None));
}

#[test]
fn a_generation_of_a_group_that_is_not_there_is_illegal() {
    let mut rig = Rig::new();
    let ticket = rig.commit("somebody", 3, vec![row(0, 9)]);
    assert_eq!(rig.done(ticket), Some(ErrorCode::IllegalGeneration));
    assert!(rig.shard.is_empty());
}

#[test]
fn a_refused_commit_leaves_nothing() {
    let mut rig = Rig::new();
    rig.prompt = false;
    let ticket = rig.commit("", -1, vec![row(0, 9)]);
    let write = rig.under_way.pop().unwrap();
    let mut effects = Effects::default();
    let code = ErrorCode::CoordinatorNotAvailable;
    rig.shard.refused(rig.now, write.id, code, &mut effects);
    rig.settle(effects);
    assert_eq!((rig.done(ticket), rig.offset(0)), (Some(code), None));
    assert!(rig.shard.is_empty(), "the group was made for it alone");
}

#[test]
fn a_group_with_members_is_not_deleted_and_an_empty_one_is() {
    let mut rig = Rig::new();
    let (leader, other) = rig.pair();
    rig.commit(&leader, 1, vec![row(0, 5)]);
    let delete = |rig: &mut Rig| {
        let ticket = rig.ticket();
        let mut effects = Effects::default();
        rig.shard
            .delete(rig.now, &Rig::group(), ticket, &mut effects);
        rig.settle(effects);
        rig.done(ticket)
    };
    assert_eq!(delete(&mut rig), Some(ErrorCode::NonEmptyGroup));
    rig.leave(&[&leader, &other]);
    assert_eq!(delete(&mut rig), Some(ErrorCode::None));
    assert_eq!(delete(&mut rig), Some(ErrorCode::GroupIdNotFound));
    rig.fail_over();
    assert!(rig.shard.is_empty());
}

#[test]
fn a_deletion_takes_commits_under_way_along_and_leaves_later_ones() {
    let mut rig = Rig::new();
    rig.prompt = false;
    rig.commit("", -1, vec![row(0, 5)]);
    let ticket = rig.ticket();
    let mut effects = Effects::default();
    rig.shard
        .delete(rig.now, &Rig::group(), ticket, &mut effects);
    rig.settle(effects);
    rig.commit("", -1, vec![row(1, 7)]);
    rig.commit_log();
    assert_eq!((rig.offset(0), rig.offset(1)), (None, Some(7)));
    rig.fail_over();
    assert_eq!((rig.offset(0), rig.offset(1)), (None, Some(7)));
}

#[test]
fn offsets_that_members_read_are_theirs() {
    let mut rig = Rig::new();
    assert_eq!(
        rig.shard.may_delete_offsets("g"),
        Err(ErrorCode::GroupIdNotFound)
    );
    let (leader, _) = rig.pair();
    rig.commit(&leader, 1, vec![row(0, 5), row(1, 6)]);
    assert_eq!(rig.shard.may_delete_offsets("g"), Ok(()));
    assert!(rig.shard.reads("g", "orders"));
    assert!(!rig.shard.reads("g", "payments"));
    let ticket = rig.ticket();
    let mut effects = Effects::default();
    rig.shard.delete_offsets(
        rig.now,
        &Rig::group(),
        ticket,
        &[(text("orders"), 0)],
        &mut effects,
    );
    rig.settle(effects);
    assert_eq!((rig.offset(0), rig.offset(1)), (None, Some(6)));
}
