//! How far a group has read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CommittedOffset, GroupId, MemberId};

/// OffsetCommit.
#[derive(Clone, Debug)]
pub struct CommitRequest {
    /// The group.
    pub group: GroupId,
    /// The member, or empty.
    pub member: MemberId,
    /// The name that survives the member's restarts.
    pub instance: Option<Arc<str>>,
    /// The member's generation, or -1.
    pub generation: i32,
    /// The client knows what it means that a group does not exist.
    pub knows_missing_groups: bool,
    /// What is committed.
    pub rows: Vec<OffsetRow>,
}

/// One partition's offset; none removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRow {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub value: Option<CommittedOffset>,
}

/// The committed offsets of a group, and which of them are about to change.
#[derive(Clone, Debug, Default)]
pub struct OffsetTable {
    topics: BTreeMap<Arc<str>, BTreeMap<i32, CommittedOffset>>,
    count: usize,
    /// Keys with records under way, and how many.
    unwritten: BTreeMap<(Arc<str>, i32), u32>,
}

impl OffsetTable {
    /// The committed offset of a partition.
    pub fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Every committed offset, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, i32, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(move |(partition, value)| (topic, *partition, value))
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many there will be at most once everything under way is written.
    pub(super) fn bound(&self) -> usize {
        self.count.saturating_add(self.unwritten.len())
    }

    /// A record of this key is under way.
    pub(super) fn begin(&mut self, row: &OffsetRow) {
        let key = (Arc::clone(&row.topic), row.partition);
        *self.unwritten.entry(key).or_default() += 1;
    }

    /// A record of this key is committed, or will never be.
    pub(super) fn end(&mut self, row: &OffsetRow) {
        let key = (Arc::clone(&row.topic), row.partition);
        if let Some(count) = self.unwritten.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.unwritten.remove(&key);
            }
        }
    }

    /// Whether a record of this key is under way.
    pub(super) fn is_unwritten(&self, topic: &Arc<str>, partition: i32) -> bool {
        self.unwritten.contains_key(&(Arc::clone(topic), partition))
    }

    /// Keys with records under way.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = &(Arc<str>, i32)> {
        self.unwritten.keys()
    }

    /// Whether any record is under way.
    pub(super) fn is_settled(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// A committed record takes effect.
    pub(super) fn apply(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        value: Option<CommittedOffset>,
    ) {
        if let Some(value) = value {
            let partitions = self.topics.entry(Arc::clone(topic)).or_default();
            self.count += usize::from(partitions.insert(partition, value).is_none());
            return;
        }
        if let Some(partitions) = self.topics.get_mut(topic) {
            self.count -= usize::from(partitions.remove(&partition).is_some());
            if partitions.is_empty() {
                self.topics.remove(topic);
            }
        }
    }
}
