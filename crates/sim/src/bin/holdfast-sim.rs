//! `holdfast-sim`: seeds of the simulator of brokers. What it takes is in `holdfast_sim::command`.

use std::fmt;
use std::process::ExitCode;

use holdfast_kernel::planted::{self, Planted};
use holdfast_sim::command::{self, Simulator};
use holdfast_sim::{Coverage, Mode, Profile, Report, SITUATIONS, Situation, Violation};

struct Brokers;

#[derive(Default)]
struct Totals {
    events: u64,
    acknowledged: u64,
    coverage: Coverage,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} steps, {} acks", self.events, self.acknowledged)
    }
}

impl Simulator for Brokers {
    const NAME: &'static str = "holdfast-sim";
    const PLANTED: &'static [Planted] = planted::ALL;
    type Profile = Profile;
    type Planted = Planted;
    type Report = Report;
    type Totals = Totals;

    fn named(name: &str) -> Option<&'static Profile> {
        Profile::named(name)
    }

    fn of_seed(seed: u64) -> &'static Profile {
        Profile::of_seed(seed)
    }

    fn name(profile: &Profile) -> &str {
        profile.name
    }

    fn run(profile: &'static Profile, seed: u64, planted: Planted, mode: Mode) -> Report {
        holdfast_sim::run(profile, seed, planted, mode)
    }

    fn violation(report: &Report) -> Option<&Violation> {
        report.violation.as_ref()
    }

    fn lines(report: &Report) -> &[String] {
        &report.lines
    }

    fn count(totals: &mut Totals, report: &Report) {
        totals.events += report.events;
        totals.acknowledged += report.acknowledged;
        totals.coverage.count(&report.coverage);
    }

    fn coverage(totals: &Totals, seeds: u64) -> Vec<String> {
        let line = |situation: &Situation| {
            let runs = totals.coverage.of(*situation);
            let share = runs as f64 * 100.0 / seeds.max(1) as f64;
            format!("{share:>7.2} % of seeds came to {situation:?}")
        };
        SITUATIONS.iter().map(line).collect()
    }
}

fn main() -> ExitCode {
    // A broken invariant of the kernel is reported with its seed, not by the default hook.
    std::panic::set_hook(Box::new(|_| {}));
    command::main::<Brokers>()
}
