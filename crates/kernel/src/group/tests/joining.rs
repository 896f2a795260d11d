use std::sync::Arc;
use std::time::Duration;

use holdfast_model::ErrorCode;

use super::super::{Answer, GroupState};
use super::rig::{REBALANCE, Rig, SESSION, protocol, row, text};

fn state(rig: &Rig) -> GroupState {
    rig.shard.describe("g").expect("the group").state
}

#[test]
fn members_that_come_together_share_the_first_generation() {
    let mut rig = Rig::new();
    let (a, first) = rig.newcomer();
    rig.pass(Duration::from_secs(2));
    let (b, second) = rig.newcomer();
    assert!(
        !rig.answers.contains_key(&first),
        "others may be on their way"
    );
    rig.pass(Duration::from_secs(7));
    let leader = Arc::clone(&rig.joined(first).leader);
    for (id, ticket) in [(&a, first), (&b, second)] {
        let answer = rig.joined(ticket);
        assert_eq!((answer.code, answer.generation), (ErrorCode::None, 1));
        let told = if *id == leader { 2 } else { 0 };
        assert_eq!(answer.members.len(), told, "only the leader is told of all");
    }
    assert_eq!(state(&rig), GroupState::CompletingRebalance);
}

#[test]
fn nobody_has_an_assignment_before_it_is_committed() {
    let mut rig = Rig::new();
    rig.prompt = false;
    let (id, ticket) = rig.newcomer();
    rig.pass(Duration::from_secs(7));
    assert_eq!(rig.joined(ticket).generation, 1);
    let sync = rig.sync(&id, 1, &[(&id, "all")]);
    assert!(!rig.answers.contains_key(&sync));
    let early = rig.commit(&id, 1, vec![row(0, 5)]);
    assert_eq!(rig.done(early), Some(ErrorCode::RebalanceInProgress));
    rig.commit_log();
    assert_eq!(&*rig.synced(sync).assignment, b"all");
    assert_eq!(state(&rig), GroupState::Stable);
}

#[test]
fn a_newcomer_makes_the_others_join_again() {
    let mut rig = Rig::new();
    let (leader, other) = rig.pair();
    let (_, ticket) = rig.newcomer();
    assert_eq!(rig.heartbeat(&leader, 1), ErrorCode::RebalanceInProgress);
    let request = rig.request(Some(&leader));
    let again = rig.join(request);
    assert!(!rig.answers.contains_key(&again));
    let request = rig.request(Some(&other));
    rig.join(request);
    for ticket in [ticket, again] {
        assert_eq!(rig.joined(ticket).generation, 2);
    }
    assert_eq!(rig.heartbeat(&leader, 1), ErrorCode::IllegalGeneration);
    assert_eq!(rig.heartbeat(&leader, 2), ErrorCode::None);
}

#[test]
fn who_is_silent_is_removed_and_who_does_not_join_again_too() {
    let mut rig = Rig::new();
    let (leader, other) = rig.pair();
    for _ in 0..3 {
        rig.pass(SESSION / 2);
        rig.heartbeat(&leader, 1);
    }
    assert_eq!(rig.heartbeat(&other, 1), ErrorCode::UnknownMemberId);
    assert_eq!(rig.heartbeat(&leader, 1), ErrorCode::RebalanceInProgress);
    // It heartbeats on but never joins again.
    let mut left = REBALANCE + SESSION;
    while !left.is_zero() {
        rig.pass(SESSION / 2);
        rig.heartbeat(&leader, 1);
        left = left.saturating_sub(SESSION / 2);
    }
    assert_eq!(rig.heartbeat(&leader, 1), ErrorCode::UnknownMemberId);
    assert_eq!(state(&rig), GroupState::Empty);
}

#[test]
fn an_assignment_that_does_not_come_makes_a_rebalance() {
    let mut rig = Rig::new();
    let (a, first) = rig.newcomer();
    let (b, _) = rig.newcomer();
    rig.pass(Duration::from_secs(7));
    let leader = Arc::clone(&rig.joined(first).leader);
    let other = if leader == a { b } else { a };
    let waits = rig.sync(&other, 1, &[]);
    let mut left = REBALANCE;
    while !left.is_zero() {
        rig.pass(SESSION / 2);
        rig.heartbeat(&leader, 1);
        left = left.saturating_sub(SESSION / 2);
    }
    assert_eq!(rig.synced(waits).code, ErrorCode::RebalanceInProgress);
    assert_eq!(rig.heartbeat(&leader, 1), ErrorCode::UnknownMemberId);
}

#[test]
fn a_retry_gets_the_answer_that_was_lost() {
    let mut rig = Rig::new();
    let (leader, other) = rig.pair();
    let request = rig.request(Some(&other));
    let again = rig.join(request);
    assert_eq!(rig.joined(again).generation, 1);
    let sync = rig.sync(&other, 1, &[]);
    assert_eq!(&*rig.synced(sync).assignment, b"1");
    // The leader joins again to have the work divided anew.
    let request = rig.request(Some(&leader));
    rig.join(request);
    assert_eq!(state(&rig), GroupState::PreparingRebalance);
}

#[test]
fn a_second_request_answers_the_first() {
    let mut rig = Rig::new();
    let (id, first) = rig.newcomer();
    let request = rig.request(Some(&id));
    let second = rig.join(request);
    assert_eq!(rig.joined(first).code, ErrorCode::RebalanceInProgress);
    rig.pass(Duration::from_secs(7));
    assert_eq!(rig.joined(second).generation, 1);
}

