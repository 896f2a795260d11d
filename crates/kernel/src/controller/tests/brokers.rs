//! Registration, sessions, fencing, stopping, replaced disks.

use holdfast_model::ErrorCode;

use super::*;

#[test]
fn a_registered_process_is_fenced_until_it_says_that_it_can_serve() {
    let mut office = Office::of_three();
    let epoch = epoch_of(&office.restart(2, 0, 0));
    assert!(office.broker(2).fenced);
    let (image, now) = (office.image.clone(), office.now);
    let sessions = office.controller.sessions_mut();
    sessions.heartbeat(&image, BrokerId(2), epoch, false, now);
    office.tick();
    assert!(office.broker(2).fenced, "it reported, but is not ready");
    office.beat(&[2]);
    office.tick();
    assert!(!office.broker(2).fenced);
}

#[test]
fn schedule_1_a_restarted_leader_follows_until_it_is_elected_under_a_higher_epoch() {
    let mut office = Office::with_topic();
    let before = office.record().clone();
    office.restart(0, 0, 10);
    assert_eq!((office.leader(), office.isr()), (Some(1), vec![1, 2]));
    assert_eq!(office.record().leader_epoch, before.leader_epoch.next());
    assert_eq!(office.record().leader_registration, office.broker(1).epoch);
}

#[test]
fn schedule_1_a_leader_without_a_successor_does_not_go_on_in_its_epoch() {
    let mut office = Office::with_topic();
    office.pass(1_500, &[0]);
    assert_eq!(office.isr(), [0]);
    let epoch = office.record().leader_epoch;
    office.restart(0, 0, 10);
    assert_eq!(office.leader(), None);
    assert!(office.record().leader_epoch > epoch);
    office.beat(&[0]);
    office.tick();
    office.tick();
    assert_eq!(office.leader(), Some(0), "the only member leads again");
    assert_eq!(office.record().leader_registration, office.broker(0).epoch);
    assert!(office.record().leader_epoch > epoch.next());
}

#[test]
fn a_registration_asked_twice_by_one_process_is_one_registration() {
    let mut office = Office::of_three();
    let first = epoch_of(&office.restart(1, 0, 0));
    let version = office.image.clone();
    let again = office.ask(&Command::Register(registration(1, 1, 2, 2)));
    assert_eq!(epoch_of(&again), first);
    assert_eq!(office.image.brokers, version.brokers);
}

#[test]
fn schedule_15_a_smaller_start_number_is_refused() {
    let mut office = Office::of_three();
    office.restart(1, 0, 0);
    let outcome = office.ask(&Command::Register(registration(1, 1, 1, 9)));
    assert_eq!(refusal(&outcome), ErrorCode::DuplicateBrokerRegistration);
}

#[test]
fn schedule_15_a_start_number_of_two_processes_shuts_the_disk_out_and_another_takes_its_place() {
    let mut office = Office::of_three();
    office.restart(1, 0, 0);
    let epoch = office.broker(1).epoch;
    let outcome = office.ask(&Command::Register(registration(1, 1, 2, 77)));
    assert_eq!(refusal(&outcome), ErrorCode::DuplicateBrokerRegistration);
    // The copy starts once more: its number was never seen, yet it stays out.
    let outcome = office.ask(&Command::Register(registration(1, 1, 3, 78)));
    assert_eq!(refusal(&outcome), ErrorCode::DuplicateBrokerRegistration);
    assert_eq!(
        office.broker(1).epoch,
        epoch,
        "whoever is registered goes on"
    );
    // Nobody can tell which copy is whole, and a person who is asked to admit "the disk" cannot either.
    let outcome = office.ask(&Command::Admit(disk(1, 1)));
    assert_eq!(refusal(&outcome), ErrorCode::DuplicateBrokerRegistration);
    office.ask(&Command::Admit(disk(1, 2)));
    let outcome = office.ask(&Command::Register(registration(1, 2, 1, 5)));
    assert!(epoch_of(&outcome) > epoch);
}

#[test]
fn schedule_4_a_replaced_disk_leaves_every_isr_in_the_commit_that_registers_its_successor() {
    let mut office = Office::with_topic();
    let waits = office.ask(&Command::Register(registration(1, 2, 1, 1)));
    assert_eq!(refusal(&waits), ErrorCode::InvalidRegistration);
    assert_eq!(office.isr(), [0, 1, 2], "nothing happens before admission");
    office.ask(&Command::Admit(disk(1, 2)));
    office.ask(&Command::Register(registration(1, 2, 1, 1)));
    assert_eq!(office.isr(), [0, 2]);
    assert!(office.record().elr.is_empty());
    // The old disk never returns, not even when an operator wants it.
    assert_eq!(
        refusal(&office.ask(&Command::Admit(disk(1, 1)))),
        ErrorCode::InvalidRegistration
    );
    let old = office.ask(&Command::Register(registration(1, 1, 9, 9)));
    assert_eq!(refusal(&old), ErrorCode::InvalidRegistration);
}

