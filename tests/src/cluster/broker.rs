//! One broker's process.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::clocks::WrongClock;

/// Lines of the log that are shown when a test fails.
const SHOWN_LINES: usize = 25;

/// A broker that may run.
#[derive(Debug)]
pub struct Broker {
    binary: PathBuf,
    number: usize,
    config: PathBuf,
    log: PathBuf,
    client_address: String,
    rpc_address: String,
    ports: [u16; 3],
    /// Where it ends or waits.
    test_point: Option<String>,
    /// What makes its wall clock another than the machine's.
    clock: Option<WrongClock>,
    process: Option<Child>,
}

impl Broker {
    pub(super) fn new(
        binary: &Path,
        number: usize,
        home: &Path,
        host: &str,
        ports: [u16; 3],
    ) -> Self {
        Self {
            binary: binary.to_owned(),
            number,
            config: home.join("holdfast.toml"),
            log: home.join("log"),
            client_address: format!("127.0.0.1:{}", ports[0]),
            rpc_address: format!("{host}:{}", ports[1]),
            ports,
            test_point: None,
            clock: None,
            process: None,
        }
    }

    pub(super) fn client_address(&self) -> &str {
        &self.client_address
    }

    pub(super) fn rpc_address(&self) -> &str {
        &self.rpc_address
    }

    pub(super) fn admin_port(&self) -> u16 {
        self.ports[2]
    }

    /// For clients, for brokers, for probes.
    pub(super) fn ports(&self) -> [u16; 3] {
        self.ports
    }

    /// From its next start on it is another program.
    pub(super) fn set_binary(&mut self, binary: &Path) {
        binary.clone_into(&mut self.binary);
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    pub(super) fn expected_to_run(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.start_under(&[])
    }

    /// Starts it as what another program runs, which becomes this program.
    pub(super) fn start_under(&mut self, runner: &[String]) -> anyhow::Result<()> {
        ensure!(
            self.process.is_none(),
            "broker {} runs already",
            self.number
        );
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = match runner {
            [] => Command::new(&self.binary),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
        };
        command
            .args(["serve", "--with-parent", &std::process::id().to_string()])
            .arg("--config")
            .arg(&self.config)
            // A broker would take it for a misspelt setting and say so.
            .env_remove("HOLDFAST_BIN")
            .env_remove("HOLDFAST_PREVIOUS_BIN")
            .env_remove("HOLDFAST_SEED")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(point) = &self.test_point {
            command.env("HOLDFAST_TEST_POINT", point);
        }
        if let Some(clock) = &self.clock {
            clock.applies_to(&mut command);
        }
        let child = command.spawn();
        self.process =
            Some(child.with_context(|| format!("cannot start {}", self.binary.display()))?);
        Ok(())
    }

    /// From its next start on its wall clock can be set.
    pub(super) fn set_clock_with(&mut self, clock: WrongClock) {
        self.clock = Some(clock);
    }

    /// What its wall clock is set by, if it can be.
    pub(super) fn clock(&self) -> Option<&WrongClock> {
        self.clock.as_ref()
    }

    /// From its next start on it ends, or waits, at a step.
    pub(super) fn set_test_point(&mut self, point: Option<&str>) {
        self.test_point = point.map(str::to_owned);
    }

    /// Whether it has ended at its step since it was asked last.
    pub(super) fn died_as_asked(&mut self) -> anyhow::Result<bool> {
        let (Some(process), Some(_)) = (&mut self.process, &self.test_point) else {
            return Ok(false);
        };
        let Some(status) = process.try_wait()? else {
            return Ok(false);
        };
        self.process = None;
        let signal = status.signal();
        ensure!(
            signal == Some(Signal::ABORT.as_raw()),
            "broker {} ended with {status}",
            self.number
        );
        Ok(true)
    }

    /// Whether it ended by itself since it was asked last: it may be started again then.
    pub(super) fn has_ended(&mut self) -> anyhow::Result<bool> {
        let Some(process) = &mut self.process else {
            return Ok(false);
        };
        let ended = process.try_wait()?.is_some();
        if ended {
            self.process = None;
        }
        Ok(ended)
    }

    pub(super) fn check_alive(&mut self) -> anyhow::Result<()> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        if let Some(status) = process.try_wait()? {
            self.process = None;
            bail!("broker {} ended by itself: {status}", self.number);
        }
        Ok(())
    }

    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.check_alive()?;
        self.kill_or_reap()
    }

    /// Ends the process, also if it ended before.
    pub(super) fn kill_or_reap(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    pub(super) fn pause(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    pub(super) fn resume(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.check_alive()?;
        let process = self.process.as_ref().context("the broker does not run")?;
        let id = Pid::from_raw(process.id().cast_signed()).context("a process has an id")?;
        Ok(kill_process(id, signal)?)
    }

    pub(super) async fn stop(&mut self, within: Duration) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let stopped = tokio::time::timeout(within, self.ended()).await;
        let status = stopped.with_context(|| format!("broker {} does not stop", self.number))??;
        ensure!(
            status.success(),
            "broker {} stopped with {status}",
            self.number
        );
        Ok(())
    }

    async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        loop {
            let process = self.process.as_mut().context("the broker does not run")?;
            if let Some(status) = process.try_wait()? {
                self.process = None;
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many lines of the log have these words.
    pub(super) fn said(&self, words: &str) -> anyhow::Result<usize> {
        let log = fs::read(&self.log)?;
        let log = String::from_utf8_lossy(&log);
        Ok(log.lines().filter(|line| line.contains(words)).count())
    }

    /// A panic can hide behind a restart.
    pub(super) fn check_log(&self) -> anyhow::Result<()> {
        let log = fs::read(&self.log)?;
        let log = String::from_utf8_lossy(&log);
        let found = log.lines().find(|line| line.contains("panicked"));
        ensure!(
            found.is_none(),
            "broker {}: {}",
            self.number,
            found.unwrap_or_default()
        );
        Ok(())
    }

    #[expect(
        clippy::print_stderr,
        reason = "only where a test failed, for whoever reads that"
    )]
    pub(super) fn print_log_end(&self) {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        eprintln!("--- the end of {}", self.log.display());
        for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
            eprintln!("{line}");
        }
    }
}
