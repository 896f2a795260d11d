//! Named listeners for Kafka's clients, and Kafka's way to write them in one line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::HostPort;

/// The most listeners of one broker.
pub(super) const LISTENERS: usize = 16;

/// What is spoken on a listener. Only [`Protocol::Plaintext`] is served in this version; the
/// others are known so that a configuration which asks for them is refused by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Protocol {
    /// Neither encrypted nor authenticated.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "PLAINTEXT" => Ok(Self::Plaintext),
            "SSL" => Ok(Self::Ssl),
            "SASL_PLAINTEXT" => Ok(Self::SaslPlaintext),
            "SASL_SSL" => Ok(Self::SaslSsl),
            _ => Err(format!("{text:?} is not a security protocol")),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        })
    }
}

/// One listener for Kafka's clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Its name; an answer names brokers by the listener on which the request came.
    pub name: String,
    /// The address to listen on.
    pub bind: HostPort,
    /// The address that clients are told; unset means `bind`, or this machine's name where that
    /// is a wildcard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertised: Option<HostPort>,
    /// What is spoken on it.
    #[serde(default)]
    pub protocol: Protocol,
}

impl Listener {
    /// The address that clients are told.
    pub fn advertised(&self) -> HostPort {
        self.advertised
            .clone()
            .unwrap_or_else(|| self.bind.reachable())
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            name: "PLAINTEXT".to_owned(),
            bind: HostPort::new("0.0.0.0", 9092),
            advertised: None,
            protocol: Protocol::Plaintext,
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.name, self.bind)
    }
}

/// Reads `NAME://host:port,...` into the listeners. A name that is a protocol's sets it. What was
/// advertised before under the same name stays.
pub(super) fn set_listeners(listeners: &mut Vec<Listener>, text: &str) -> Result<(), String> {
    let mut found = Vec::new();
    for (name, bind) in named_endpoints(text)? {
        let old = listeners.iter().find(|l| l.name == name);
        let advertised = old.and_then(|l| l.advertised.clone());
        let protocol = name.parse().unwrap_or_default();
        found.push(Listener {
            name,
            bind,
            advertised,
            protocol,
        });
    }
    if found.is_empty() {
        return Err("no listener is named".to_owned());
    }
    *listeners = found;
    Ok(())
}

/// Reads `NAME://host:port,...` into what the listeners of these names advertise.
pub(super) fn set_advertised(listeners: &mut [Listener], text: &str) -> Result<(), String> {
    for (name, endpoint) in named_endpoints(text)? {
        if endpoint.is_wildcard() {
            return Err(format!(
                "{name} advertises every interface, where nobody can connect"
            ));
        }
        find(listeners, &name)?.advertised = Some(endpoint);
    }
    Ok(())
}

/// Reads `NAME:PROTOCOL,...`. Names without a listener are passed over, as Kafka's own default
/// file has several.
pub(super) fn set_protocols(listeners: &mut [Listener], text: &str) -> Result<(), String> {
    for entry in entries(text)? {
        let (name, protocol) = entry
            .split_once(':')
            .ok_or_else(|| format!("{entry:?} is not NAME:PROTOCOL"))?;
        let protocol = protocol.trim().parse()?;
        if let Ok(listener) = find(listeners, name.trim()) {
            listener.protocol = protocol;
        }
    }
    Ok(())
}

/// Takes out the listeners of Kafka's controllers: brokers talk over the rpc listener here.
pub(super) fn drop_controllers(listeners: &mut Vec<Listener>, text: &str) -> Result<(), String> {
    let names = entries(text)?;
    listeners.retain(|l| !names.contains(&l.name.as_str()));
    if listeners.is_empty() {
        return Err("no listener for clients is left".to_owned());
    }
    Ok(())
}

fn find<'a>(listeners: &'a mut [Listener], name: &str) -> Result<&'a mut Listener, String> {
    let known: Vec<String> = listeners.iter().map(|l| l.name.clone()).collect();
    listeners
        .iter_mut()
        .find(|l| l.name == name)
        .ok_or_else(|| {
            format!(
                "no listener is named {name:?}; there are {}",
                known.join(", ")
            )
        })
}

fn named_endpoints(text: &str) -> Result<Vec<(String, HostPort)>, String> {
    entries(text)?
        .into_iter()
        .map(|entry| {
            let (name, endpoint) = entry
                .split_once("://")
                .ok_or_else(|| format!("{entry:?} is not NAME://host:port"))?;
            Ok((name.to_owned(), endpoint.parse()?))
        })
        .collect()
}

fn entries(text: &str) -> Result<Vec<&str>, String> {
    let entries: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|e| !e.is_empty())
        .collect();
    if entries.len() > LISTENERS {
        return Err(format!("more than {LISTENERS} entries"));
    }
    Ok(entries)
}
