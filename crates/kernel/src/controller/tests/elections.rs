//! ISRs, eligible leaders and elections.

use holdfast_model::ErrorCode;

use super::*;

fn set_min_isr(office: &mut Office, value: &str) {
    let alteration = AlterConfig {
        resource: ConfigResource::Topic("t".to_owned()),
        replace_all: false,
        operations: vec![(
            "min.insync.replicas".to_owned(),
            ConfigOperation::Set(value.to_owned()),
        )],
    };
    let outcome = office.ask(&Command::AlterConfigs {
        alterations: vec![alteration],
        validate_only: false,
    });
    assert_eq!(outcome, Outcome::ConfigsAltered(vec![Ok(())]));
}

#[test]
fn only_the_leader_of_the_present_epoch_changes_an_isr_and_on_the_present_record() {
    let mut office = Office::with_topic();
    let good = office.proposal(&[0, 1]);
    assert_eq!(
        office.propose(1, good.clone()),
        ErrorCode::FencedLeaderEpoch
    );
    let older = IsrProposal {
        leader_epoch: LeaderEpoch(-1),
        ..good.clone()
    };
    assert_eq!(office.propose(0, older), ErrorCode::FencedLeaderEpoch);
    assert_eq!(office.propose(0, good.clone()), ErrorCode::None);
    // The answer was lost, the leader asks again: the record has moved on.
    assert_eq!(office.propose(0, good), ErrorCode::InvalidUpdateVersion);
    assert_eq!(office.isr(), [0, 1]);
}

#[test]
fn a_leader_cannot_leave_itself_out() {
    let mut office = Office::with_topic();
    let proposal = office.proposal(&[1, 2]);
    assert_eq!(office.propose(0, proposal), ErrorCode::InvalidRequest);
}

#[test]
fn schedule_5_a_fenced_broker_cannot_join_but_may_stay() {
    let mut office = Office::with_topic();
    office.set_isr(&[0, 1]);
    office.pass(1_500, &[0, 1]);
    assert!(office.broker(2).fenced);
    let growth = office.proposal(&[0, 1, 2]);
    assert_eq!(office.propose(0, growth), ErrorCode::IneligibleReplica);
    assert!(is_final(ErrorCode::IneligibleReplica));
}

#[test]
fn schedule_4_a_proposal_names_disks_and_registrations() {
    let mut office = Office::with_topic();
    office.set_isr(&[0, 1]);
    let mut other_disk = office.proposal(&[0, 1, 2]);
    other_disk.isr[2].replica = disk(2, 9);
    assert_eq!(office.propose(0, other_disk), ErrorCode::IneligibleReplica);
    let mut older = office.proposal(&[0, 1, 2]);
    older.isr[2].broker_epoch = BrokerEpoch(99);
    assert_eq!(office.propose(0, older), ErrorCode::IneligibleReplica);
    assert_eq!(office.isr(), [0, 1]);
}

#[test]
fn members_that_leave_below_the_minimum_stay_eligible_until_it_is_reached_again() {
    let mut office = Office::with_topic();
    office.set_isr(&[0, 1]);
    assert!(
        office.eligible().is_empty(),
        "2 left while the minimum was kept"
    );
    office.set_isr(&[0]);
    assert_eq!(office.eligible(), [1]);
    office.set_isr(&[0, 2]);
    assert!(office.eligible().is_empty());
}

#[test]
fn schedule_6_lowering_the_minimum_empties_the_eligible_list_in_the_same_commit() {
    let mut office = Office::with_topic();
    office.set_isr(&[0, 1]);
    office.set_isr(&[0]);
    assert_eq!((office.eligible(), office.record().min_isr), (vec![1], 2));
    let version = office.image.version;
    set_min_isr(&mut office, "1");
    assert_eq!((office.eligible(), office.record().min_isr), (vec![], 1));
    assert_eq!(office.image.version, version + 1);
}

#[test]
fn the_minimum_is_never_above_the_replication_factor_and_raising_it_makes_nobody_eligible() {
    let mut office = Office::with_topic();
    office.set_isr(&[0, 1]);
    set_min_isr(&mut office, "5");
    assert_eq!((office.record().min_isr, office.eligible()), (3, vec![]));
}

#[test]
fn eligible_leaders_are_asked_only_once_the_isr_is_gone() {
    let mut office = Office::with_topic();
    office.set_isr(&[0, 1]);
    office.set_isr(&[0]);
    office.pass(900, &[1, 2]);
    assert_eq!(office.leader(), Some(0), "the leader's session still runs");
    office.pass(700, &[1, 2]);
    assert_eq!((office.leader(), office.isr()), (Some(1), vec![1]));
    assert_eq!(office.eligible(), [0], "it held everything too");
    office.pass(5_000, &[2]);
    assert_ne!(
        office.leader(),
        Some(2),
        "2 holds too little, whatever happens"
    );
}

#[test]
fn a_replica_outside_isr_and_eligible_list_never_leads() {
    let mut office = Office::with_topic();
    office.set_isr(&[0, 1]);
    office.pass(60_000, &[2]);
    assert_eq!(office.leader(), None);
    assert_eq!(office.isr(), [0, 1]);
}

