//! A host and a port, as configuration writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest host name that DNS can carry.
const HOST_LENGTH: usize = 253;

/// Where to listen or to connect: `host:port`, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    /// A name or an address, without brackets.
    pub host: String,
    /// The TCP port; 0 when listening means any free one.
    pub port: u16,
}

impl HostPort {
    /// The endpoint of a host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// Whether the host means every interface, so that nobody can connect to it by that name.
    pub fn is_wildcard(&self) -> bool {
        matches!(self.host.as_str(), "0.0.0.0" | "::")
    }

    /// The endpoint as others reach it: a wildcard becomes this machine's name.
    #[must_use]
    pub fn reachable(&self) -> Self {
        let host = if self.is_wildcard() {
            machine_name()
        } else {
            self.host.clone()
        };
        Self {
            host,
            port: self.port,
        }
    }
}

/// The kernel's name of this machine; in a pod, the pod's name.
fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name.to_owned()
    }
}

impl FromStr for HostPort {
    type Err = String;

    /// An empty host means every interface, as in Kafka.
    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| format!("{text:?} is not host:port"))?;
        let port = port
            .parse()
            .map_err(|_e| format!("{port:?} is not a port"))?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner
                .strip_suffix(']')
                .ok_or_else(|| format!("{host:?} lacks its closing bracket"))?,
            None if host.contains(':') => {
                return Err(format!("{host:?} is an IPv6 address: write it in brackets"));
            }
            None => host,
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.len() > HOST_LENGTH || !host.chars().all(allowed) {
            return Err(format!("{host:?} is not a host name"));
        }
        Ok(Self::new(
            if host.is_empty() { "0.0.0.0" } else { host },
            port,
        ))
    }
}

impl TryFrom<String> for HostPort {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<HostPort> for String {
    fn from(endpoint: HostPort) -> Self {
        endpoint.to_string()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_read_back_as_they_print() {
        for text in [
            "localhost:9092",
            "[::1]:9092",
            "10.0.0.1:0",
            "a-b.c_d:65535",
        ] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        assert_eq!(
            ":9092".parse::<HostPort>().unwrap(),
            HostPort::new("0.0.0.0", 9092)
        );
        assert!("[::]:1".parse::<HostPort>().unwrap().is_wildcard());
        assert!(!HostPort::new("0.0.0.0", 1).reachable().is_wildcard());
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            "host",
            "host:",
            "host:70000",
            "::1:9092",
            "[::1:9092",
            "a b:1",
            "a/b:1",
        ] {
            text.parse::<HostPort>().unwrap_err();
        }
    }
}
