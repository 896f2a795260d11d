//! Groups from the records of their partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shard::Group;
use super::{
    GroupId, GroupOptions, GroupValue, ModernKey, ModernValue, OffsetTable, Planted, Record, Shard,
};
use crate::group::classic::Now;

/// Reads records in the order of the log.
#[derive(Debug, Default)]
pub struct Loader {
    groups: BTreeMap<GroupId, Loaded>,
}

/// A group as its records left it.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) value: Option<Arc<GroupValue>>,
    pub(super) modern: BTreeMap<ModernKey, ModernValue>,
    pub(super) offsets: OffsetTable,
}

impl Loaded {
    fn is_empty(&self) -> bool {
        self.value.is_none() && self.modern.is_empty() && self.offsets.is_empty()
    }
}

impl Loader {
    /// The next record.
    pub fn apply(&mut self, record: Record) {
        let loaded = self.groups.entry(Arc::clone(record.group())).or_default();
        match record {
            Record::Offset {
                topic,
                partition,
                value,
                ..
            } => loaded.offsets.apply(&topic, partition, value),
            Record::Group { value, .. } => loaded.value = value,
            Record::Modern {
                key,
                value: Some(value),
                ..
            } => {
                loaded.modern.insert(key, value);
            }
            Record::Modern { key, .. } => {
                loaded.modern.remove(&key);
            }
        }
    }

    /// The shard as the records left it.
    pub fn finish(self, options: GroupOptions, now: Now, planted: Planted) -> Shard {
        let mut shard = Shard::new(options, planted);
        for (id, loaded) in self.groups {
            if loaded.is_empty() {
                continue;
            }
            let group = Group::loaded(loaded, &options, now, planted);
            shard.put(&id, group, now);
        }
        shard
    }
}
