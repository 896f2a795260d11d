//! The formation document.

use std::collections::BTreeSet;

use holdfast_model::{BrokerId, ClusterId};
use serde::{Deserialize, Serialize};

use crate::node::Peer;

/// The format written today.
const VERSION: u32 = 1;

/// Most bytes of a document.
const BYTES: usize = 64 * 1024;

/// Most voters: every commit waits for a majority of them.
const VOTERS: usize = 31;

/// Longest host name, DNS's limit.
const HOST_BYTES: usize = 255;

/// A document that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is no TOML of this shape.
    #[error("formation document cannot be read: {0}")]
    Unreadable(String),
    /// It was written by a newer version.
    #[error("formation document has version {0}, this version knows {VERSION}")]
    Newer(u32),
    /// It contradicts itself.
    #[error("formation document is wrong: {0}")]
    Wrong(String),
}

/// A broker that votes from the beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voter {
    /// Its broker id.
    pub broker: BrokerId,
    /// Host name or address for other brokers.
    pub host: String,
    /// Port for other brokers.
    pub port: u16,
    /// Its zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// Names a new cluster and its first voters. The same on every voter; grants nothing once the
/// cluster exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    version: u32,
    cluster_id: ClusterId,
    voters: Vec<Voter>,
}

/// Read first: the rest of a newer document need not parse.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

impl Voter {
    /// Where it is reached.
    pub fn peer(&self) -> Peer {
        Peer {
            host: self.host.clone(),
            port: self.port,
            zone: self.zone.clone(),
        }
    }
}

impl Document {
    /// A document of this version.
    ///
    /// # Errors
    /// [`DocumentError::Wrong`]: no voters or too many, a broker or an address twice, a bad host.
    pub fn new(cluster_id: ClusterId, mut voters: Vec<Voter>) -> Result<Self, DocumentError> {
        voters.sort_by_key(|voter| voter.broker);
        let document = Self {
            version: VERSION,
            cluster_id,
            voters,
        };
        document.check()?;
        Ok(document)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// Every variant.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        if text.len() > BYTES {
            return Err(DocumentError::Wrong(format!("{} bytes", text.len())));
        }
        let unreadable = |error: toml::de::Error| DocumentError::Unreadable(error.to_string());
        let head: Head = toml::from_str(text).map_err(unreadable)?;
        if head.version != VERSION {
            return Err(DocumentError::Newer(head.version));
        }
        let document: Self = toml::from_str(text).map_err(unreadable)?;
        Self::new(document.cluster_id, document.voters)
    }

    /// The document as text, in TOML.
    ///
    /// # Errors
    /// [`DocumentError::Wrong`] if a name cannot be written.
    pub fn render(&self) -> Result<String, DocumentError> {
        toml::to_string(self).map_err(|error| DocumentError::Wrong(error.to_string()))
    }

    /// The cluster's identity.
    pub fn cluster_id(&self) -> ClusterId {
        self.cluster_id
    }

    /// The voters, by broker id.
    pub fn voters(&self) -> &[Voter] {
        &self.voters
    }

    /// The voter that leads the formation.
    pub fn initiator(&self) -> BrokerId {
        self.voters
            .first()
            .map_or(BrokerId(-1), |voter| voter.broker)
    }

    fn check(&self) -> Result<(), DocumentError> {
        let wrong = |text: String| Err(DocumentError::Wrong(text));
        if self.voters.is_empty() || self.voters.len() > VOTERS {
            return wrong(format!(
                "{} voters, 1 to {VOTERS} are possible",
                self.voters.len()
            ));
        }
        let mut brokers = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        for voter in &self.voters {
            if voter.broker.0 < 0 {
                return wrong(format!("broker id {}", voter.broker));
            }
            if voter.host.is_empty() || voter.host.len() > HOST_BYTES || voter.port == 0 {
                return wrong(format!("broker {} has no usable address", voter.broker));
            }
            if !brokers.insert(voter.broker) {
                return wrong(format!("broker {} twice", voter.broker));
            }
            if !addresses.insert((&voter.host, voter.port)) {
                return wrong(format!("address {}:{} twice", voter.host, voter.port));
            }
        }
        Ok(())
    }
}
