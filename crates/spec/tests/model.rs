//! The protocol loses nothing within bounds that fit into every build, and a record without most of its rules.
//! Larger bounds: `make model`, and docs/model.md.

use holdfast_spec::model::{Found, Protocol};
use holdfast_spec::rule::Rule;
use holdfast_spec::rules::Rules;
use holdfast_spec::state::Bounds;

const SMALL: Bounds = Bounds {
    epochs: 2,
    batches: 2,
    crashes: 1,
    changes: 1,
    wipes: 0,
    settings: 0,
    late: 0,
};

/// More states than any of these bounds has.
const MOST: usize = 5_000_000;

fn check(bounds: Bounds, rules: Rules) -> Found {
    Protocol { bounds, rules }.check(MOST)
}

fn loses_nothing(bounds: Bounds) {
    let found = check(bounds, Rules::ALL);
    assert_eq!(found.broken, None, "{}", found.steps);
    assert!(found.states < MOST, "not all of them were visited");
    assert!(
        found.does_something,
        "all batches are committed in some run"
    );
}

#[test]
fn three_leaderships_a_crash_and_a_change_lose_nothing() {
    loses_nothing(Bounds { epochs: 3, ..SMALL });
}

#[test]
fn a_message_that_is_held_up_loses_nothing() {
    loses_nothing(Bounds { late: 1, ..SMALL });
}

#[test]
fn a_lost_disk_loses_nothing() {
    loses_nothing(Bounds {
        wipes: 1,
        crashes: 0,
        changes: 2,
        ..SMALL
    });
}

#[test]
fn another_minimum_loses_nothing() {
    loses_nothing(Bounds {
        settings: 1,
        changes: 0,
        ..SMALL
    });
}

/// Where each rule is missed: what is lost without it within these bounds.
fn bounds_that_need(rule: Rule) -> Option<Bounds> {
    let two_changes = Bounds {
        changes: 2,
        ..SMALL
    };
    let wiped = Bounds {
        wipes: 1,
        crashes: 0,
        ..two_changes
    };
    match rule {
        Rule::CountWhatIsSynced
        | Rule::EveryMemberHolds
        | Rule::PendingHolds
        | Rule::MinimumCounts
        | Rule::JoinAtEpochStart
        | Rule::JoinAtHighWatermark
        | Rule::JoinSynced
        | Rule::EpochIsOneProcess
        | Rule::OldEpochRefused
        | Rule::OpenByRegistration
        | Rule::CompareHistories
        | Rule::CutLowersSynced
        | Rule::ElectEligible => Some(SMALL),
        Rule::CommittedCounts
        | Rule::EligibleForgotten
        | Rule::ChangeNamesRecord
        | Rule::ChangeUntilSettled => Some(two_changes),
        Rule::MinimumWithEligible => Some(Bounds {
            settings: 1,
            ..two_changes
        }),
        Rule::MembersAreDisks => Some(wiped),
        Rule::JoinByRegistration
        | Rule::LogNamesEpoch
        | Rule::AckNamesProcess
        | Rule::AppendNamesConversation
        | Rule::AppendNamesPrevious => None,
    }
}

/// Which rules are missed, and which are not, is what docs/model.md says.
#[test]
fn each_rule_that_is_left_out_loses_a_record_or_is_known_not_to() {
    let late = Bounds { late: 1, ..SMALL };
    let mut otherwise = Vec::new();
    for rule in Rule::ALL {
        let needed = bounds_that_need(*rule);
        let found = check(needed.unwrap_or(late), Rules::without(&[*rule]));
        println!("{rule:?}: {} states, {:?}", found.states, found.broken);
        if found.broken.is_some() != needed.is_some() {
            otherwise.push(*rule);
        }
    }
    assert_eq!(otherwise, []);
}
