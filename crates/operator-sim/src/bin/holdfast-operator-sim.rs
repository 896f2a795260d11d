//! `holdfast-operator-sim`: seeds of the simulator of the operator. What it takes is in
//! `holdfast_sim::command`.

use std::fmt;
use std::process::ExitCode;

use holdfast_operator_sim::{Mode, Profile, Report, Violation};
use holdfast_planner::planted::{self, Planted};
use holdfast_sim::command::{self, Simulator};

struct Operators;

#[derive(Default)]
struct Totals {
    looks: u64,
    requests: u64,
    stopped: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            looks,
            requests,
            stopped,
        } = self;
        write!(
            f,
            "{looks} reconciles, {requests} requests, {stopped} brokers stopped"
        )
    }
}

impl Simulator for Operators {
    const NAME: &'static str = "holdfast-operator-sim";
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
        holdfast_operator_sim::run(profile, seed, planted, mode)
    }

    fn violation(report: &Report) -> Option<&Violation> {
        report.violation.as_ref()
    }

    fn lines(report: &Report) -> &[String] {
        &report.lines
    }

    fn count(totals: &mut Totals, report: &Report) {
        totals.looks += report.looks;
        totals.requests += report.requests;
        totals.stopped += report.stopped;
    }
}

fn main() -> ExitCode {
    command::main::<Operators>()
}
