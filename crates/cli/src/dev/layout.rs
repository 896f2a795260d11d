//! Where everything of a cluster is: directories, ports, addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::text::add;

/// The port of the first broker of the cluster that has no port in its directory's name.
const DEFAULT_BASE_PORT: u16 = 9092;

/// The most brokers of one cluster on one machine.
pub(crate) const BROKERS: u16 = 16;

/// The zones, in turn.
const ZONES: [&str; 3] = ["a", "b", "c"];

/// The last part of the first broker's own loopback address.
const FIRST_SOURCE: u8 = 10;

/// The addresses of one broker, all on the loopback interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// For clients.
    pub(crate) clients: SocketAddr,
    /// Where its peers connect: the relay.
    pub(crate) relay: SocketAddr,
    /// For metrics and probes.
    pub(crate) admin: SocketAddr,
    /// For people: the admin API.
    pub(crate) api: SocketAddr,
    /// Where the relay connects.
    pub(crate) rpc: SocketAddr,
    /// From where it connects to its peers.
    pub(crate) source: IpAddr,
}

/// The places of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
    base_port: u16,
    settings: Vec<(String, String)>,
}

impl Layout {
    /// The places under a directory, or under the default one.
    pub(crate) fn new(dir: Option<PathBuf>, base_port: u16) -> anyhow::Result<Self> {
        let dir = match dir {
            Some(dir) => std::path::absolute(dir)?,
            None => default_dir(base_port)?,
        };
        Ok(Self {
            dir,
            base_port,
            settings: Vec::new(),
        })
    }

    /// The same with settings that every broker is started with.
    #[must_use]
    pub(crate) fn with_settings(self, settings: Vec<(String, String)>) -> Self {
        Self { settings, ..self }
    }

    /// Those settings, as the environment of a broker.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (String, &str)> {
        self.settings.iter().map(|(key, value)| {
            let key = key.strip_prefix("holdfast.").unwrap_or(key);
            let name = key.to_ascii_uppercase().replace('.', "_");
            (format!("HOLDFAST_{name}"), value.as_str())
        })
    }

    /// The directory of everything.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The port of the first broker.
    pub(crate) fn base_port(&self) -> u16 {
        self.base_port
    }

    /// The options that name this cluster to another call of the tool, each with a space before.
    pub(crate) fn options(&self) -> String {
        let mut options = String::new();
        if self.base_port != DEFAULT_BASE_PORT {
            add(
                &mut options,
                format_args!(" --base-port {}", self.base_port),
            );
        }
        if default_dir(self.base_port).ok().as_deref() != Some(&self.dir) {
            add(&mut options, format_args!(" --dir {}", self.dir.display()));
        }
        options
    }

    /// The socket of the supervisor.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// Everything of one broker.
    pub(crate) fn broker_dir(&self, broker: u16) -> PathBuf {
        self.dir.join(format!("broker-{broker}"))
    }

    /// A broker's disk.
    pub(crate) fn data_dir(&self, broker: u16) -> PathBuf {
        self.broker_dir(broker).join("data")
    }

    /// A broker's configuration.
    pub(crate) fn config_file(&self, broker: u16) -> PathBuf {
        self.broker_dir(broker).join("holdfast.toml")
    }

    /// What a broker writes about itself.
    pub(crate) fn log_file(&self, broker: u16) -> PathBuf {
        self.broker_dir(broker).join("log")
    }

    /// A broker's addresses. The base port is bounded so that none overflows.
    pub(crate) fn addresses(&self, broker: u16) -> Addresses {
        let at = |step: u16| {
            let port = self.base_port + step + broker;
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        };
        Addresses {
            clients: at(0),
            api: at(500),
            relay: at(1000),
            admin: at(2000),
            rpc: at(3000),
            source: source(broker),
        }
    }

    /// The authority of the cluster's certificates, and a folder for each certificate.
    pub(crate) fn certificates(&self, of: &str) -> PathBuf {
        self.dir.join("certificates").join(of)
    }

    /// The addresses of the admin API.
    pub(crate) fn admin(&self, brokers: u16) -> String {
        let addresses = (0..brokers).map(|n| self.addresses(n).api.to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// The addresses at which clients begin.
    pub(crate) fn bootstrap(&self, brokers: u16) -> String {
        let addresses = (0..brokers).map(|n| self.addresses(n).clients.to_string());
        addresses.collect::<Vec<_>>().join(",")
    }
}

/// A broker's zone.
pub(crate) fn zone(broker: u16) -> &'static str {
    ZONES[usize::from(broker) % ZONES.len()]
}

/// From where a broker connects to its peers.
fn source(broker: u16) -> IpAddr {
    let last = FIRST_SOURCE + broker.min(BROKERS) as u8;
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

/// The broker that connects from an address.
pub(crate) fn broker_at(source_address: IpAddr) -> Option<u16> {
    (0..BROKERS).find(|broker| source(*broker) == source_address)
}

fn default_dir(base_port: u16) -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let share = match set("XDG_DATA_HOME") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(set("HOME").context("HOME is not set: give --dir DIR")?)
            .join(".local/share"),
    };
    let name = if base_port == DEFAULT_BASE_PORT {
        "dev".to_owned()
    } else {
        format!("dev-{base_port}")
    };
    Ok(share.join("holdfast").join(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_brokers_share_an_address_or_a_source() {
        let layout = Layout::new(Some("/tmp/x".into()), 62_000).unwrap();
        let mut seen = BTreeSet::new();
        for broker in 0..BROKERS {
            let a = layout.addresses(broker);
            for address in [a.clients, a.api, a.relay, a.admin, a.rpc] {
                assert!(seen.insert(address), "{address}");
            }
            assert_eq!(broker_at(a.source), Some(broker));
        }
        assert_eq!(broker_at(Ipv4Addr::LOCALHOST.into()), None);
        assert_eq!([zone(0), zone(2), zone(3)], ["a", "c", "a"]);
    }

    #[test]
    fn the_options_name_what_is_not_the_default() {
        let layout = Layout::new(Some("/tmp/x".into()), 9092).unwrap();
        assert_eq!(layout.options(), " --dir /tmp/x");
        let layout = Layout::new(Some("/tmp/x".into()), 19_092).unwrap();
        assert_eq!(layout.options(), " --base-port 19092 --dir /tmp/x");
    }
}
