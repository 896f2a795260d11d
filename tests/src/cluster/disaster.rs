//! Lost disks: what an operator does with the tool.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use holdfast_model::Clock;

use super::{Cluster, ready};
use crate::power;

/// A little more than brokers take to write down what they know to be acknowledged.
const HIGH_WATERMARK_WRITTEN: Duration = Duration::from_millis(1_500);

/// How long a broker on a new disk may take to find out that it must wait.
const WAITS_WITHIN: Duration = Duration::from_secs(30);

/// What a waiting broker puts where an operator must name a broker of the cluster.
const BLANK: &str = "HOST:PORT";

impl Cluster {
    /// Where a broker listens for other brokers.
    pub fn rpc_address(&self, n: usize) -> &str {
        self.brokers[n].rpc_address()
    }

    /// The data folder of a broker.
    pub fn data_dir(&self, n: usize) -> PathBuf {
        let home = self.dir.join(format!("broker-{n}"));
        if self.disks.is_empty() {
            home.join("data")
        } else {
            home.join("disk").join("data")
        }
    }

    /// Ends every broker where it is, and compares what their disks hold; how many batches were compared.
    ///
    /// # Errors
    /// Something is wrong with what they hold.
    pub async fn compare_disks(&mut self) -> anyhow::Result<u64> {
        // A follower's knowledge of what was acknowledged last is on its disk within a second.
        tokio::time::sleep(HIGH_WATERMARK_WRITTEN).await;
        for broker in &mut self.brokers {
            broker.kill_or_reap()?;
        }
        let folders: Vec<String> = (0..self.brokers.len())
            .map(|n| self.data_dir(n).display().to_string())
            .collect();
        let mut words = vec!["verify", "-o", "json"];
        words.extend(folders.iter().flat_map(|folder| ["--data-dir", folder]));
        let report: serde_json::Value = serde_json::from_str(&self.tool(&words)?)?;
        report["compared"].as_u64().context("no report")
    }

    /// The cluster's id, as the formation document has it.
    ///
    /// # Errors
    /// The document cannot be read.
    pub fn id(&self) -> anyhow::Result<String> {
        let document = fs::read_to_string(self.dir.join("formation.toml"))?;
        let line = document
            .lines()
            .find_map(|line| line.strip_prefix("cluster_id = "));
        Ok(line.context("no cluster id")?.trim_matches('"').to_owned())
    }

