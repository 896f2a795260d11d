//! What the log says of a group of the consumer protocol, and what it is about to say.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{GroupId, modern::ModernGroup};
use super::super::{ModernKey, ModernValue, Record};

/// Records by key.
#[derive(Debug, Default)]
pub(super) struct KeyLog {
    /// What has a record, or will have once everything under way is written.
    present: BTreeSet<ModernKey>,
    /// What has records under way, and how many.
    unwritten: BTreeMap<ModernKey, u32>,
    /// What must be written and was not handed out, or was refused.
    dirty: BTreeSet<ModernKey>,
}

impl KeyLog {
    /// As a log was found.
    pub(super) fn found(keys: impl Iterator<Item = ModernKey>) -> Self {
        Self {
            present: keys.collect(),
            ..Self::default()
        }
    }

    /// These must be written.
    pub(super) fn mark(&mut self, keys: impl IntoIterator<Item = ModernKey>) {
        self.dirty.extend(keys);
    }

    /// Everything must be removed.
    pub(super) fn mark_all(&mut self) {
        self.dirty.extend(self.present.iter().cloned());
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether there is nothing, and will not be.
    pub(super) fn is_empty(&self) -> bool {
        self.present.is_empty() && self.is_settled()
    }

    /// Whether nothing is under way or to be.
    pub(super) fn is_settled(&self) -> bool {
        self.unwritten.is_empty() && self.dirty.is_empty()
    }

    pub(super) fn is_unwritten(&self, key: &ModernKey) -> bool {
        self.unwritten.contains_key(key)
    }

    /// What has a record.
    pub(super) fn present(&self) -> impl Iterator<Item = &ModernKey> {
        self.present.iter()
    }

    /// The records of what must be written: the group's present values, or their removal.
    pub(super) fn begin(
        &mut self,
        id: &GroupId,
        group: Option<&ModernGroup>,
    ) -> (Vec<ModernKey>, Vec<Record>) {
        let (mut keys, mut records) = (Vec::new(), Vec::new());
        for key in std::mem::take(&mut self.dirty) {
            let value: Option<ModernValue> = group.and_then(|group| group.value(&key));
            let known = if value.is_some() {
                self.present.insert(key.clone());
                true
            } else {
                self.present.remove(&key)
            };
            // What was never written need not be removed.
            if !known {
                continue;
            }
            *self.unwritten.entry(key.clone()).or_default() += 1;
            records.push(Record::Modern {
                group: GroupId::clone(id),
                key: key.clone(),
                value,
            });
            keys.push(key);
        }
        (keys, records)
    }

    /// Records are committed, or never will be.
    pub(super) fn end(&mut self, keys: &[ModernKey]) {
        for key in keys {
            if let Some(count) = self.unwritten.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    self.unwritten.remove(key);
                }
            }
        }
    }

    /// Records will never be committed: their keys are written again.
    pub(super) fn refused(&mut self, keys: Vec<ModernKey>) {
        // So that a removal is written again too.
        self.present.extend(keys.iter().cloned());
        self.dirty.extend(keys);
    }
}
