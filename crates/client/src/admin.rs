//! Admin calls: topics, settings, offsets, groups, and the state of cluster and quorum.
//!
//! A call that changes something is tried again after a lost connection, so its first try may have
//! had its effect: creating then reports that the topic exists, deleting that it does not.

use holdfast_model::TopicId;
use holdfast_wire::StrBytes;
use holdfast_wire::messages::TopicName;

use crate::{Client, Error};

mod cluster;
mod configs;
mod groups;
mod offsets;
mod topics;

pub use cluster::{ClusterDescription, DescribedBroker, QuorumDescription, QuorumReplica};
pub use configs::{ConfigChange, ConfigEntry, Resource};
pub use groups::{GroupDescription, GroupMember, GroupOffset, ListedGroup};
pub use offsets::OffsetAt;
pub use topics::NewTopic;

/// What a broker may take for a change of the cluster, in milliseconds.
const CHANGE_TIMEOUT_MS: i32 = 30_000;

/// Admin calls on a cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
}

/// A topic that now exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its name.
    pub name: String,
    /// Its identity; nil if the broker did not say.
    pub id: TopicId,
}

impl Admin {
    /// Admin calls through a client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// The one row of an answer to a question about one thing.
fn single<T>(rows: Vec<T>, what: &str) -> Result<T, Error> {
    let count = rows.len();
    let mut rows = rows.into_iter();
    match (rows.next(), rows.next()) {
        (Some(row), None) => Ok(row),
        _ => Err(Error::Protocol {
            address: "the cluster".to_owned(),
            reason: format!("{what}: {count} rows in the answer instead of one"),
        }),
    }
}