    /// Runs the tool and kills it after a while, wherever it is then; true if it had ended well.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn tool_killed(&self, args: &[&str], after: Duration) -> anyhow::Result<bool> {
        let mut tool = Command::new(&self.binary)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        tokio::time::sleep(after).await;
        // One that ended already needs no end.
        drop(tool.kill());
        Ok(tool.wait()?.success())
    }

    /// Runs the tool and answers what it printed.
    ///
    /// # Errors
    /// It ended with a code other than 0; the error is what it said.
    pub fn tool(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.binary)
            .args(args)
            .args(["--bootstrap", &self.bootstrap()])
            .env_remove("HOLDFAST_BIN")
            .env_remove("HOLDFAST_PREVIOUS_BIN")
            .env_remove("HOLDFAST_SEED")
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts a broker as what another program runs that becomes it, such as `strace -D`.
    ///
    /// # Errors
    /// It runs already, or the program is missing.
    pub fn start_under(&mut self, n: usize, runner: &[String]) -> anyhow::Result<()> {
        self.brokers[n].start_under(runner)
    }

    /// Loses the disk of a broker that does not run.
    ///
    /// # Errors
    /// It runs, or the folder cannot be removed.
    pub fn lose_disk(&mut self, n: usize) -> anyhow::Result<()> {
        ensure!(!self.brokers[n].expected_to_run(), "broker {n} runs");
        Ok(fs::remove_dir_all(self.data_dir(n))?)
    }

    /// Takes the disk of a broker that does not run out of the machine, for [`Cluster::put_back`].
    ///
    /// # Errors
    /// It runs, or the folder cannot be moved.
    pub fn take_away(&mut self, n: usize) -> anyhow::Result<()> {
        ensure!(!self.brokers[n].expected_to_run(), "broker {n} runs");
        Ok(fs::rename(self.data_dir(n), self.taken(n))?)
    }

    /// Copies the disk of a broker that does not run, for [`Cluster::put_back`] once it was lost.
    ///
    /// # Errors
    /// It runs, or the command fails.
    pub fn copy_disk(&mut self, n: usize) -> anyhow::Result<()> {
        ensure!(!self.brokers[n].expected_to_run(), "broker {n} runs");
        power::copy(&self.data_dir(n), &self.taken(n))
    }

    /// Puts a disk back that was taken away, or copied.
    ///
    /// # Errors
    /// The folder cannot be moved.
    pub fn put_back(&mut self, n: usize) -> anyhow::Result<()> {
        fs::rename(self.taken(n), self.data_dir(n))?;
        power::sync(&self.data_dir(n))
    }

    /// Loses the disk of a broker that does not run, starts it on a new one, and admits that.
    ///
    /// # Errors
    /// The tool's, or the broker does not wait for its admission.
    pub async fn replace_disk(&mut self, n: usize) -> anyhow::Result<()> {
        self.lose_disk(n)?;
        self.format_anew(n, 0)?;
        self.start_broker(n)?;
        let asked = self.rpc_address((n + 1) % self.brokers.len()).to_owned();
        let words = self.admission(n, &asked).await?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let begun = self.clock.monotonic();
        loop {
            let Err(error) = self.tool(&words) else {
                return Ok(());
            };
            // A broker that was killed a moment ago has its session still.
            let waits = error.to_string().contains("is in use as broker");
            ensure!(
                waits && self.clock.monotonic().since(begun) < WAITS_WITHIN,
                error
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn taken(&self, n: usize) -> PathBuf {
        self.data_dir(n).with_extension("taken")
    }

    /// Waits until a broker ends by itself, for a reason that it logs.
    ///
    /// # Errors
    /// It does not end in time, or says something else.
    pub async fn refused(&mut self, n: usize, reason: &str) -> anyhow::Result<()> {
        let begun = self.clock.monotonic();
        while self.brokers[n].check_alive().is_ok() {
            let waited = self.clock.monotonic().since(begun);
            ensure!(waited < WAITS_WITHIN, "broker {n} goes on");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = fs::read_to_string(self.dir.join(format!("broker-{n}")).join("log"))?;
        ensure!(log.contains(reason), "broker {n} does not say {reason:?}");
        Ok(())
    }

    /// Formats a new disk for a broker whose disk was lost.
    ///
    /// # Errors
    /// The tool's.
    pub fn format_anew(&self, n: usize, recovery_generation: u64) -> anyhow::Result<()> {
        let mut format = Command::new(&self.binary);
        format
            .args(["format", "--broker-id", &n.to_string(), "--data-dir"])
            .arg(self.data_dir(n))
            .args(["--cluster-id", &self.id()?])
            .args(["--recovery-generation", &recovery_generation.to_string()]);
        power::run(&mut format)
    }

    /// Waits until a broker says by which command its disk is admitted, and answers the words of
    /// that command, with who is asked named in it.
    ///
    /// # Errors
    /// It does not say so in time, or ended.
    pub async fn admission(&mut self, n: usize, asked: &str) -> anyhow::Result<Vec<String>> {
        let begun = self.clock.monotonic();
        loop {
            let broker = &mut self.brokers[n];
            broker.check_alive()?;
            let reason = ready::ask(broker.admin_port())
                .await
                .err()
                .unwrap_or_default();
            if let Some((_, command)) = reason.split_once("holdfast cluster admit ") {
                let command = command.replace(BLANK, asked);
                let words = command.split_whitespace().map(str::to_owned);
                return Ok(["cluster", "admit"]
                    .map(str::to_owned)
                    .into_iter()
                    .chain(words)
                    .collect());
            }
            if self.clock.monotonic().since(begun) > WAITS_WITHIN {
                bail!("broker {n} does not say how it is admitted: {reason}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
