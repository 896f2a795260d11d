//! Force: what it overcomes, and what it leaves on record.

use super::*;

#[test]
fn force_grants_against_the_rules_and_the_record_says_which() {
    let mut office = Office::with_voters();
    office.set_isr(&[0, 1]);
    let mut wanted = request(&[0]);
    wanted.force = true;
    office.granted(&wanted);
    assert_eq!(office.permit().forced, [below(1)[0].to_string()]);
    assert_eq!(office.leader(), Some(1), "leaders leave all the same");
}

#[test]
fn what_breaks_while_leaders_move_is_on_record_too() {
    let mut office = Office::with_voters();
    let mut wanted = request(&[0]);
    wanted.force = true;
    office.acquire(&wanted);
    assert_eq!(office.permit().forced, Vec::<String>::new());
    office.set_isr(&[0, 1]);
    office.tick();
    assert_eq!(office.stage(), Some(PermitStage::Granted));
    assert_eq!(office.permit().forced, [below(1)[0].to_string()]);
}

#[test]
fn force_does_not_make_a_broker_known() {
    let mut office = Office::with_voters();
    let mut wanted = request(&[0, 7]);
    wanted.force = true;
    let obstacles = refused(office.acquire(&wanted));
    assert_eq!(obstacles, [PermitObstacle::UnknownBroker(BrokerId(7))]);
    assert!(!obstacles[0].yields_to_force());
    assert!(below(1)[0].yields_to_force());
}

#[test]
fn force_frees_the_slot_of_anybody_and_the_history_says_so() {
    let mut office = Office::with_voters();
    let id = office.granted(&request(&[0]));
    office.restart(0, 0, 10);
    let end = |force| Command::EndPermit {
        id,
        holder: "somebody".to_owned(),
        force,
    };
    let outcome = office.ask(&end(false));
    assert_eq!(refusal(&outcome), ErrorCode::PolicyViolation);
    let outcome = office.ask(&end(true));
    assert_eq!(office.last_outcome(), PermitOutcome::Broken);
    assert_eq!(outcome, Outcome::PermitEnded(office.last_end().clone()));
    assert_eq!(office.image.permit, None);
}
