//! `holdfast-group-sim`: seeds of the simulator of consumer groups. What it takes is in
//! `holdfast_sim::command`.

use std::fmt;
use std::process::ExitCode;

use holdfast_kernel::group::Planted;
use holdfast_sim::command::{self, Simulator};
use holdfast_sim::groups::{self, GroupReport, Mix};
use holdfast_sim::{Mode, Violation};

struct Groups;

#[derive(Default)]
struct Totals {
    generations: u64,
    commits: u64,
    moved: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} generations, {} commits, {} changes of protocol",
            self.generations, self.commits, self.moved
        )
    }
}

impl Simulator for Groups {
    const NAME: &'static str = "holdfast-group-sim";
    const PLANTED: &'static [Planted] = Planted::ALL;
    type Profile = Mix;
    type Planted = Planted;
    type Report = GroupReport;
    type Totals = Totals;

    fn named(name: &str) -> Option<&'static Mix> {
        Mix::named(name)
    }

    fn of_seed(seed: u64) -> &'static Mix {
        Mix::of_seed(seed)
    }

    fn name(mix: &Mix) -> &str {
        mix.name
    }

    fn run(mix: &'static Mix, seed: u64, planted: Planted, mode: Mode) -> GroupReport {
        groups::run(mix, seed, planted, !matches!(mode, Mode::Quiet))
    }

    fn violation(report: &GroupReport) -> Option<&Violation> {
        report.violation.as_ref()
    }

    fn lines(report: &GroupReport) -> &[String] {
        &report.lines
    }

    fn count(totals: &mut Totals, report: &GroupReport) {
        totals.generations += report.generations;
        totals.moved += report.moved;
        totals.commits += report.commits;
    }
}

fn main() -> ExitCode {
    // A broken invariant of the kernel is reported with its seed, not by the default hook.
    std::panic::set_hook(Box::new(|_| {}));
    command::main::<Groups>()
}
