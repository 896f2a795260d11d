//! Links between brokers that are cut, in a network namespace of their own.

use std::process::Command;

use anyhow::ensure;

use super::Cluster;
use super::configuration::Hosts;
use crate::power;

impl Cluster {
    /// From now on nothing of what one broker sends reaches another. Clients reach both.
    ///
    /// # Errors
    /// The brokers share an address ([`Cluster::start_apart`]), or the command fails: it needs root, and belongs
    /// into a network namespace that was made for it.
    pub fn cut_link(&self, from: usize, to: usize) -> anyhow::Result<()> {
        ensure!(self.hosts == Hosts::Own, "these brokers share an address");
        power::run(
            Command::new("iptables")
                .args(["--append", "INPUT", "--jump", "DROP"])
                .args(["--source", &self.hosts.of(from)])
                .args(["--destination", &self.hosts.of(to)]),
        )
    }

    /// Everything reaches everybody again.
    ///
    /// # Errors
    /// The command fails.
    pub fn mend_links(&self) -> anyhow::Result<()> {
        power::run(Command::new("iptables").args(["--flush", "INPUT"]))
    }
}
