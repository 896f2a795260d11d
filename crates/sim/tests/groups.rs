//! Consumer groups, many seeds. What is modelled and how to replay a failure: `docs/simulation.md`.

use holdfast_kernel::group::Planted;
use holdfast_sim::groups::{self, GroupReport, Mix};

/// Seeds of every build. `holdfast-group-sim` runs any number.
const SEEDS: u64 = 1_000;

/// Seeds in which a planted bug must show itself, and how often it must at least.
const PLANTED_SEEDS: u64 = 1_000;
const AT_LEAST: usize = 3;

fn run(seed: u64, planted: Planted) -> GroupReport {
    groups::run(Mix::of_seed(seed), seed, planted, false)
}

#[test]
fn no_offset_is_lost_or_moved_back_and_every_partition_has_one_owner() {
    let mut total = GroupReport::default();
    for seed in 0..SEEDS {
        let report = run(seed, Planted::None);
        assert!(
            report.violation.is_none(),
            "{:?}\nreplay: cargo run --release -p holdfast-sim --bin holdfast-group-sim -- --seed {seed}",
            report.violation
        );
        total.generations += report.generations;
        total.commits += report.commits;
        total.failovers += report.failovers;
        total.moved += report.moved;
        total.rewritten += report.rewritten;
    }
    // The seeds met what they are for.
    let met = [total.generations, total.failovers, total.rewritten];
    assert!(met.iter().all(|count| *count > SEEDS), "{total}");
    assert!(total.commits > SEEDS * 50, "{total}");
    // A quarter of them has members of both protocols.
    assert!(total.moved > SEEDS / 10, "{total}");
}

#[test]
fn planted_bugs_are_caught() {
    let mut counts = Vec::new();
    for bug in Planted::ALL {
        let caught = (0..PLANTED_SEEDS).filter(|seed| run(*seed, *bug).violation.is_some());
        counts.push((bug, caught.count()));
    }
    assert!(
        counts.iter().all(|(_, caught)| *caught >= AT_LEAST),
        "{counts:?}"
    );
}
