//! Whole clusters, many seeds. What is modelled and how to replay a failure: `docs/simulation.md`.

use std::collections::BTreeMap;

use holdfast_kernel::planted::{self, Planted};
use holdfast_sim::{Coverage, Mode, PROFILES, Profile, Report, SITUATIONS, quiet};

/// Seeds of every build: about a minute on one core. `holdfast-sim` runs any number.
const SEEDS: u64 = 6_000;

/// Seeds in which a planted bug must show itself.
const PLANTED_SEEDS: u64 = 400;

/// A planted bug must show itself at least so often in that many seeds: fewer would mean that the
/// faults have come to miss it almost.
const AT_LEAST: usize = 3;

fn failure(profile: &Profile, seed: u64, planted: Planted, report: &Report) -> String {
    let found = report.violation.as_ref().expect("called with a failure");
    let again = holdfast_sim::run(profile, seed, planted, Mode::Last);
    let last = again.lines.len().saturating_sub(60);
    format!(
        "{}\nseed {seed} profile {} planted {planted:?}: {}: {}\nreplay: cargo run --release -p \
         holdfast-sim -- --seed {seed} --profile {}",
        again.lines[last..].join("\n"),
        profile.name,
        found.invariant,
        found.detail,
        profile.name,
    )
}

/// Runs seeds and counts what was broken, by invariant.
fn broken(
    profile_of: impl Fn(u64) -> &'static Profile,
    seeds: u64,
    planted: Planted,
) -> BTreeMap<String, usize> {
    quiet();
    let mut counts = BTreeMap::new();
    for seed in 0..seeds {
        let report = holdfast_sim::run(profile_of(seed), seed, planted, Mode::Quiet);
        if let Some(violation) = report.violation {
            *counts.entry(violation.invariant).or_default() += 1;
        }
    }
    counts
}

#[expect(
    clippy::print_stdout,
    reason = "how often a bug is caught is what this test measures"
)]
fn is_caught(bug: Planted, profile: &'static str, by: &[&str]) {
    assert!(planted::ALL.contains(&bug));
    let chosen = Profile::named(profile).expect("a profile with this name");
    let with = broken(|_| chosen, PLANTED_SEEDS, bug);
    println!("{bug:?}, {PLANTED_SEEDS} seeds of {profile}: {with:?}");
    let caught: usize = by.iter().filter_map(|name| with.get(*name)).sum();
    assert!(
        caught >= AT_LEAST,
        "{bug:?} is caught in {caught} seeds by {by:?}: {with:?}"
    );
    let without = broken(|_| chosen, PLANTED_SEEDS, Planted::None);
    assert!(
        without.is_empty(),
        "the same seeds without {bug:?}: {without:?}"
    );
}

#[test]
fn thousands_of_seeds_keep_every_promise_and_make_progress_once_healed() {
    quiet();
    let (mut acknowledged, mut stranded, mut faults, mut expired) = (0, 0, 0, 0);
    let (mut granted, mut rolled) = (0, 0);
    let mut coverage = Coverage::default();
    for seed in 0..SEEDS {
        let profile = Profile::of_seed(seed);
        let report = holdfast_sim::run(profile, seed, Planted::None, Mode::Quiet);
        assert!(
            report.violation.is_none(),
            "{}",
            failure(profile, seed, Planted::None, &report)
        );
        let may_strand = matches!(profile.name, "disks" | "mixed" | "rolls-under-faults");
        assert!(
            report.stranded == 0 || may_strand,
            "seed {seed} strands a partition"
        );
        acknowledged += report.acknowledged;
        stranded += report.stranded;
        faults += report.faults;
        expired += report.expired;
        granted += report.granted;
        rolled += report.rolled;
        coverage.count(&report.coverage);
    }
    println!(
        "{SEEDS} seeds: {faults} faults, {acknowledged} acknowledged, {expired} expired, \
         {stranded} stranded, {granted} permits granted, {rolled} rolls done"
    );
    // A simulator that does nothing finds nothing.
    for situation in SITUATIONS {
        assert!(coverage.of(*situation) > 10, "hardly ever: {situation:?}");
    }
    assert!(acknowledged > SEEDS * 50 && faults > SEEDS * 3 && expired > SEEDS);
    assert!(granted * 2 > SEEDS && rolled * 5 > SEEDS);
    assert!(
        stranded * 100 < SEEDS,
        "{stranded} partitions lost every disk"
    );
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    quiet();
    let mut hashes = BTreeMap::new();
    for (seed, profile) in (1000..).zip(PROFILES.iter().cycle()).take(24) {
        let first = holdfast_sim::run(profile, seed, Planted::None, Mode::Full);
        let second = holdfast_sim::run(profile, seed, Planted::None, Mode::Full);
        assert!(first.lines.len() > 100, "seed {seed} leaves a trace");
        assert_eq!(first, second, "seed {seed} differs from itself");
        let twin = hashes.insert(first.hash, seed);
        assert_eq!(twin, None, "seed {seed} has the trace of another");
    }
}

#[test]
fn a_trace_that_nobody_keeps_does_not_change_the_run() {
    quiet();
    for seed in 0..12 {
        let profile = Profile::of_seed(seed);
        let kept = holdfast_sim::run(profile, seed, Planted::None, Mode::Full);
        let quiet = holdfast_sim::run(profile, seed, Planted::None, Mode::Quiet);
        assert_eq!((kept.events, kept.committed, kept.ended), {
            (quiet.events, quiet.committed, quiet.ended)
        });
    }
}

#[test]
fn an_acknowledgement_before_the_sync_is_caught() {
    is_caught(Planted::AckBeforeSync, "crashes", &["INV-ACKED-DURABLE"]);
}