#[test]
fn members_that_ran_through_are_preferred_to_members_that_restarted() {
    let mut office = Office::with_topic();
    // Nobody leads while the leader is unknown to a new controller: 1 restarts, stays in the ISR.
    office.succeed();
    office.restart(1, 0, 500);
    assert_eq!(office.isr(), [0, 1, 2]);
    office.pass(1_500, &[1, 2]);
    assert_eq!((office.leader(), office.isr()), (Some(2), vec![2]));
}

/// All three lose power while all are in the ISR.
fn after_a_power_cut(ends: [(i32, i64); 3]) -> Office {
    let mut office = Office::with_topic();
    office.pass(2_000, &[]);
    office.succeed();
    for (broker, (last, end)) in (0..).zip(ends) {
        office.restart(broker, last, end);
    }
    assert_eq!((office.leader(), office.isr()), (None, vec![0, 1, 2]));
    office
}

#[test]
fn schedule_9_after_a_restart_of_all_the_furthest_log_leads_alone() {
    let mut office = after_a_power_cut([(0, 90), (1, 40), (1, 50)]);
    office.pass(500, &[0, 1, 2]);
    assert_eq!((office.leader(), office.isr()), (Some(2), vec![2]));
    assert_eq!(office.eligible(), [0, 1], "one is below the minimum of two");
}

#[test]
fn schedule_9_absent_members_are_waited_for_but_not_for_ever() {
    let mut office = after_a_power_cut([(1, 40), (1, 90), (1, 50)]);
    office.pass(2_000, &[0, 2]);
    assert_eq!(office.leader(), None, "1 may have more");
    office.pass(2_000, &[0, 2]);
    assert_eq!(office.leader(), Some(2));
}

#[test]
fn leaders_come_back_to_the_preferred_replica_once_it_is_in_sync_and_stable() {
    let mut office = Office::with_topic();
    office.restart(0, 0, 10);
    office.pass(1_000, &[0, 1, 2]);
    assert_eq!(office.leader(), Some(1));
    office.pass(10_000, &[0, 1, 2]);
    assert_eq!(office.leader(), Some(1), "it is not in the ISR");
    office.set_isr(&[0, 1, 2]);
    let epoch = office.record().leader_epoch;
    office.pass(2_500, &[0, 1, 2]);
    assert_eq!((office.leader(), office.isr()), (Some(0), vec![0, 1, 2]));
    assert_eq!(office.record().leader_epoch, epoch.next());
}

#[test]
fn a_leader_that_stops_is_followed_by_one_that_clients_did_not_just_lose() {
    let mut office = Office::with_topic();
    office.pass(20_000, &[0, 1, 2]);
    office.restart(1, 1, 10);
    office.pass(1_000, &[0, 1, 2]);
    office.set_isr(&[0, 1, 2]);
    let stop = Command::Shutdown {
        broker: BrokerId(0),
        broker_epoch: office.broker(0).epoch,
    };
    assert_eq!(office.ask(&stop), Outcome::Stopping { still_led: 0 });
    assert_eq!(
        office.leader(),
        Some(2),
        "1 is first in line, but it just came back"
    );
}

#[test]
fn a_decision_that_commits_late_leaves_no_partition_forgotten() {
    let mut office = Office::with_topic();
    set_min_isr(&mut office, "1");
    office.set_isr(&[0]);
    // The commit of what fences broker 0 is not heard of in time, and happens all the same.
    office.wait(1_500);
    office.beat(&[1, 2]);
    let draft = office.controller.tick(&office.image, office.now);
    let batch = draft.into_batch(office.image.version);
    office.controller.lost_sight(office.image.version);
    office.tick_unheard(&batch);
    assert_eq!(office.leader(), None);
    office.pass(300, &[0, 1, 2]);
    assert_eq!(office.leader(), Some(0));
}

#[test]
fn a_new_controller_asks_where_logs_end_before_it_elects_by_them() {
    let mut office = after_a_power_cut([(0, 10), (0, 30), (0, 20)]);
    office.succeed();
    let wants = |office: &mut Office, broker: i32| {
        let epoch = office.broker(broker).epoch;
        let (image, now) = (office.image.clone(), office.now);
        let id = BrokerId(broker);
        let answer = office.controller.heartbeat(&image, id, epoch, true, now);
        matches!(answer, HeartbeatAnswer::Known { report: true, .. })
    };
    office.pass(300, &[0, 1, 2]);
    assert_eq!(
        office.leader(),
        None,
        "nobody knows whose log reaches furthest"
    );
    for (broker, end) in [(0, 10), (1, 30), (2, 20)] {
        assert!(wants(&mut office, broker));
        let record = office.broker(broker);
        let mut again = registration(broker, 1, record.start.0, record.process);
        again.logs = vec![(AT, LeaderEpoch(0), Offset(end))];
        let epoch = office.broker(broker).epoch;
        assert_eq!(epoch_of(&office.ask(&Command::Register(again))), epoch);
        assert!(!wants(&mut office, broker));
    }
    office.pass(200, &[0, 1, 2]);
    assert_eq!(office.leader(), Some(1));
}
