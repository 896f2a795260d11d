//! The feature level.

use holdfast_model::ErrorCode;

use super::*;

fn at_level_one() -> Office {
    let mut office = Office::of_three();
    office.image.feature_level = 1;
    office
}

fn raise(office: &mut Office, level: u32) -> Outcome {
    office.ask(&Command::RaiseFeatureLevel { level })
}

#[test]
fn the_level_rises_once_every_broker_knows_it_and_never_goes_back() {
    let mut office = at_level_one();
    assert_eq!(raise(&mut office, 2), Outcome::FeatureLevel(2));
    assert_eq!(office.image.feature_level, 2);
    assert_eq!(
        raise(&mut office, 2),
        Outcome::FeatureLevel(2),
        "asked again"
    );
    let back = raise(&mut office, 1);
    assert_eq!(refusal(&back), ErrorCode::InvalidUpdateVersion);
    let ahead = raise(&mut office, FEATURE_LEVEL + 1);
    assert_eq!(refusal(&ahead), ErrorCode::InvalidUpdateVersion);
    assert_eq!(office.image.feature_level, 2);
}

#[test]
fn a_broker_that_does_not_know_the_level_is_named_even_if_it_is_fenced() {
    let mut office = at_level_one();
    let mut old = registration(2, 1, 2, 2);
    (old.version, old.max_feature_level) = ("0.0.9".to_owned(), 1);
    office.ask(&Command::Register(old));
    assert!(office.broker(2).fenced);
    let outcome = raise(&mut office, 2);
    assert_eq!(refusal(&outcome), ErrorCode::FeatureUpdateFailed);
    let text = format!("{outcome:?}");
    assert!(text.contains("2 (0.0.9, fenced: level 1)"), "{text}");
    assert_eq!(office.image.feature_level, 1);
}

#[test]
fn a_program_that_does_not_know_the_level_in_force_does_not_register() {
    let mut office = Office::of_three();
    let mut old = registration(2, 1, 2, 2);
    old.max_feature_level = 1;
    let before = office.image.brokers.clone();
    let outcome = office.ask(&Command::Register(old));
    assert_eq!(refusal(&outcome), ErrorCode::UnsupportedVersion);
    assert_eq!(office.image.brokers, before);
}

#[test]
fn a_version_forgotten_by_an_older_controller_is_put_back_when_the_process_says_it_again() {
    let mut office = at_level_one();
    let before = office.broker(2).clone();
    // What a controller of level 1 makes of a record that it changes.
    let mut forgotten = before.clone();
    (forgotten.version, forgotten.max_feature_level) = (String::new(), 1);
    office.image.apply(&Change::PutBroker(forgotten));
    assert_eq!(
        refusal(&raise(&mut office, 2)),
        ErrorCode::FeatureUpdateFailed
    );

    let mut again = registration(2, 1, 1, before.process);
    again.version.clone_from(&before.version);
    let again = Command::Register(again);
    office.ask(&again);
    assert_eq!(*office.broker(2), before, "the same registration goes on");
    let mut draft = Draft::new(&office.image);
    office.controller.decide(&mut draft, &again, office.now);
    let changes = draft.into_batch(0).changes;
    assert!(changes.is_empty(), "said once more: {changes:?}");
    assert_eq!(raise(&mut office, 2), Outcome::FeatureLevel(2));
}

#[test]
fn what_a_cluster_of_level_one_agrees_on_is_written_as_level_one_reads_it() {
    let mut office = at_level_one();
    let mut draft = Draft::new(&office.image);
    draft.put(Change::SetNextProducerId(7));
    assert_eq!(draft.clone().into_batch(0).format, 1);
    // The entry that raises the level is the first that level 1 refuses.
    Controller::raise_feature_level(&mut draft, 2);
    assert_eq!(draft.into_batch(0).format, 2);
    raise(&mut office, 2);
    assert_eq!(Draft::new(&office.image).into_batch(0).format, 2);
}
