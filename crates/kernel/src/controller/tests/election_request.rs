//! Elections on request.

use holdfast_model::ErrorCode;

use super::*;

fn elect(
    office: &mut Office,
    partitions: Option<Vec<TopicPartition>>,
    any: bool,
) -> Vec<ErrorCode> {
    match office.ask(&Command::ElectLeaders { partitions, any }) {
        Outcome::LeadersElected(results) => results
            .into_iter()
            .map(|(_, result)| result.err().map_or(ErrorCode::None, |failure| failure.code))
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Broker 0 fell silent and is back, but not in sync yet; broker 1 leads.
fn led_by_another() -> Office {
    let mut office = Office::with_topic();
    office.pass(1_500, &[1, 2]);
    assert_eq!(office.leader(), Some(1));
    office.beat(&[0, 1, 2]);
    office.tick();
    assert!(!office.broker(0).fenced);
    office
}

#[test]
fn the_preferred_replica_leads_again_once_it_is_in_sync_without_waiting_to_be_settled() {
    let mut office = led_by_another();
    assert_eq!(office.isr(), [1, 2]);
    let early = elect(&mut office, Some(vec![AT]), false);
    assert_eq!(early, [ErrorCode::PreferredLeaderNotAvailable]);
    let proposal = office.proposal(&[0, 1, 2]);
    assert_eq!(office.propose(1, proposal), ErrorCode::None);
    office.tick();
    assert_eq!(office.leader(), Some(1), "by itself it does not move yet");
    assert_eq!(elect(&mut office, Some(vec![AT]), false), [ErrorCode::None]);
    assert_eq!(office.leader(), Some(0));
    let again = elect(&mut office, Some(vec![AT]), false);
    assert_eq!(again, [ErrorCode::ElectionNotNeeded]);
}

#[test]
fn of_all_partitions_those_are_told_of_that_need_something() {
    let mut office = led_by_another();
    let proposal = office.proposal(&[0, 1, 2]);
    office.propose(1, proposal);
    assert_eq!(elect(&mut office, None, false), [ErrorCode::None]);
    assert_eq!(office.leader(), Some(0));
    assert_eq!(elect(&mut office, None, false), []);
    assert_eq!(elect(&mut office, None, true), []);
}

#[test]
fn nobody_is_elected_who_may_lack_what_was_acknowledged() {
    let mut office = Office::with_topic();
    let elsewhere = TopicPartition { partition: 9, ..AT };
    let asked = elect(&mut office, Some(vec![AT, elsewhere]), true);
    let wanted = [
        ErrorCode::ElectionNotNeeded,
        ErrorCode::UnknownTopicOrPartition,
    ];
    assert_eq!(asked, wanted);
    // Broker 2 left the ISR, and is all that is left.
    office.set_isr(&[0, 1]);
    office.pass(3_000, &[2]);
    assert_eq!(office.leader(), None);
    let refused = elect(&mut office, Some(vec![AT]), true);
    assert_eq!(refused, [ErrorCode::EligibleLeadersNotAvailable]);
    assert_eq!(office.leader(), None);
}