#[test]
fn schedule_4_a_partition_that_loses_its_last_holder_waits_for_an_operator() {
    let mut office = Office::with_topic();
    office.set_isr(&[0, 1]);
    office.ask(&Command::Admit(disk(1, 2)));
    office.ask(&Command::Register(registration(1, 2, 1, 1)));
    office.ask(&Command::Admit(disk(0, 2)));
    office.ask(&Command::Register(registration(0, 2, 1, 1)));
    assert_eq!((office.leader(), office.isr()), (None, vec![]));
    office.pass(10_000, &[0, 1, 2]);
    assert_eq!(office.leader(), None, "nobody holds what was acknowledged");
}

#[test]
fn a_silent_broker_is_fenced_and_leaves_every_isr_that_has_another_live_member() {
    let mut office = Office::with_topic();
    office.pass(1_500, &[0, 1]);
    assert!(office.broker(2).fenced);
    assert_eq!(office.isr(), [0, 1]);
    assert!(!office.broker(0).fenced && !office.broker(1).fenced);
    assert_eq!(office.leader(), Some(0));
}

#[test]
fn a_silent_leader_is_replaced_and_its_epoch_is_over() {
    let mut office = Office::with_topic();
    let epoch = office.record().leader_epoch;
    office.pass(1_500, &[1, 2]);
    assert_eq!((office.leader(), office.isr()), (Some(1), vec![1, 2]));
    assert_eq!(office.record().leader_epoch, epoch.next());
}

#[test]
fn schedule_20_a_new_controller_grants_a_full_session_before_it_fences() {
    let mut office = Office::with_topic();
    office.wait(60_000);
    office.succeed();
    office.pass(1_000, &[0, 1]);
    assert!(
        !office.broker(2).fenced,
        "not heard for a session's length yet"
    );
    office.pass(200, &[0, 1]);
    assert!(office.broker(2).fenced);
}

#[test]
fn a_refused_connection_ends_a_session_at_once_and_a_heartbeat_takes_it_back() {
    let mut office = Office::with_topic();
    office.pass(300, &[0, 1, 2]);
    office
        .controller
        .sessions_mut()
        .refuses_connections(BrokerId(2));
    office.beat(&[2]);
    office.tick();
    assert!(!office.broker(2).fenced, "it was heard after that");
    office
        .controller
        .sessions_mut()
        .refuses_connections(BrokerId(2));
    office.tick();
    assert!(office.broker(2).fenced);
}

#[test]
fn a_heartbeat_of_an_older_registration_counts_for_nothing() {
    let mut office = Office::of_three();
    let old = office.broker(2).epoch;
    office.restart(2, 0, 0);
    let (image, now) = (office.image.clone(), office.now);
    let answer = office
        .controller
        .sessions_mut()
        .heartbeat(&image, BrokerId(2), old, true, now);
    assert_eq!(answer, HeartbeatAnswer::Unknown);
    office.tick();
    assert!(office.broker(2).fenced);
}

#[test]
fn a_stopping_broker_hands_over_and_leaves_where_others_can_do_without_it() {
    let mut office = Office::with_topic();
    let (broker, broker_epoch) = (BrokerId(0), office.broker(0).epoch);
    let outcome = office.ask(&Command::Shutdown {
        broker,
        broker_epoch,
    });
    assert_eq!(outcome, Outcome::Stopping { still_led: 0 });
    assert_eq!((office.leader(), office.isr()), (Some(1), vec![1, 2]));
    office.pass(500, &[0, 1, 2]);
    assert!(
        !office.isr().contains(&0),
        "a stopping broker does not come back by itself"
    );
}

#[test]
fn the_last_member_of_an_isr_keeps_leading_while_it_stops() {
    let mut office = Office::with_topic();
    office.set_isr(&[0]);
    office.pass(1_500, &[0]);
    let (broker, broker_epoch) = (BrokerId(0), office.broker(0).epoch);
    let outcome = office.ask(&Command::Shutdown {
        broker,
        broker_epoch,
    });
    assert_eq!(outcome, Outcome::Stopping { still_led: 1 });
    assert_eq!((office.leader(), office.isr()), (Some(0), vec![0]));
}

#[test]
fn a_resignation_is_for_the_epoch_that_it_names() {
    let mut office = Office::with_topic();
    let (broker, broker_epoch) = (BrokerId(0), office.broker(0).epoch);
    let epoch = office.record().leader_epoch;
    let resign = |epoch| Command::Resign {
        broker,
        broker_epoch,
        partitions: vec![(AT, epoch)],
    };
    office.ask(&resign(epoch.next()));
    assert_eq!(office.leader(), Some(0), "another epoch");
    office.ask(&resign(epoch));
    assert_eq!((office.leader(), office.isr()), (Some(1), vec![1, 2]));
}

#[test]
fn producer_ids_are_committed_before_use_and_never_handed_out_twice() {
    let mut office = Office::of_three();
    let (broker, broker_epoch) = (BrokerId(0), office.broker(0).epoch);
    let command = Command::AllocateProducerIds {
        broker,
        broker_epoch,
        count: 1000,
    };
    assert_eq!(office.ask(&command), Outcome::ProducerIds(0));
    office.succeed();
    assert_eq!(office.ask(&command), Outcome::ProducerIds(1000));
}
