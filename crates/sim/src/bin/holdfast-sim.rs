//! Runs many seeds, or one with its whole trace.
//!
//! `holdfast-sim [SEEDS] [FROM]` runs seeds and stops at the first failure; `holdfast-sim --seed N`
//! replays one. `--profile NAME` and `--planted NAME` choose a mix of faults and a planted bug,
//! `--all` goes on after failures.

use std::io::Write;
use std::process::ExitCode;

use holdfast_kernel::planted::{self, Planted};
use holdfast_sim::{Mode, Profile, Report};

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
    // A broken invariant of the kernel is reported with its seed below, not by the default hook.
    std::panic::set_hook(Box::new(|_| {}));
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
    let mut position = 0;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| format!("expected a number, got '{text}'"))
        };
        match word.as_str() {
            "--all" => wanted.all = true,
            "--seed" | "--profile" | "--planted" => {
                let value = words
                    .next()
                    .ok_or_else(|| format!("{word} needs a value"))?;
                match word.as_str() {
                    "--seed" => wanted.one = Some(number(value)?),
                    "--profile" => {
                        let found = Profile::named(value);
                        wanted.profile =
                            Some(found.ok_or_else(|| format!("no profile '{value}'"))?);
                    }
                    _ => {
                        let mut all = planted::ALL.iter();
                        let found = all.find(|bug| format!("{bug:?}") == *value);
                        wanted.planted =
                            *found.ok_or_else(|| format!("no planted bug '{value}'"))?;
                    }
                }
            }
            text => {
                let value = number(text)?;
                match position {
                    0 => wanted.seeds = value,
                    _ => wanted.from = value,
                }
                position += 1;
            }
        }
    }
    Ok(wanted)
}

fn profile_of(wanted: &Wanted, seed: u64) -> &'static Profile {
    wanted.profile.unwrap_or_else(|| Profile::of_seed(seed))
}

fn sweep(wanted: &Wanted, out: &mut impl Write) -> std::io::Result<bool> {
    let (mut events, mut acknowledged, mut failed) = (0, 0, 0u64);
    let end = wanted.from.saturating_add(wanted.seeds);
    for seed in wanted.from..end {
        let profile = profile_of(wanted, seed);
        let report = holdfast_sim::run(profile, seed, wanted.planted, Mode::Quiet);
        events += report.events;
        acknowledged += report.acknowledged;
        let done = seed + 1 - wanted.from;
        if report.violation.is_some() {
            failed += 1;
            if wanted.all {
                summary(out, profile, seed, &report)?;
            } else {
                // The same seed again, this time with its trace.
                let again = holdfast_sim::run(profile, seed, wanted.planted, Mode::Last);
                failure(out, wanted, profile, seed, &again)?;
                return Ok(false);
            }
        }
        if done.is_multiple_of(500) || seed + 1 == end {
            writeln!(
                out,
                "{done} seeds, {failed} failed, {events} steps, {acknowledged} acks"
            )?;
        }
    }
    Ok(failed == 0)
}

fn replay(wanted: &Wanted, out: &mut impl Write) -> std::io::Result<bool> {
    let seed = wanted.one.unwrap_or_default();
    let profile = profile_of(wanted, seed);
    let report = holdfast_sim::run(profile, seed, wanted.planted, Mode::Full);
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
        "replay: holdfast-sim --seed {seed} --profile {name}{bug}"
    )
}

fn summary(
    out: &mut impl Write,
    profile: &Profile,
    seed: u64,
    report: &Report,
) -> std::io::Result<()> {
    match &report.violation {
        Some(found) => writeln!(
            out,
            "FAILED seed {seed} profile {}: {}: {}",
            profile.name, found.invariant, found.detail
        ),
        None => writeln!(
            out,
            "ok seed {seed} profile {}: {} steps, {} faults, {} committed, {} acked, trace {:016x}",
            profile.name,
            report.events,
            report.faults,
            report.committed,
            report.acknowledged,
            report.hash
        ),
    }
}
