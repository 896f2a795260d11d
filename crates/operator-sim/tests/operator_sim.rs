//! The operator, many seeds. What is modelled and how to replay a failure: `docs/simulation.md`.

use std::collections::BTreeMap;

use holdfast_operator_sim::{Mode, PROFILES, Profile, Report, run};
use holdfast_planner::planted::{self, Planted};

/// Seeds of every build. `holdfast-operator-sim` runs any number.
const SEEDS: u64 = 180;

/// Seeds in which a planted bug must show itself.
const PLANTED_SEEDS: u64 = 400;

/// A planted bug must show itself so often in that many seeds: fewer would mean that the faults have
/// come to miss it almost.
const AT_LEAST: usize = 3;

/// Seeds that found something, and what. What they do changes with the simulator; the planner's tests name
/// what was mended.
const FOUND: [(u64, &str); 18] = [
    (
        357,
        "several brokers that wait for formation were stopped at once",
    ),
    (
        410,
        "a drain of a node that a pod was to start on was no reason to restart it",
    ),
    (
        667,
        "a setting taken back left a file that waited for an approval",
    ),
    (
        904,
        "a set was shrunk by an operator that had lost the lease",
    ),
    (
        1883,
        "a set was shrunk by an operator that had lost the lease",
    ),
    (
        2361,
        "a setting taken back left a file that waited for an approval",
    ),
    (
        3101,
        "a broker that copies one partition counted as away from all",
    ),
    (5021, "a lost pod was removed after its node had come back"),
    (
        6072,
        "an approval that stands was good for the same steps again",
    ),
    (
        6225,
        "a broker that came back before the approval was not in the plan",
    ),
    (6500, "a broker was let in and stopped in one look"),
    (
        6634,
        "a broker was stopped because a cache showed it as down",
    ),
    (
        7196,
        "a permit was given back before the cache showed that its pod was deleted",
    ),
    (
        7595,
        "a request of an operator that had lost the lease came late",
    ),
    (
        7696,
        "a broker was unparked because an older resource was seen",
    ),
    (7962, "a node was given back while its brokers left it"),
    (
        9503,
        "an approved plan that was carried out came back with an older status",
    ),
    (
        9528,
        "whoever wrote the number that was there voided an approval",
    ),
];

fn failure(profile: &'static Profile, seed: u64, planted: Planted, report: &Report) -> String {
    let found = report.violation.as_ref().expect("called with a failure");
    let again = run(profile, seed, planted, Mode::Last);
    let last = again.lines.len().saturating_sub(60);
    format!(
        "{}\nseed {seed} profile {} planted {planted:?}: {}: {}\nreplay: cargo run --release -p \
         holdfast-operator-sim -- --seed {seed} --profile {}",
        again.lines[last..].join("\n"),
        profile.name,
        found.invariant,
        found.detail,
        profile.name,
    )
}

#[test]
fn seeds_that_found_something_find_it_no_more() {
    for (seed, what) in FOUND {
        let profile = Profile::of_seed(seed);
        let report = run(profile, seed, Planted::None, Mode::Quiet);
        assert!(
            report.violation.is_none(),
            "{what}?\n{}",
            failure(profile, seed, Planted::None, &report)
        );
    }
}

#[test]
fn seeds_of_every_profile_keep_every_promise_and_come_to_what_is_wished() {
    let (mut looks, mut stopped, mut crashes, mut faults) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let profile = Profile::of_seed(seed);
        let report = run(profile, seed, Planted::None, Mode::Quiet);
        assert!(
            report.violation.is_none(),
            "{}",
            failure(profile, seed, Planted::None, &report)
        );
        looks += report.looks;
        stopped += report.stopped;
        crashes += report.crashes;
        faults += report.faults;
    }
    println!(
        "{SEEDS} seeds: {looks} reconciles, {stopped} brokers stopped, {crashes} operators died or \
         froze, {faults} other faults"
    );
    // A simulator in which nothing happens finds nothing.
    assert!(looks > SEEDS * 30 && stopped > SEEDS && crashes > SEEDS && faults > SEEDS);
}

#[test]
fn a_seed_is_a_run() {
    for (index, profile) in PROFILES.iter().enumerate() {
        let seed = 7_000 + index as u64;
        let once = run(profile, seed, Planted::None, Mode::Last);
        let again = run(profile, seed, Planted::None, Mode::Last);
        assert_eq!(once, again, "profile {}", profile.name);
        let other = run(profile, seed + 100, Planted::None, Mode::Last);
        assert_ne!(once.hash, other.hash, "profile {}", profile.name);
    }
}

/// How each planted bug is caught: in which profile, and by which invariants.
const CAUGHT: &[(Planted, &str, &[&str])] = &[
    (
        Planted::ClaimsGoWithTheirSet,
        "crashes",
        &["NothingDestroyed"],
    ),
    (Planted::LostByTimeAlone, "machines", &["NeverTwoOfOneDisk"]),
    (
        Planted::RollsByItsCache,
        "stale",
        &["PermitBeforeStop", "NeverBelowMinByOurAct"],
    ),
    (Planted::AddressesByOrdinal, "calm", &["PermitBeforeStop"]),
    (
        Planted::UpgradeNeedsNoApproval,
        "calm",
        &["OnlyApprovedRestarts"],
    ),
    (
        Planted::DrainingCountsAsGranted,
        "calm",
        &["PermitBeforeStop"],
    ),
    (
        Planted::PermitKnownByMemory,
        "crashes",
        &["StableWishConverges"],
    ),
    (
        Planted::RestartsWhenScaled,
        "calm",
        &["StableWishConverges"],
    ),
    (
        Planted::NextBeforeCaughtUp,
        "calm",
        &["PermitBeforeStop", "NeverBelowMinByOurAct"],
    ),
    (
        Planted::FirstFailureEndsAll,
        "stuck",
        &["OneStuckBlocksNoOther"],
    ),
];

#[test]
fn every_planted_bug_is_caught() {
    let mut late = Vec::new();
    for bug in planted::ALL {
        let (_, name, by) = CAUGHT
            .iter()
            .find(|(known, _, _)| known == bug)
            .expect("a row for every bug");
        let profile = Profile::named(name).expect("a profile with this name");
        let mut caught: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for seed in 0..PLANTED_SEEDS {
            let report = run(profile, seed, *bug, Mode::Quiet);
            if let Some(found) = report.violation {
                caught.entry(found.invariant).or_default().push(seed);
            }
            let hits: usize = by
                .iter()
                .filter_map(|name| caught.get(*name))
                .map(Vec::len)
                .sum();
            if hits == AT_LEAST {
                break;
            }
        }
        println!("{bug:?} in seeds of {name}: {caught:?}");
        let hits: Vec<u64> = by
            .iter()
            .filter_map(|name| caught.get(*name))
            .flatten()
            .copied()
            .collect();
        if hits.len() < AT_LEAST {
            late.push((*bug, caught));
            continue;
        }
        for seed in hits {
            let without = run(profile, seed, Planted::None, Mode::Quiet);
            assert_eq!(without.violation, None, "seed {seed} without {bug:?}");
        }
    }
    assert!(late.is_empty(), "not caught often enough: {late:?}");
}
