//! Three brokers in three zones, each a process of its own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use holdfast_client::admin::NewTopic;
use holdfast_client::{Admin, Client, Options, Topic};
use holdfast_model::{Clock, SystemClock};
use tokio::sync::{Mutex, MutexGuard};

mod broker;
mod clocks;
mod configuration;
mod disaster;
mod links;
mod ready;
mod versions;

pub use broker::Broker;
pub use versions::{ports_around, previous_binary};

use clocks::WrongClock;
use configuration::{Hosts, configuration};

use crate::power::{self, Disk};

/// The brokers of a cluster.
pub const BROKERS: usize = 3;

const ZONES: [&str; BROKERS] = ["a", "b", "c"];

/// How long a broker may take until it serves, on a machine that does other things too.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// How long a graceful stop may take.
const STOPPED_WITHIN: Duration = Duration::from_secs(45);

/// Ports are taken from here on, below those that the system gives to outgoing connections: a
/// broker must find its port free when it comes back.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

static TURN: Mutex<()> = Mutex::const_new(());

static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// Where the brokers keep their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In a directory.
    Directory,
    /// On a file system of its own for each, whose power can be cut.
    Image,
}

/// A running cluster. Dropping it kills every broker; unless [`Cluster::finish`] was called, what it
/// left stays on disk and the end of each log is printed.
#[derive(Debug)]
pub struct Cluster {
    binary: PathBuf,
    dir: PathBuf,
    /// Where each broker listens for the others, and from where it calls them.
    hosts: Hosts,
    brokers: Vec<Broker>,
    disks: Vec<Disk>,
    client: Client,
    clock: SystemClock,
    passed: bool,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Formats and starts three brokers and waits until all of them serve. Must be called on a
    /// thread that outlives the cluster: the brokers end with it.
    ///
    /// # Errors
    /// The binary is missing, a command fails, or a broker does not come up.
    pub async fn start(name: &str, storage: Storage) -> anyhow::Result<Self> {
        Self::start_with(name, storage, "").await
    }

    /// The same, with lines of the brokers' configuration beside those that are always there. They
    /// stand before its tables, and each ends.
    ///
    /// # Errors
    /// As [`Cluster::start`]; also, a broker does not know what a line says.
    pub async fn start_with(name: &str, storage: Storage, settings: &str) -> anyhow::Result<Self> {
        let mut cluster = Self::prepared_with(name, storage, settings).await?;
        for n in 0..BROKERS {
            cluster.start_broker(n)?;
        }
        cluster.wait_ready().await?;
        Ok(cluster)
    }

