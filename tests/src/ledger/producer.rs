//! A producer of another make, in a process of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use holdfast_model::{Clock, SystemClock};

use super::Entries;

/// How long what is outstanding may take at the end; the client itself gives up after 120 s.
const REPORTED_WITHIN: Duration = Duration::from_secs(150);

/// What a producer writes.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What it calls itself; each record bears it.
    pub name: String,
    /// Where it begins.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
    /// The partitions that it writes to, in turn.
    pub partitions: i32,
    /// Records a second.
    pub rate: u32,
    /// The codec; `none` for none.
    pub codec: &'static str,
}

/// A producer at work. Dropping it kills it.
#[derive(Debug)]
pub struct RunningProducer {
    recipe: Recipe,
    ledger: PathBuf,
    process: Child,
    entries: Entries,
    clock: SystemClock,
}

impl RunningProducer {
    /// Starts a producer whose ledger is kept in a directory.
    ///
    /// # Errors
    /// The environment with the client is missing (`tests/setup` makes it), or a file cannot be
    /// written.
    pub fn start(dir: &Path, recipe: Recipe) -> anyhow::Result<Self> {
        let ledger = dir.join(format!("{}.ledger", recipe.name));
        File::create(&ledger)?;
        let errors = File::create(dir.join(format!("{}.errors", recipe.name)))?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/ledger_producer.py");
        let process = Command::new(python()?)
            .arg(program)
            .args(["--bootstrap", &recipe.bootstrap, "--topic", &recipe.topic])
            .args(["--partitions", &recipe.partitions.to_string()])
            .args(["--name", &recipe.name, "--rate", &recipe.rate.to_string()])
            .args(["--codec", recipe.codec, "--ledger"])
            .arg(&ledger)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()?;
        Ok(Self {
            recipe,
            ledger,
            process,
            entries: Entries::default(),
            clock: SystemClock::new(),
        })
    }

    /// What it writes.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// What it was told up to now.
    ///
    /// # Errors
    /// It ended, or its client gave up.
    pub fn entries(&mut self) -> anyhow::Result<&Entries> {
        self.entries.read_on(&self.ledger)?;
        let name = &self.recipe.name;
        ensure!(
            self.entries.fatal.is_empty(),
            "{name}: {:?}",
            self.entries.fatal
        );
        if let Some(status) = self.process.try_wait()? {
            anyhow::bail!("{name} ended: {status}");
        }
        Ok(&self.entries)
    }

    /// Waits until a record of every partition is acknowledged that was sent after now. Returns how
    /// long the slowest partition took.
    ///
    /// # Errors
    /// It takes too long, or the producer ended.
    pub async fn wait_progress(&mut self, within: Duration) -> anyhow::Result<Duration> {
        let from = self.clock.wall_ms();
        let all: Vec<i32> = (0..self.recipe.partitions).collect();
        self.wait_acked_since(from, &all, within).await
    }

    /// Waits until each of the partitions has an acknowledged record that was sent at `from_ms` or
    /// later. Returns how long after that the slowest came.
    ///
    /// # Errors
    /// It takes too long, or the producer ended.
    pub async fn wait_acked_since(
        &mut self,
        from_ms: i64,
        partitions: &[i32],
        within: Duration,
    ) -> anyhow::Result<Duration> {
        let begun = self.clock.monotonic();
        loop {
            let entries = self.entries()?;
            let first = |partition: &i32| {
                let acks = entries.acks.get(partition)?;
                // The newest are at the end, and reports come nearly in the order of sending.
                let new = acks.iter().rev().take_while(|ack| ack.acked_ms >= from_ms);
                new.filter(|ack| ack.sent_ms >= from_ms)
                    .map(|ack| ack.acked_ms)
                    .min()
            };
            let firsts: Vec<Option<i64>> = partitions.iter().map(first).collect();
            if let Some(firsts) = firsts.iter().copied().collect::<Option<Vec<i64>>>() {
                let last = firsts.into_iter().max().unwrap_or(from_ms);
                return Ok(Duration::from_millis((last - from_ms).unsigned_abs()));
            }
            let stuck = firsts
                .iter()
                .zip(partitions)
                .filter(|(first, _)| first.is_none());
            let stuck: Vec<i32> = stuck.map(|(_, partition)| *partition).collect();
            let waited = self.clock.monotonic().since(begun);
            ensure!(
                waited < within,
                "{}: nothing acknowledged on {stuck:?} for {waited:?}",
                self.recipe.name
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Tells it to stop, and waits until everything outstanding is reported.
    ///
    /// # Errors
    /// It does not end in time, or ends with an error.
    pub async fn finish(mut self) -> anyhow::Result<(Recipe, Entries)> {
        drop(self.process.stdin.take());
        let begun = self.clock.monotonic();
        let status = loop {
            if let Some(status) = self.process.try_wait()? {
                break status;
            }
            let waited = self.clock.monotonic().since(begun);
            ensure!(
                waited < REPORTED_WITHIN,
                "{} does not end",
                self.recipe.name
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        self.entries.read_on(&self.ledger)?;
        let name = &self.recipe.name;
        ensure!(
            status.success(),
            "{name} ended: {status}: {:?}",
            self.entries.fatal
        );
        Ok((self.recipe.clone(), std::mem::take(&mut self.entries)))
    }
}

impl Drop for RunningProducer {
    fn drop(&mut self) {
        // One that ended needs no end.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The interpreter that has the clients.
///
/// # Errors
/// It is missing.
pub fn python() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = match set("XDG_CACHE_HOME") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(set("HOME").context("HOME is not set")?).join(".cache"),
    };
    let python = cache.join("holdfast/venv/bin/python");
    ensure!(
        python.is_file(),
        "{} is missing: run tests/setup",
        python.display()
    );
    Ok(python)
}
