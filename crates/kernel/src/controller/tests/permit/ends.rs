//! How a permit ends.

use super::*;
use crate::image::PERMIT_HISTORY;

fn give_back(id: PermitId) -> Command {
    Command::EndPermit {
        id,
        holder: "op".to_owned(),
        force: false,
    }
}

impl Office {
    /// The broker comes back and is ready, but in no ISR.
    fn come_back(&mut self, broker: i32) {
        self.restart(broker, 0, 10);
        self.beat(&[0, 1, 2]);
        self.tick();
        assert!(!self.broker(broker).fenced);
        assert!(!self.isr().contains(&broker));
    }
}

#[test]
fn a_restart_is_complete_once_the_broker_is_in_every_isr_again() {
    let mut office = Office::with_voters();
    let id = office.granted(&request(&[0]));
    office.come_back(0);
    office.pass(1_000, &[0, 1, 2]);
    assert_eq!(office.stage(), Some(PermitStage::Granted));
    let taken = refused(office.acquire(&request(&[1])));
    assert!(matches!(taken[0], PermitObstacle::SlotTaken { .. }));
    office.set_isr(&[0, 1, 2]);
    office.tick();
    assert_eq!(office.image.permit, None);
    assert_eq!(office.last_outcome(), PermitOutcome::Completed);
    // Its holder may ask what became of it for a while.
    let outcome = office.ask(&give_back(id));
    assert_eq!(outcome, Outcome::PermitEnded(office.last_end().clone()));
}

#[test]
fn each_broker_of_a_zone_must_be_back() {
    let mut office = Office::with_voters();
    office.put_zone(1, "a");
    office.put_zone(2, "a");
    let mut wanted = request(&[1, 2]);
    wanted.force = true;
    office.granted(&wanted);
    office.come_back(2);
    office.set_isr(&[0, 1, 2]);
    office.pass(500, &[0, 1, 2]);
    assert_eq!(office.stage(), Some(PermitStage::Granted), "1 is to follow");
    office.come_back(1);
    office.set_isr(&[0, 1, 2]);
    office.tick();
    assert_eq!(office.last_outcome(), PermitOutcome::Completed);
}

#[test]
fn a_registration_before_the_grant_is_no_restart() {
    let mut office = Office::with_voters();
    office.acquire(&request(&[0]));
    office.restart(0, 0, 10);
    office.beat(&[0, 1, 2]);
    office.tick();
    assert_eq!(office.stage(), Some(PermitStage::Granted));
    office.set_isr(&[0, 1, 2]);
    office.pass(500, &[0, 1, 2]);
    assert_eq!(
        office.stage(),
        Some(PermitStage::Granted),
        "the holder may stop it still"
    );
}

#[test]
fn a_new_disk_counts_as_a_restart() {
    let mut office = Office::with_voters();
    office.granted(&request(&[0]));
    office.pass(1_500, &[1, 2]);
    office.ask(&Command::Admit(disk(0, 2)));
    office.ask(&Command::Register(registration(0, 2, 1, 1)));
    office.beat(&[0, 1, 2]);
    office.tick();
    assert_eq!(office.stage(), Some(PermitStage::Granted));
    office.set_isr(&[0, 1, 2]);
    office.tick();
    assert_eq!(office.last_outcome(), PermitOutcome::Completed);
}

#[test]
fn a_permit_that_nobody_used_is_cancelled_when_it_is_given_back() {
    let mut office = Office::with_voters();
    office.acquire(&request(&[0]));
    let outcome = office.ask(&give_back(PermitId(1)));
    assert_eq!(outcome, Outcome::PermitEnded(office.last_end().clone()));
    assert_eq!(office.last_outcome(), PermitOutcome::Cancelled);

    let id = office.granted(&request(&[0]));
    office.ask(&give_back(id));
    assert_eq!(office.stage(), Some(PermitStage::Ending));
    office.pass(200, &[0, 1, 2]);
    assert_eq!(office.image.permit, None);
    assert_eq!(office.last_outcome(), PermitOutcome::Cancelled);
}

#[test]
fn a_broker_killed_a_moment_before_the_permit_is_given_back_holds_the_slot() {
    let mut office = Office::with_voters();
    let id = office.granted(&request(&[0]));
    office.ask(&give_back(id));
    assert!(!office.broker(0).fenced && office.isr().contains(&0));
    office.pass(2_000, &[1, 2]);
    assert_eq!(office.stage(), Some(PermitStage::Ending));
    office.come_back(0);
    office.pass(500, &[0, 1, 2]);
    assert_eq!(office.stage(), Some(PermitStage::Ending));
    office.set_isr(&[0, 1, 2]);
    office.pass(100, &[0, 1, 2]);
    assert_eq!(office.last_outcome(), PermitOutcome::Completed);
}