    /// The same, on file systems of their own, each with an address of its own for the others, and with a wall
    /// clock that can be set: what goes from one to another can be cut, within a network namespace that was made
    /// for this.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_apart(name: &str, settings: &str) -> anyhow::Result<Self> {
        let mut cluster = Self::prepared_at(name, Storage::Image, settings, Hosts::Own).await?;
        let library = clocks::library(&cluster.dir)?;
        for n in 0..BROKERS {
            let clock = WrongClock::at(&library, cluster.dir.join(format!("broker-{n}/clock")))?;
            cluster.brokers[n].set_clock_with(clock);
            cluster.start_broker(n)?;
        }
        cluster.wait_ready().await?;
        Ok(cluster)
    }

    /// Formats the disks of three brokers and starts none of them.
    ///
    /// # Errors
    /// The binary is missing, or a command fails.
    pub async fn prepared(name: &str, storage: Storage) -> anyhow::Result<Self> {
        Self::prepared_with(name, storage, "").await
    }

    async fn prepared_with(name: &str, storage: Storage, settings: &str) -> anyhow::Result<Self> {
        Self::prepared_at(name, storage, settings, Hosts::One).await
    }

    async fn prepared_at(
        name: &str,
        storage: Storage,
        settings: &str,
        hosts: Hosts,
    ) -> anyhow::Result<Self> {
        let ports = (0..BROKERS).map(|_| Ok([free_port()?, free_port()?, free_port()?]));
        let ports: Vec<[u16; 3]> = ports.collect::<anyhow::Result<_>>()?;
        let mut cluster = Self::empty(name, &ports).await?;
        cluster.hosts = hosts;
        cluster.prepare(&binary()?, &ports, storage, settings)?;
        Ok(cluster)
    }

    /// A cluster of no brokers yet, and a client of those that will have these ports.
    async fn empty(name: &str, ports: &[[u16; 3]]) -> anyhow::Result<Self> {
        let turn = TURN.lock().await;
        let dir = std::env::temp_dir().join(format!("holdfast-{name}-{}", std::process::id()));
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let bootstrap: Vec<String> = ports
            .iter()
            .map(|[clients, ..]| format!("127.0.0.1:{clients}"))
            .collect();
        let client = Client::new(&bootstrap.join(","), Options::default())?;
        Ok(Self {
            binary: binary()?,
            dir,
            hosts: Hosts::One,
            brokers: Vec::new(),
            disks: Vec::new(),
            client,
            clock: SystemClock::new(),
            passed: false,
            _turn: turn,
        })
    }

    fn prepare(
        &mut self,
        binary: &Path,
        ports: &[[u16; 3]],
        storage: Storage,
        settings: &str,
    ) -> anyhow::Result<()> {
        let formation = self.dir.join("formation.toml");
        let mut new = Command::new(binary);
        new.args(["format", "--new-cluster", "--formation"])
            .arg(&formation);
        for (n, [_, rpc, _]) in ports.iter().enumerate() {
            new.arg("--voter")
                .arg(format!("{n}@{}:{rpc}/{}", self.hosts.of(n), ZONES[n]));
        }
        power::run(&mut new)?;
        for (n, ports) in ports.iter().copied().enumerate() {
            let home = self.dir.join(format!("broker-{n}"));
            fs::create_dir_all(&home)?;
            let data = match storage {
                Storage::Directory => home.join("data"),
                Storage::Image => {
                    self.disks
                        .push(Disk::create(&home.join("image"), &home.join("disk"))?);
                    home.join("disk").join("data")
                }
            };
            let mut format = Command::new(binary);
            format.args(["format", "--broker-id", &n.to_string(), "--data-dir"]);
            power::run(format.arg(&data).arg("--formation").arg(&formation))?;
            let config = home.join("holdfast.toml");
            let text = configuration(n, &data, self.hosts, ports, settings);
            fs::write(&config, text)?;
            let host = self.hosts.of(n);
            self.brokers
                .push(Broker::new(binary, n, &home, &host, ports));
        }
        Ok(())
    }

    /// Where everything of the cluster is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where clients begin.
    pub fn bootstrap(&self) -> String {
        let ports = self
            .brokers
            .iter()
            .map(|broker| broker.client_address().to_owned());
        ports.collect::<Vec<_>>().join(",")
    }

    /// A client of the cluster.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Creates a topic with three replicas.
    ///
    /// # Errors
    /// The cluster's answer.
    pub async fn create_topic(&self, name: &str, partitions: i32) -> anyhow::Result<()> {
        let topic = NewTopic {
            partitions,
            replication_factor: BROKERS as i16,
            ..NewTopic::new(name)
        };
        Admin::new(self.client.clone())
            .create_topic(&topic, false)
            .await?;
        Ok(())
    }

    /// Starts a broker that does not run.
    ///
    /// # Errors
    /// It runs, or the process cannot be started.
    pub fn start_broker(&mut self, n: usize) -> anyhow::Result<()> {
        self.brokers[n].start()
    }

    /// From its next start on a broker ends, or waits, at a step: `<step>:die:<n>` or
    /// `<step>:wait-<ms>:<n>`, as `holdfast_broker::test_point` says; or does neither.
    pub fn set_test_point(&mut self, n: usize, point: Option<&str>) {
        self.brokers[n].set_test_point(point);
    }

    /// Whether a broker has ended at its step since it was asked last.
    ///
    /// # Errors
    /// It ended in another way.
    pub fn died_as_asked(&mut self, n: usize) -> anyhow::Result<bool> {
        self.brokers[n].died_as_asked()
    }

    /// The processes of the brokers that run.
    pub fn pids(&self) -> Vec<u32> {
        self.brokers.iter().filter_map(Broker::pid).collect()
    }

    /// Kills a broker with SIGKILL.
    ///
    /// # Errors
    /// It had ended by itself.
    pub fn kill(&mut self, n: usize) -> anyhow::Result<()> {
        self.brokers[n].kill()
    }

    /// Stops a broker's process where it is.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&mut self, n: usize) -> anyhow::Result<()> {
        self.brokers[n].pause()
    }

    /// Lets a broker's process go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&mut self, n: usize) -> anyhow::Result<()> {
        self.brokers[n].resume()
    }

    /// Asks a broker to stop and waits for its end.
    ///
    /// # Errors
    /// It does not end in time, or not well.
    pub async fn stop(&mut self, n: usize) -> anyhow::Result<()> {
        self.brokers[n].stop(STOPPED_WITHIN).await
    }

    /// Cuts the power of every broker at once: what their disks had not synced is gone. The brokers
    /// are down then, their disks are mounted again.
    ///
    /// # Errors
    /// The cluster's disks are no images, or a command fails.
    pub fn cut_power(&mut self) -> anyhow::Result<()> {
        ensure!(
            !self.disks.is_empty(),
            "the power of a directory cannot be cut"
        );
        power::cut(&self.disks)?;
        for broker in &mut self.brokers {
            broker.kill_or_reap()?;
        }
        for disk in &mut self.disks {
            disk.mount_again()?;
        }
        Ok(())
    }

    /// Cuts the power of one broker: what its disk had not synced is gone. It is down then.
    ///
    /// # Errors
    /// The cluster's disks are no images, or a command fails.
    pub fn cut_power_of(&mut self, n: usize) -> anyhow::Result<()> {
        let disk = self
            .disks
            .get_mut(n)
            .context("the power of a directory cannot be cut")?;
        power::cut(std::slice::from_ref(disk))?;
        self.brokers[n].kill_or_reap()?;
        disk.mount_again()
    }

    /// Waits until every broker that runs serves.
    ///
    /// # Errors
    /// One ended by itself or does not serve in time.
    pub async fn wait_ready(&mut self) -> anyhow::Result<()> {
        for n in 0..self.brokers.len() {
            let mut last;
            let begun = self.clock.monotonic();
            loop {
                let broker = &mut self.brokers[n];
                if !broker.expected_to_run() {
                    break;
                }
                broker.check_alive()?;
                match ready::ask(broker.admin_port()).await {
                    Ok(()) => break,
                    Err(reason) => last = reason,
                }
                let waited = self.clock.monotonic().since(begun);
                ensure!(waited < READY_WITHIN, "broker {n} does not serve: {last}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Describes a topic as some broker knows it now.
    ///
    /// # Errors
    /// The topic is not there, or no broker answers.
    pub async fn describe(&self, topic: &str) -> anyhow::Result<Topic> {
        let mut all = self.client.describe_all().await?;
        all.topics
            .remove(topic)
            .with_context(|| format!("no topic {topic}"))
    }

    /// Waits until every broker is in every ISR of a topic.
    ///
    /// # Errors
    /// It takes too long, or a broker ended by itself.
    pub async fn wait_in_sync(&mut self, topic: &str, within: Duration) -> anyhow::Result<()> {
        let begun = self.clock.monotonic();
        let mut last;
        loop {
            self.check_alive()?;
            match self.describe(topic).await {
                Ok(found) => {
                    let lacking = found.partitions.values().filter(|p| p.isr.len() < BROKERS);
                    let lacking: Vec<String> = lacking
                        .map(|p| format!("{}: leader {}, isr {:?}", p.index, p.leader, p.isr))
                        .collect();
                    if lacking.is_empty() && !found.partitions.is_empty() {
                        return Ok(());
                    }
                    last = lacking.join("; ");
                }
                Err(error) => last = error.to_string(),
            }
            let waited = self.clock.monotonic().since(begun);
            if waited > within {
                bail!("not every broker is in every ISR after {within:?}: {last}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether a broker ended by itself since it was asked last; it may be started again then.
    ///
    /// # Errors
    /// The system's.
    pub fn has_ended(&mut self, n: usize) -> anyhow::Result<bool> {
        self.brokers[n].has_ended()
    }

    /// How many lines of a broker's log, over all its starts, have these words.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn said(&self, n: usize, words: &str) -> anyhow::Result<usize> {
        self.brokers[n].said(words)
    }

    /// Checks that no broker ended that was not told to.
    ///
    /// # Errors
    /// One did.
    pub fn check_alive(&mut self) -> anyhow::Result<()> {
        self.brokers.iter_mut().try_for_each(Broker::check_alive)
    }

    /// Says that the test passed: stops everything and removes what is on disk.
    ///
    /// # Errors
    /// A broker panicked in its life, or ended by itself.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.check_alive()?;
        for broker in &self.brokers {
            broker.check_log()?;
        }
        self.passed = true;
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for broker in &mut self.brokers {
            // One that ended already needs no end.
            drop(broker.kill_or_reap());
        }
        self.disks.clear();
        if self.passed {
            // What is left over is a nuisance, not a failure.
            drop(fs::remove_dir_all(&self.dir));
        } else {
            for broker in &self.brokers {
                broker.print_log_end();
            }
        }
    }
}

/// The binary under test: `HOLDFAST_BIN`, or the one built beside this executable.
///
/// # Errors
/// There is none.
pub fn binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("HOLDFAST_BIN") {
        return Ok(PathBuf::from(path));
    }
    let this = std::env::current_exe()?;
    let beside = this
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join("holdfast"));
    beside.into_iter().find(|path| path.is_file()).context(
        "no holdfast binary: build it with `cargo build --release -p holdfast-cli`, or name it in \
         HOLDFAST_BIN",
    )
}

fn free_port() -> anyhow::Result<u16> {
    let span = PORTS.end - PORTS.start;
    for _ in 0..span {
        let step = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        // Processes of tests begin at different places.
        let from = (std::process::id() % u32::from(span)) as u16;
        let port =
            PORTS.start + (u32::from(from) + u32::from(step)).rem_euclid(u32::from(span)) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}
