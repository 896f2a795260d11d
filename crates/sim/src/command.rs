//! The command line of a simulator: many seeds, or one with its whole trace.
//!
//! `NAME [SEEDS] [FROM]` runs seeds and stops at the first failure; `NAME --seed N` replays one.
//! `--profile NAME` and `--planted NAME` choose a mix of faults and a planted bug, `--all` goes on after
//! failures.

use std::fmt::{Debug, Display};
use std::io::{self, Write};
use std::process::ExitCode;

use holdfast_model::{Clock, SystemClock};

use crate::{Mode, Violation};

/// How often a sweep says how far it is, in seeds.
const EVERY: u64 = 500;

/// What can be run from a seed.
pub trait Simulator {
    /// The name of its program.
    const NAME: &'static str;

    /// The bugs that can be planted.
    const PLANTED: &'static [Self::Planted];

    /// A mix of faults.
    type Profile: 'static;

    /// A planted bug; by default none.
    type Planted: Copy + Default + PartialEq + Debug + 'static;

    /// What came of a run, for people.
    type Report: Display;

    /// What came of many runs, for people.
    type Totals: Default + Display;

    /// The mix with a name.
    fn named(name: &str) -> Option<&'static Self::Profile>;

    /// The mix of an ordinary seed.
    fn of_seed(seed: u64) -> &'static Self::Profile;

    /// The name of a mix.
    fn name(profile: &Self::Profile) -> &str;

    /// Runs one seed.
    fn run(
        profile: &'static Self::Profile,
        seed: u64,
        planted: Self::Planted,
        mode: Mode,
    ) -> Self::Report;

    /// The promise that was broken, if one was.
    fn violation(report: &Self::Report) -> Option<&Violation>;

    /// The trace, as far as the mode keeps it.
    fn lines(report: &Self::Report) -> &[String];

    /// Counts a run.
    fn count(totals: &mut Self::Totals, report: &Self::Report);

    /// What runs came to, for people, line by line.
    fn coverage(_totals: &Self::Totals, _seeds: u64) -> Vec<String> {
        Vec::new()
    }
}

/// Does what the command line asks for.
pub fn main<S: Simulator>() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut out = io::stdout().lock();
    let result = match Wanted::<S>::parse(&arguments) {
        Ok(wanted) => match wanted.one {
            Some(seed) => wanted.replay(seed, &mut out),
            None => wanted.sweep(&mut out),
        },
        Err(message) => usage::<S>(&message, &mut out).map(|()| false),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn usage<S: Simulator>(message: &str, out: &mut impl Write) -> io::Result<()> {
    let name = S::NAME;
    let choices = "[--profile NAME] [--planted NAME]";
    writeln!(out, "{message}")?;
    writeln!(out, "usage: {name} [SEEDS] [FROM] [--all] {choices}")?;
    writeln!(out, "       {name} --seed N {choices}")
}

/// What the command line asks for.
struct Wanted<S: Simulator> {
    seeds: u64,
    from: u64,
    one: Option<u64>,
    profile: Option<&'static S::Profile>,
    planted: S::Planted,
    all: bool,
}

impl<S: Simulator> Wanted<S> {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut wanted = Self {
            seeds: 1000,
            from: 0,
            one: None,
            profile: None,
            planted: S::Planted::default(),
            all: false,
        };
        let mut numbers = Vec::new();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--all" => wanted.all = true,
                "--seed" => wanted.one = Some(number(value()?)?),
                "--profile" => {
                    let name = value()?;
                    let found = S::named(name);
                    wanted.profile = Some(found.ok_or_else(|| format!("no profile '{name}'"))?);
                }
                "--planted" => {
                    let name = value()?;
                    let found = S::PLANTED.iter().find(|bug| format!("{bug:?}") == *name);
                    wanted.planted = *found.ok_or_else(|| format!("no planted bug '{name}'"))?;
                }
                text => numbers.push(number(text)?),
            }
        }
        wanted.seeds = numbers.first().copied().unwrap_or(wanted.seeds);
        wanted.from = numbers.get(1).copied().unwrap_or(wanted.from);
        Ok(wanted)
    }

    fn profile_of(&self, seed: u64) -> &'static S::Profile {
        self.profile.unwrap_or_else(|| S::of_seed(seed))
    }

    fn run(&self, seed: u64, mode: Mode) -> S::Report {
        S::run(self.profile_of(seed), seed, self.planted, mode)
    }

    fn sweep(&self, out: &mut impl Write) -> io::Result<bool> {
        let (mut totals, mut failed) = (S::Totals::default(), 0_u64);
        let end = self.from.saturating_add(self.seeds);
        let clock = SystemClock::new();
        let began = clock.monotonic();
        for seed in self.from..end {
            let report = self.run(seed, Mode::Quiet);
            S::count(&mut totals, &report);
            if S::violation(&report).is_some() {
                failed += 1;
                if !self.all {
                    // The same seed again, this time with its trace.
                    self.show(seed, &self.run(seed, Mode::Last), out)?;
                    self.say_how_to_replay(seed, out)?;
                    return Ok(false);
                }
                self.summary(seed, &report, out)?;
            }
            let done = seed + 1 - self.from;
            if done.is_multiple_of(EVERY) || seed + 1 == end {
                writeln!(out, "{done} seeds, {failed} failed, {totals}")?;
            }
        }
        let minutes = clock.monotonic().since(began).as_secs_f64() / 60.0;
        let pace = self.seeds as f64 / minutes.max(f64::EPSILON);
        writeln!(out, "{pace:.0} seeds a minute")?;
        for line in S::coverage(&totals, self.seeds) {
            writeln!(out, "{line}")?;
        }
        Ok(failed == 0)
    }

    fn replay(&self, seed: u64, out: &mut impl Write) -> io::Result<bool> {
        let report = self.run(seed, Mode::Full);
        self.show(seed, &report, out)?;
        Ok(S::violation(&report).is_none())
    }

    fn show(&self, seed: u64, report: &S::Report, out: &mut impl Write) -> io::Result<()> {
        for line in S::lines(report) {
            writeln!(out, "{line}")?;
        }
        self.summary(seed, report, out)
    }

    fn summary(&self, seed: u64, report: &S::Report, out: &mut impl Write) -> io::Result<()> {
        let name = S::name(self.profile_of(seed));
        match S::violation(report) {
            Some(Violation { invariant, detail }) => {
                writeln!(
                    out,
                    "FAILED seed {seed} profile {name}: {invariant}: {detail}"
                )
            }
            None => writeln!(out, "ok seed {seed} profile {name}: {report}"),
        }
    }

    fn say_how_to_replay(&self, seed: u64, out: &mut impl Write) -> io::Result<()> {
        let (tool, name) = (S::NAME, S::name(self.profile_of(seed)));
        let bug = if self.planted == S::Planted::default() {
            String::new()
        } else {
            format!(" --planted {:?}", self.planted)
        };
        writeln!(out, "replay: {tool} --seed {seed} --profile {name}{bug}")
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("expected a number, got '{text}'"))
}
