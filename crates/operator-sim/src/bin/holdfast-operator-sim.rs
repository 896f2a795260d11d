//! Runs many seeds, or one with its whole trace.
//!
//! `holdfast-operator-sim [SEEDS] [FROM]` runs seeds and stops at the first failure;
//! `holdfast-operator-sim --seed N` replays one. `--profile NAME` and `--planted NAME` choose a mix of
//! faults and a planted bug, `--all` goes on after failures.

use std::io::Write;
use std::process::ExitCode;

use holdfast_operator_sim::{Mode, PROFILES, Profile, Report};
use holdfast_planner::planted::{self, Planted};

/// What the command line asks for.
struct Wanted {
    seeds: u64,
    from: u64,
    one: Option<u64>,
    profile: Option<&'static Profile>,
    planted: Planted,
    all: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::stdout().lock();
    let result = match parse(&arguments) {
        Ok(wanted) if wanted.one.is_some() => replay(&wanted, &mut out),
        Ok(wanted) => sweep(&wanted, &mut out),
        Err(message) => writeln!(out, "{message}").map(|()| false),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn parse(arguments: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        seeds: 1000,
        from: 0,
        one: None,
        profile: None,
        planted: Planted::None,
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
                let found = Profile::named(name);
                wanted.profile = Some(found.ok_or_else(|| format!("no profile '{name}'"))?);
            }
            "--planted" => {
                let name = value()?;
                let found = planted::ALL.iter().find(|bug| format!("{bug:?}") == *name);
                wanted.planted = *found.ok_or_else(|| format!("no planted bug '{name}'"))?;
            }
            text => numbers.push(number(text)?),
        }
    }
    wanted.seeds = numbers.first().copied().unwrap_or(wanted.seeds);
    wanted.from = numbers.get(1).copied().unwrap_or(wanted.from);
    Ok(wanted)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("expected a number, got '{text}'"))
}

fn profile_of(wanted: &Wanted, seed: u64) -> &'static Profile {
    wanted.profile.unwrap_or_else(|| Profile::of_seed(seed))
}

fn sweep(wanted: &Wanted, out: &mut impl Write) -> std::io::Result<bool> {
    let (mut looks, mut requests, mut stopped, mut failed) = (0, 0, 0, 0_u64);
    let end = wanted.from.saturating_add(wanted.seeds);
    for seed in wanted.from..end {
        let profile = profile_of(wanted, seed);
        let report = holdfast_operator_sim::run(profile, seed, wanted.planted, Mode::Quiet);
        looks += report.looks;
        requests += report.requests;
        stopped += report.stopped;
        if report.violation.is_some() {
            failed += 1;
            if wanted.all {
                summary(out, profile, seed, &report)?;
            } else {
                // The same seed again, this time with its trace.
                let again = holdfast_operator_sim::run(profile, seed, wanted.planted, Mode::Last);
                failure(out, wanted, profile, seed, &again)?;
                return Ok(false);
            }
        }
        let done = seed + 1 - wanted.from;
        if done.is_multiple_of(500) || seed + 1 == end {
            writeln!(
                out,
                "{done} seeds of {} profiles, {failed} failed, {looks} reconciles, {requests} \
                 requests, {stopped} brokers stopped",
                PROFILES.len()
            )?;
        }
    }
    Ok(failed == 0)
}

fn replay(wanted: &Wanted, out: &mut impl Write) -> std::io::Result<bool> {
    let seed = wanted.one.unwrap_or_default();
    let profile = profile_of(wanted, seed);
    let report = holdfast_operator_sim::run(profile, seed, wanted.planted, Mode::Full);
    for line in &report.lines {
        writeln!(out, "{line}")?;
    }
    summary(out, profile, seed, &report)?;
    Ok(report.violation.is_none())
}

fn failure(
    out: &mut impl Write,
    wanted: &Wanted,
    profile: &Profile,
    seed: u64,
    report: &Report,
) -> std::io::Result<()> {
    for line in &report.lines {
        writeln!(out, "{line}")?;
    }
    summary(out, profile, seed, report)?;
    let bug = match wanted.planted {
        Planted::None => String::new(),
        planted => format!(" --planted {planted:?}"),
    };
    let name = profile.name;
    writeln!(
        out,
        "replay: holdfast-operator-sim --seed {seed} --profile {name}{bug}"
    )
}

fn summary(
    out: &mut impl Write,
    profile: &Profile,
    seed: u64,
    report: &Report,
) -> std::io::Result<()> {
    let name = profile.name;
    match &report.violation {
        Some(found) => writeln!(
            out,
            "FAILED seed {seed} profile {name}: {}: {}",
            found.invariant, found.detail
        ),
        None => writeln!(
            out,
            "ok seed {seed} profile {name}: {} reconciles, {} requests, {} crashes, {} faults, {} \
             brokers stopped, {} s, trace {:016x}",
            report.looks,
            report.requests,
            report.crashes,
            report.faults,
            report.stopped,
            report.ended / 1_000,
            report.hash
        ),
    }
}
