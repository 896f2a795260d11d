//! The rules of the resources, for whoever meets one that admission did not see: the operator, and
//! `holdfast plan` on a file.
//!
//! They are the rules of the schema, in the words of the schema: bounds and patterns are read from
//! it, and what CEL says is said again in Rust, which a test compares. In addition a zone that was
//! found on the nodes, which the schema never sees, is judged by [`validate_zones`].

mod bounds;
mod change;
mod cluster;
mod shape;
mod topic;

use std::fmt;

use serde_json::Value;

use crate::{MessageCluster, MessageClusterSpec, MessageTopic, MessageTopicSpec};

/// What is wrong with a resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Problem {
    /// The field, as `spec.storage.size` or `spec.zones[1].name`.
    pub field: String,
    /// What is wrong with it, and the way out.
    pub message: String,
}

/// Whether a cluster may be created as it is.
pub fn validate_cluster(cluster: &MessageCluster) -> Result<(), Vec<Problem>> {
    let mut found = Found::default();
    bounds::cluster(&cluster.spec, &mut found);
    cluster::check(cluster, &mut found);
    found.result()
}

/// A cluster from a document that no API server has looked at: every field must be known and of its
/// type. Defaults are filled in; [`validate_cluster`] judges what comes out.
pub fn read_cluster(document: &Value) -> Result<MessageCluster, Vec<Problem>> {
    let mut found = Found::default();
    match shape::cluster(document, &mut found) {
        Some(cluster) => found.result().map(|()| cluster),
        None => Err(found.0),
    }
}

/// Whether a cluster may change so. Judges the change alone: [`validate_cluster`] judges what comes
/// out.
pub fn validate_cluster_update(
    old: &MessageClusterSpec,
    new: &MessageClusterSpec,
) -> Result<(), Vec<Problem>> {
    let mut found = Found::default();
    change::cluster(old, new, &mut found);
    found.result()
}

/// Whether a cluster can have these zones, wherever their names come from.
pub fn validate_zones(cluster: &str, zones: &[&str]) -> Result<(), Vec<Problem>> {
    let mut found = Found::default();
    cluster::check_zone_names(cluster, zones, &mut found);
    found.result()
}

/// Whether a topic may be created as it is.
pub fn validate_topic(topic: &MessageTopic) -> Result<(), Vec<Problem>> {
    let mut found = Found::default();
    bounds::topic(&topic.spec, &mut found);
    topic::check(topic, &mut found);
    found.result()
}

/// Whether a topic may change so. Judges the change alone: [`validate_topic`] judges what comes out.
pub fn validate_topic_update(
    old: &MessageTopicSpec,
    new: &MessageTopicSpec,
) -> Result<(), Vec<Problem>> {
    let mut found = Found::default();
    change::topic(old, new, &mut found);
    found.result()
}

/// The problems found so far.
#[derive(Debug, Default)]
struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, field: impl fmt::Display, message: impl Into<String>) {
        self.0.push(Problem {
            field: field.to_string(),
            message: message.into(),
        });
    }

    fn add_unless(&mut self, holds: bool, field: impl fmt::Display, message: &str) {
        if !holds {
            self.add(field, message);
        }
    }

    fn result(self) -> Result<(), Vec<Problem>> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.0)
        }
    }
}

#[cfg(test)]
mod tests;
