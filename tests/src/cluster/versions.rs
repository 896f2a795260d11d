//! Brokers of another version, and disks that one wrote.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::configuration::configuration;
use super::{BROKERS, Cluster, Storage, free_port};
use crate::power;

/// Names the binary of the version before.
const PREVIOUS: &str = "HOLDFAST_PREVIOUS_BIN";

/// Files that a broker makes anew, and notes that nothing reads: fixtures do without.
const NOT_PACKED: [&str; 6] = ["headroom", "lock", "LOCK", "LOG", "LOG.old.*", "OPTIONS-*"];

/// The binary of the version before, if `HOLDFAST_PREVIOUS_BIN` names it.
pub fn previous_binary() -> Option<PathBuf> {
    std::env::var_os(PREVIOUS).map(PathBuf::from)
}

/// Ports of brokers whose disks know on which ports for brokers they find each other.
///
/// # Errors
/// No port is free for clients and probes.
pub fn ports_around(for_brokers: &[u16]) -> anyhow::Result<Vec<[u16; 3]>> {
    let around = |port: &u16| Ok([free_port()?, *port, free_port()?]);
    for_brokers.iter().map(around).collect()
}

impl Cluster {
    /// Three brokers of another program, which also formatted their disks; they serve.
    ///
    /// # Errors
    /// A command fails, or a broker does not come up.
    pub async fn start_by(maker: &Path, name: &str) -> anyhow::Result<Self> {
        let ports = (0..BROKERS).map(|_| Ok([free_port()?, free_port()?, free_port()?]));
        let ports: Vec<[u16; 3]> = ports.collect::<anyhow::Result<_>>()?;
        Self::start_at(maker, name, &ports).await
    }

    /// The same, as many as there are ports: for clients, for brokers, for probes.
    ///
    /// # Errors
    /// A command fails, or a broker does not come up.
    pub async fn start_at(maker: &Path, name: &str, ports: &[[u16; 3]]) -> anyhow::Result<Self> {
        let mut cluster = Self::empty(name, ports).await?;
        cluster.prepare(maker, ports, Storage::Directory, "")?;
        for n in 0..ports.len() {
            cluster.start_broker(n)?;
        }
        cluster.wait_ready().await?;
        Ok(cluster)
    }

    /// Lets a broker that does not run be another program from its next start on, with lines of
    /// configuration that only this program may know.
    ///
    /// # Errors
    /// It runs, or its configuration cannot be written.
    pub fn run_as(&mut self, n: usize, program: &Path, settings: &str) -> anyhow::Result<()> {
        ensure!(!self.brokers[n].expected_to_run(), "broker {n} runs");
        let text = configuration(
            n,
            &self.data_dir(n),
            self.hosts,
            self.brokers[n].ports(),
            settings,
        );
        let home = self.dir.join(format!("broker-{n}"));
        fs::write(home.join("holdfast.toml"), text)?;
        self.brokers[n].set_binary(program);
        Ok(())
    }

    /// Makes certificates for the admin API, and answers for each broker the lines of configuration
    /// that serve it, and where.
    ///
    /// # Errors
    /// The tool's.
    pub fn certify(&self) -> anyhow::Result<Vec<(String, String)>> {
        let id = self.id()?;
        let of = |name: &str| self.dir.join("certificates").join(name);
        let issue = |name: &str, role: &[&str]| {
            let mut issue = Command::new(&self.binary);
            issue.args(["certificates", "issue", "--cluster-id", &id, "--authority"]);
            issue.arg(of("authority")).arg("--out").arg(of(name));
            power::run(issue.arg("--role").args(role))
        };
        let mut authority = Command::new(&self.binary);
        authority.args(["certificates", "authority", "--cluster-id", &id, "--dir"]);
        power::run(authority.arg(of("authority")))?;
        issue("admin", &["admin"])?;
        issue("operator", &["operator"])?;
        let mut all = Vec::new();
        for n in 0..self.brokers.len() {
            let name = format!("broker-{n}");
            issue(&name, &["broker", "--broker-id", &n.to_string()])?;
            let address = format!("127.0.0.1:{}", free_port()?);
            let mut lines = format!("admin_api.bind = \"{address}\"\n");
            for (key, file) in [
                ("certificate", "tls.crt"),
                ("key", "tls.key"),
                ("authority", "ca.crt"),
            ] {
                let path = of(&name).join(file);
                writeln!(lines, "admin_api.{key} = \"{}\"", path.display())?;
            }
            all.push((lines, address));
        }
        Ok(all)
    }

    /// Runs the tool with the certificate that [`Cluster::certify`] made for people, at these
    /// brokers' admin API.
    ///
    /// # Errors
    /// What the tool complains of.
    pub fn rule(&self, admin: &str, args: &[&str]) -> anyhow::Result<Value> {
        self.rule_as("admin", admin, args)
    }

    /// The same with the certificate of a role.
    ///
    /// # Errors
    /// What the tool complains of.
    pub fn rule_as(&self, role: &str, admin: &str, args: &[&str]) -> anyhow::Result<Value> {
        let output = Command::new(&self.binary)
            .args(args)
            .args(["--output", "json"])
            .env_remove("HOLDFAST_BIN")
            .env_remove(PREVIOUS)
            .env("HOLDFAST_BOOTSTRAP", self.bootstrap())
            .env("HOLDFAST_ADMIN", admin)
            .env(
                "HOLDFAST_CERTIFICATES",
                self.dir.join("certificates").join(role),
            )
            .output()?;
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout)?);
        }
        let complaint: Value = serde_json::from_slice(&output.stderr)?;
        let message = complaint["error"]["message"].as_str();
        anyhow::bail!("{}", message.context("no message")?.to_owned())
    }

    /// Packs the disks of brokers that do not run, and the formation document.
    ///
    /// # Errors
    /// One runs, or `tar` fails.
    pub fn pack(&self, archive: &Path) -> anyhow::Result<()> {
        let mut tar = Command::new("tar");
        tar.arg("--directory").arg(&self.dir);
        tar.args(["--create", "--gzip", "--sparse", "--sort=name"]);
        tar.args(["--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"]);
        tar.args(NOT_PACKED.map(|name| format!("--exclude={name}")));
        tar.arg("--file").arg(archive).arg("formation.toml");
        for (n, broker) in self.brokers.iter().enumerate() {
            ensure!(!broker.expected_to_run(), "broker {n} runs");
            tar.arg(format!("broker-{n}/data"));
        }
        power::run(&mut tar)
    }

    /// Brokers of the binary under test on the disks of an archive, not started yet. They have the
    /// ports for brokers that their disks know; the others are free to choose.
    ///
    /// # Errors
    /// `tar` fails, or no port is free.
    pub async fn unpack(archive: &Path, name: &str, ports: &[[u16; 3]]) -> anyhow::Result<Self> {
        let mut cluster = Self::empty(name, ports).await?;
        let mut tar = Command::new("tar");
        tar.arg("--directory").arg(&cluster.dir);
        power::run(tar.args(["--extract", "--gzip", "--file"]).arg(archive))?;
        let program = cluster.binary.clone();
        for (n, ports) in ports.iter().enumerate() {
            let home = cluster.dir.join(format!("broker-{n}"));
            let broker = super::Broker::new(&program, n, &home, &cluster.hosts.of(n), *ports);
            cluster.brokers.push(broker);
            cluster.run_as(n, &program, "")?;
        }
        Ok(cluster)
    }
}
