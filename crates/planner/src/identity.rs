//! What a cluster is for ever: its id, its zones' ranges of broker ids, its first voters.
//!
//! It stands in a ConfigMap that has no owner: like the volumes, it outlives the resource, and a
//! resource of the same name finds its data by it.

mod choose;

use serde::{Deserialize, Serialize};

pub use choose::{extended, formed, new_identity};

/// The identity of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// The cluster id as the brokers print it, 22 characters of URL-safe base64.
    pub cluster_id: String,
    /// Every zone that ever had brokers. A range is never given to another zone, and a zone that left
    /// keeps its own.
    pub zones: Vec<ZoneRange>,
    /// The brokers that vote from the beginning.
    pub voters: Vec<i32>,
    /// The formation document, until the cluster is formed: after that nobody may be given it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formation: Option<String>,
    /// The brokers have become one cluster.
    pub formed: bool,
    /// The version of the brokers where the resource names none: that of the operator which made the
    /// cluster.
    pub version: String,
}

/// The range of broker ids of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ZoneRange {
    /// The zone.
    pub name: String,
    /// Its first id, as 2000; it has 1000 of them.
    pub first_id: i32,
}
