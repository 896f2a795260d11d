//! ListGroups and DescribeGroups.

use std::sync::Arc;

use super::super::{DescribedGroup, ListedGroup};
use super::Shard;

impl Shard {
    /// Every group.
    pub fn list(&self) -> Vec<ListedGroup> {
        self.groups
            .iter()
            .map(|(id, group)| ListedGroup {
                group: Arc::clone(id),
                protocol_type: group.members.protocol_type(),
                state: group.members.state(),
            })
            .collect()
    }

    /// A group in full.
    pub fn describe(&self, id: &str) -> Option<DescribedGroup> {
        self.groups.get(id).map(|group| group.members.describe())
    }
}