#[test]
fn nonsense_gets_kafkas_codes_and_changes_nothing() {
    let mut rig = Rig::new();
    let (leader, _) = rig.pair();
    let mut alien = rig.request(None);
    alien.protocol_type = text("connect");
    let mut incapable = rig.request(None);
    incapable.protocols = vec![protocol("sticky", &["orders"])];
    let mut hasty = rig.request(None);
    hasty.session_timeout = Duration::from_secs(1);
    let unknown = rig.request(Some(&text("nobody")));
    for (request, code) in [
        (alien, ErrorCode::InconsistentGroupProtocol),
        (incapable, ErrorCode::InconsistentGroupProtocol),
        (hasty, ErrorCode::InvalidSessionTimeout),
        (unknown, ErrorCode::UnknownMemberId),
    ] {
        let ticket = rig.join(request);
        assert_eq!(rig.joined(ticket).code, code);
    }
    let sync = rig.sync(&leader, 7, &[]);
    assert_eq!(rig.synced(sync).code, ErrorCode::IllegalGeneration);
    assert_eq!(rig.heartbeat("nobody", 1), ErrorCode::UnknownMemberId);
    assert_eq!(rig.leave(&[&text("nobody")]), [ErrorCode::UnknownMemberId]);
    assert_eq!(rig.heartbeat(&leader, 1), ErrorCode::None);
    assert_eq!(state(&rig), GroupState::Stable);
}

#[test]
fn a_group_that_is_full_takes_nobody_else_in() {
    let mut rig = Rig::new();
    for _ in 0..4 {
        rig.newcomer();
    }
    let request = rig.request(None);
    let ticket = rig.join(request);
    assert_eq!(rig.joined(ticket).code, ErrorCode::GroupMaxSizeReached);
    rig.pass(Duration::from_secs(7));
    assert_eq!(rig.shard.describe("g").unwrap().members.len(), 4);
}

#[test]
fn ids_that_nobody_joins_with_are_bounded_and_end() {
    let mut rig = Rig::new();
    for _ in 0..4 {
        let request = rig.request(None);
        rig.join(request);
    }
    let request = rig.request(None);
    let ticket = rig.join(request);
    assert_eq!(rig.joined(ticket).code, ErrorCode::GroupMaxSizeReached);
    rig.pass(SESSION);
    assert!(rig.shard.is_empty(), "nothing is left of it");
}

#[test]
fn the_last_one_to_leave_is_written() {
    let mut rig = Rig::new();
    let (leader, other) = rig.pair();
    assert_eq!(
        rig.leave(&[&leader, &other]),
        [ErrorCode::None, ErrorCode::None]
    );
    assert_eq!(state(&rig), GroupState::Empty);
    rig.fail_over();
    assert_eq!(state(&rig), GroupState::Empty);
}

#[test]
fn a_coordinator_that_takes_over_knows_the_members() {
    let mut rig = Rig::new();
    let (leader, other) = rig.pair();
    rig.fail_over();
    assert_eq!(rig.heartbeat(&leader, 1), ErrorCode::None);
    let sync = rig.sync(&other, 1, &[]);
    assert_eq!(&*rig.synced(sync).assignment, b"1");
    rig.pass(SESSION * 2);
    assert_eq!(rig.heartbeat(&leader, 1), ErrorCode::UnknownMemberId);
}

#[test]
fn who_waits_for_a_coordinator_that_goes_is_sent_away() {
    let mut rig = Rig::new();
    let (_, ticket) = rig.newcomer();
    rig.fail_over();
    assert_eq!(rig.joined(ticket).code, ErrorCode::NotCoordinator);
}

#[test]
fn an_assignment_that_is_refused_makes_a_rebalance() {
    let mut rig = Rig::new();
    rig.prompt = false;
    let (id, _) = rig.newcomer();
    rig.pass(Duration::from_secs(7));
    let sync = rig.sync(&id, 1, &[(&id, "all")]);
    let write = rig.under_way.pop().unwrap();
    let mut effects = super::super::Effects::default();
    let code = ErrorCode::CoordinatorNotAvailable;
    rig.shard.refused(rig.now, write.id, code, &mut effects);
    rig.settle(effects);
    assert_eq!(
        rig.answers.get(&sync).map(|answer| match answer {
            Answer::Sync(answer) => answer.code,
            other => panic!("{other:?}"),
        }),
        Some(code)
    );
    assert_eq!(state(&rig), GroupState::PreparingRebalance);
    assert_eq!(rig.heartbeat(&id, 1), ErrorCode::RebalanceInProgress);
}

#[test]
fn who_heartbeats_while_it_waits_to_join_is_not_removed_for_its_silence_later() {
    let mut rig = Rig::new();
    let (leader, other) = rig.pair();
    let request = rig.request(Some(&leader));
    let waits = rig.join(request);
    assert_eq!(rig.heartbeat(&leader, 1), ErrorCode::RebalanceInProgress);
    // The other one heartbeats and takes its time.
    for _ in 0..4 {
        rig.pass(SESSION / 2);
        rig.heartbeat(&other, 1);
    }
    let request = rig.request(Some(&other));
    rig.join(request);
    assert_eq!(rig.joined(waits).code, ErrorCode::None);
}