#[test]
fn a_new_controller_does_not_end_a_permit_before_its_brokers_are_heard_from() {
    let mut office = Office::with_voters();
    let id = office.granted(&request(&[0]));
    office.ask(&give_back(id));
    office.succeed();
    office.pass(800, &[1, 2]);
    assert_eq!(office.stage(), Some(PermitStage::Ending));
    office.pass(100, &[0, 1, 2]);
    assert_eq!(office.last_outcome(), PermitOutcome::Cancelled);
}

#[test]
fn a_permit_that_nobody_used_runs_out() {
    let mut office = Office::with_voters();
    let mut wanted = request(&[0]);
    wanted.ttl_ms = 2_000;
    office.granted(&wanted);
    office.pass(1_900, &[0, 1, 2]);
    assert_eq!(office.stage(), Some(PermitStage::Granted));
    office.pass(500, &[0, 1, 2]);
    assert_eq!(office.image.permit, None);
    assert_eq!(office.last_outcome(), PermitOutcome::Expired);
}

#[test]
fn a_permit_that_runs_out_keeps_its_slot_until_the_broker_is_caught_up() {
    let mut office = Office::with_voters();
    let mut wanted = request(&[0]);
    wanted.ttl_ms = 2_000;
    office.granted(&wanted);
    office.pass(60_000, &[1, 2]);
    assert_eq!(office.stage(), Some(PermitStage::Ending));
    let taken = refused(office.acquire(&request(&[1])));
    assert_eq!(
        taken[0].to_string(),
        "permit 1 of op for broker 0 has the slot and is ending"
    );
    office.come_back(0);
    office.pass(1_000, &[0, 1, 2]);
    assert_eq!(office.stage(), Some(PermitStage::Ending));
    office.set_isr(&[0, 1, 2]);
    office.pass(200, &[0, 1, 2]);
    assert_eq!(office.last_outcome(), PermitOutcome::Completed);
    assert!(office.last_end().permit.ran_out);
}

#[test]
fn a_broker_is_parked_once_it_is_down_and_nobody_waits_for_it() {
    let mut office = Office::with_voters();
    let mut wanted = request(&[0]);
    wanted.purpose = PermitPurpose::Park;
    office.granted(&wanted);
    office.pass(500, &[0, 1, 2]);
    assert_eq!(office.stage(), Some(PermitStage::Granted));
    let (broker, broker_epoch) = (BrokerId(0), office.broker(0).epoch);
    office.ask(&Command::Shutdown {
        broker,
        broker_epoch,
    });
    office.tick();
    assert_eq!(office.image.permit, None);
    assert_eq!(office.last_outcome(), PermitOutcome::Parked);
    assert_eq!(
        refused(office.acquire(&request(&[1]))),
        below(1),
        "the next would be one too many"
    );
}

#[test]
fn a_broker_that_was_to_be_parked_and_came_back_ends_the_permit_once_caught_up() {
    let mut office = Office::with_voters();
    let mut wanted = request(&[0]);
    wanted.purpose = PermitPurpose::Park;
    office.granted(&wanted);
    office.set_isr(&[1, 2]);
    // Restarted and unfenced between two ticks.
    office.restart(0, 0, 10);
    let mut record = office.broker(0).clone();
    record.fenced = false;
    office.image.apply(&Change::PutBroker(record));
    office.beat(&[0, 1, 2]);
    office.tick();
    assert_eq!(office.stage(), Some(PermitStage::Granted));
    office.set_isr(&[0, 1, 2]);
    office.tick();
    assert_eq!(office.last_outcome(), PermitOutcome::Completed);
}

#[test]
fn the_history_is_bounded_and_numbers_count_up() {
    let mut office = Office::with_voters();
    for id in 1..PERMIT_HISTORY as u64 + 4 {
        office.acquire(&request(&[0]));
        let outcome = office.ask(&give_back(PermitId(id)));
        assert!(matches!(outcome, Outcome::PermitEnded(_)), "{outcome:?}");
    }
    assert_eq!(office.image.permit_history.len(), PERMIT_HISTORY);
    let unknown = office.ask(&give_back(PermitId(0)));
    assert_eq!(refusal(&unknown), ErrorCode::InvalidRequest);
}
