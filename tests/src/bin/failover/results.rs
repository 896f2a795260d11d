//! What trials measured, and the table of them.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_tests::measure::percentile;
use serde_json::{Value, json};

/// The measure of one trial.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    /// What was done to the broker.
    pub(crate) fault: String,
    /// What it was: `leader` of partitions, `controller` and leader of partitions.
    pub(crate) victim: &'static str,
    /// From the fault to the first acknowledgement, on the slowest of the partitions that it led.
    pub(crate) first: Duration,
    /// The longest time without an acknowledgement on one of them.
    pub(crate) gap: Duration,
    /// From the fault until a setting of the topic was changed; measured if it was the controller.
    pub(crate) change: Option<Duration>,
}

impl Trial {
    fn line(&self) -> Value {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        json!({
            "fault": self.fault,
            "victim": self.victim,
            "first_ms": millis(self.first),
            "gap_ms": millis(self.gap),
            "change_ms": self.change.map(millis),
        })
    }
}

/// Trials of this run, or of a file that runs add to.
#[derive(Debug, Default)]
pub(crate) struct Results {
    file: Option<PathBuf>,
    lines: Vec<Value>,
}

impl Results {
    /// With what a file holds, if one is given and there is one already.
    pub(crate) fn open(file: Option<PathBuf>) -> anyhow::Result<Self> {
        let text = match &file {
            Some(path) if path.exists() => fs::read_to_string(path)?,
            _ => String::new(),
        };
        let lines = text.lines().map(serde_json::from_str);
        let lines = lines.collect::<Result<_, _>>()?;
        Ok(Self { file, lines })
    }

    pub(crate) fn add(&mut self, trial: &Trial) -> anyhow::Result<()> {
        let line = trial.line();
        if let Some(path) = &self.file {
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            writeln!(file, "{line}")?;
        }
        self.lines.push(line);
        Ok(())
    }

    /// A row for each kind of fault and victim, as it stands in the docs.
    pub(crate) fn report(&self, out: &mut impl Write) -> anyhow::Result<()> {
        writeln!(
            out,
            "| Fault | It was | Trials | Fault to next acknowledged | Longest gap of a partition | Fault to a changed setting |\n\
             |---|---|---|---|---|---|"
        )?;
        let mut kinds: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
        for line in &self.lines {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let kind = (text("fault"), text("victim"));
            kinds.entry(kind).or_default().push(line);
        }
        for ((fault, victim), lines) in &kinds {
            let [first, gap, change] =
                ["first_ms", "gap_ms", "change_ms"].map(|name| ranks(lines, name));
            let count = lines.len();
            writeln!(
                out,
                "| {fault} | {victim} | {count} | {first} | {gap} | {change} |"
            )?;
        }
        Ok(())
    }
}

/// The middle, the 99th of a hundred and the greatest of what was measured, in milliseconds.
fn ranks(lines: &[&Value], name: &str) -> String {
    let values = lines.iter().filter_map(|line| line[name].as_u64());
    let values: Vec<Duration> = values.map(Duration::from_millis).collect();
    if values.is_empty() {
        return String::new();
    }
    let rank = |percent| percentile(&values, percent).as_millis();
    format!(
        "p50 {} ms, p99 {} ms, max {} ms",
        rank(50),
        rank(99),
        rank(100)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_of_one_fault_and_victim_over_all_runs_of_a_file() -> anyhow::Result<()> {
        let file = std::env::temp_dir().join(format!("holdfast-failover-{}", std::process::id()));
        let of = |victim, first, change: Option<u64>| Trial {
            fault: "kill".to_owned(),
            victim,
            first: Duration::from_millis(first),
            gap: Duration::from_millis(first + 1),
            change: change.map(Duration::from_millis),
        };
        for first in [700, 900] {
            let mut results = Results::open(Some(file.clone()))?;
            results.add(&of("leader", first, None))?;
            results.add(&of("controller", first + 50, Some(40)))?;
        }
        let mut out = Vec::new();
        Results::open(Some(file.clone()))?.report(&mut out)?;
        fs::remove_file(file)?;
        let rows = String::from_utf8(out)?;
        let rows: Vec<&str> = rows.lines().skip(2).collect();
        let controller = "| kill | controller | 2 | p50 750 ms, p99 950 ms, max 950 ms | \
                          p50 751 ms, p99 951 ms, max 951 ms | p50 40 ms, p99 40 ms, max 40 ms |";
        let leader = "| kill | leader | 2 | p50 700 ms, p99 900 ms, max 900 ms | p50 701 ms, p99 901 ms, max 901 ms |  |";
        assert_eq!(rows, [controller, leader]);
        Ok(())
    }
}
