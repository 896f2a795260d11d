//! ListGroups and DescribeGroups.

use std::sync::Arc;

use super::super::membership::Membership;
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
                is_modern: group.members.modern().is_some(),
            })
            .collect()
    }

    /// A group of the classic protocol in full.
    pub fn describe(&self, id: &str) -> Option<DescribedGroup> {
        let group = self.groups.get(id)?;
        match &group.members {
            Membership::Classic(members) => Some(members.describe()),
            Membership::Modern(_) => None,
        }
    }
}
