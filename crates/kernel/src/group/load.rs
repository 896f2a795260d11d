//! Groups from the records of their partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shard::Group;
use super::{GroupId, GroupOptions, GroupValue, OffsetTable, Planted, Record, Shard};
use crate::group::classic::Now;

/// Reads records in the order of the log.
#[derive(Debug, Default)]
pub struct Loader {
    groups: BTreeMap<GroupId, Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    value: Option<Arc<GroupValue>>,
    offsets: OffsetTable,
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
        }
    }

    /// The shard as the records left it.
    pub fn finish(self, options: GroupOptions, now: Now, planted: Planted) -> Shard {
        let mut shard = Shard::new(options, planted);
        for (id, loaded) in self.groups {
            if loaded.value.is_none() && loaded.offsets.is_empty() {
                continue;
            }
            shard.put(
                &id,
                Group::loaded(loaded.value, loaded.offsets, now, planted),
                now,
            );
        }
        shard
    }
}