#[test]
fn an_acknowledgement_by_the_fastest_of_a_larger_isr_is_caught() {
    is_caught(Planted::AckByMinIsr, "crashes", &["INV-ACKED-DURABLE"]);
}

#[test]
fn a_truncation_to_the_high_watermark_is_caught() {
    is_caught(
        Planted::TruncateToHighWatermark,
        "lagging",
        &["INV-KNOWN-HW-KEPT", "INV-ACKED-DURABLE"],
    );
}

#[test]
fn an_epoch_used_again_after_a_restart_is_caught() {
    is_caught(
        Planted::EpochUsedAgain,
        "crashes",
        &["INV-ONE-LEADER-PER-EPOCH", "INV-ONE-BATCH-PER-NAME"],
    );
}

#[test]
fn a_join_below_the_epochs_start_is_caught() {
    is_caught(
        Planted::JoinBelowEpochStart,
        "lagging",
        &["INV-JOIN-CAUGHT-UP"],
    );
}

#[test]
fn a_pending_isr_counted_toward_the_minimum_is_caught() {
    is_caught(
        Planted::PendingIsrCounted,
        "crashes",
        &["INV-ACKED-DURABLE"],
    );
}

#[test]
fn a_waiter_that_outlives_a_change_of_leader_is_caught() {
    is_caught(Planted::WaiterByOffset, "lagging", &["INV-ACK-BELOW-HW"]);
}

#[test]
fn a_retry_that_is_answered_before_its_original_is_safe_is_caught() {
    is_caught(
        Planted::DuplicateAnsweredEarly,
        "crashes",
        &["INV-ACK-BELOW-HW"],
    );
}

#[test]
fn a_synced_end_that_outlives_a_truncation_is_caught() {
    is_caught(
        Planted::SyncedOutlivesTruncation,
        "lagging",
        &["INV-ACKED-DURABLE"],
    );
}

#[test]
fn an_append_that_is_taken_from_any_conversation_is_caught() {
    is_caught(
        Planted::AppendOfAnyConversation,
        "network",
        &["INV-KNOWN-HW-KEPT", "INV-ACKED-DURABLE"],
    );
}

#[test]
fn a_start_that_reads_back_what_was_cut_is_caught() {
    is_caught(
        Planted::TruncationNotWritten,
        "lagging",
        &["INV-ACKED-DURABLE", "INV-LOGS-AGREE"],
    );
}

#[test]
fn a_replica_that_is_deleted_because_an_image_lacks_its_topic_is_caught() {
    is_caught(
        Planted::AbsenceIsDeletion,
        "crashes",
        &["INV-JOIN-CAUGHT-UP"],
    );
}

#[test]
fn a_join_by_what_is_not_synced_is_caught() {
    is_caught(Planted::JoinUnsynced, "network", &["INV-JOIN-CAUGHT-UP"]);
}

#[test]
fn a_leader_that_does_not_wait_for_fenced_members_is_caught() {
    is_caught(
        Planted::FencedMembersSkipped,
        "crashes",
        &["INV-ACKED-DURABLE"],
    );
}

#[test]
fn a_wiped_disk_that_stays_in_the_isr_is_caught() {
    is_caught(
        Planted::WipedDiskStaysInIsr,
        "disks",
        &["INV-JOIN-CAUGHT-UP"],
    );
}

#[test]
fn a_lower_minimum_that_leaves_eligible_leaders_is_caught() {
    is_caught(
        Planted::MinimumLoweredAlone,
        "administration",
        &["INV-ACKED-DURABLE"],
    );
}

#[test]
fn a_producer_that_is_forgotten_with_the_log_start_is_caught() {
    is_caught(
        Planted::ProducersGoWithTheStart,
        "mixed",
        &["INV-PRODUCER-ORDER"],
    );
}

#[test]
fn a_leader_that_believes_a_clock_that_jumped_is_caught() {
    is_caught(
        Planted::TrustWallClock,
        "clocks",
        &["INV-NOT-EXPIRED-EARLY"],
    );
}

/// Nothing goes wrong but that brokers are stopped on purpose: no partition lacks
/// in-sync replicas for a moment, and every roll comes to its end.
#[test]
fn a_cluster_that_is_rolled_with_permits_never_lacks_in_sync_replicas() {
    quiet();
    let rolls = Profile::named("rolls").expect("a profile with this name");
    let (seeds, mut granted, mut rolled) = (300, 0, 0);
    for seed in 20_000..20_000 + seeds {
        let report = holdfast_sim::run(rolls, seed, Planted::None, Mode::Quiet);
        assert!(
            report.violation.is_none(),
            "{}",
            failure(rolls, seed, Planted::None, &report)
        );
        granted += report.granted;
        rolled += report.rolled;
    }
    println!("{seeds} seeds: {granted} permits granted, {rolled} rolls done");
    assert!(granted > seeds * 3 && rolled > seeds * 2);
}

#[test]
fn a_permit_that_counts_fenced_members_is_caught() {
    is_caught(
        Planted::PermitCountsFencedMembers,
        "rolls-under-faults",
        &["INV-PERMIT-MIN"],
    );
}

#[test]
fn a_permit_that_a_new_controller_forgets_is_caught() {
    is_caught(
        Planted::PermitForgottenByNewController,
        "rolls-under-faults",
        &["INV-PERMIT-SLOT"],
    );
}

#[test]
fn a_permit_that_ends_before_its_brokers_are_caught_up_is_caught() {
    is_caught(
        Planted::PermitEndsBeforeCaughtUp,
        "rolls",
        &["INV-PERMIT-CAUGHT-UP"],
    );
}

#[test]
fn a_permit_that_ignores_the_quorum_is_caught() {
    is_caught(
        Planted::PermitIgnoresQuorum,
        "rolls-under-faults",
        &["INV-PERMIT-QUORUM"],
    );
}
