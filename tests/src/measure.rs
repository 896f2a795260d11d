//! What benchmarks share: CPU time from `/proc`, and order statistics.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;

/// The kernel counts CPU time in ticks of 1/100 s on every Linux that runs user space today.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds, user and system, of each thread of a process, by the threads' names.
///
/// # Errors
/// The process is gone, or the kernel's text cannot be read.
pub fn cpu_by_thread(process: u32) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut by_name = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let stat = match fs::read_to_string(task?.path().join("stat")) {
            Ok(stat) => stat,
            // It ended in this moment; what it used is in the total only.
            Err(_gone) => continue,
        };
        let (name, seconds) = parse(&stat).context("unreadable stat of a thread")?;
        *by_name.entry(name).or_default() += seconds;
    }
    Ok(by_name)
}

/// CPU seconds, user and system, of a process with all threads it ever had.
///
/// # Errors
/// The process is gone, or the kernel's text cannot be read.
pub fn cpu(process: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    Ok(parse(&stat).context("unreadable stat of a process")?.1)
}

/// What a process holds in memory now, KiB.
///
/// # Errors
/// The process is gone, or the kernel's text cannot be read.
pub fn memory_kib(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    Ok(kib.context("a status without VmRSS")?.parse()?)
}

/// Name and CPU seconds. The name is in brackets and may hold anything, brackets too.
fn parse(stat: &str) -> Option<(String, f64)> {
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1;
    let mut fields = after.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((name.to_owned(), (ticks()? + ticks()?) / TICKS_PER_SECOND))
}

/// The nearest rank: of 100 values the 99th is the p99. Nothing of nothing is zero.
pub fn percentile(values: &[Duration], percent: usize) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_threads_may_hold_brackets() {
        let stat = "7 (rocksdb:) low) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(parse(stat), Some(("rocksdb:) low".to_owned(), 2.0)));
        assert_eq!(parse("7 (x) S 1"), None);
        assert!(cpu(std::process::id()).unwrap() >= 0.0);
        assert!(memory_kib(std::process::id()).unwrap() > 100);
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Duration::from_millis(50));
        assert_eq!(percentile(&values, 99), Duration::from_millis(99));
        assert_eq!(percentile(&values, 100), Duration::from_millis(100));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
