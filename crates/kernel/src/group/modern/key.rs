//! A group as records: which there are, and what they say.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{GroupOptions, MemberId, Now, Planted};
use super::{Current, MemberValue, ModernGroup, Partitions};

/// What a record of a group is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModernKey {
    /// The group's epoch.
    Group,
    /// A member.
    Member(MemberId),
    /// The epoch of the target.
    TargetEpoch,
    /// What a member is to have.
    Target(MemberId),
    /// Where a member is.
    Current(MemberId),
}

impl ModernKey {
    /// Every record of a member.
    pub(super) fn of_member(id: &MemberId) -> [Self; 3] {
        [
            Self::Member(Arc::clone(id)),
            Self::Target(Arc::clone(id)),
            Self::Current(Arc::clone(id)),
        ]
    }
}

/// What a record of a group says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModernValue {
    /// The group's epoch, and what its topics were.
    Group {
        /// The epoch.
        epoch: i32,
        /// What the topics were, hashed; zero in records of old.
        topics_hash: i64,
    },
    /// A member.
    Member(MemberValue),
    /// The epoch of the target.
    TargetEpoch(i32),
    /// What a member is to have.
    Target(Partitions),
    /// Where a member is.
    Current(Current),
}

impl ModernGroup {
    /// What a record of this group is to say; none if there is to be none.
    pub(in super::super) fn value(&self, key: &ModernKey) -> Option<ModernValue> {
        let member = |id: &MemberId| self.members.get(id);
        match key {
            ModernKey::Group => Some(ModernValue::Group {
                epoch: self.epoch,
                topics_hash: self.topics_hash,
            }),
            ModernKey::TargetEpoch => Some(ModernValue::TargetEpoch(self.target_epoch)),
            ModernKey::Member(id) => member(id).map(|one| ModernValue::Member(one.value.clone())),
            ModernKey::Target(id) => member(id).map(|one| ModernValue::Target(one.target.clone())),
            ModernKey::Current(id) => {
                member(id).map(|one| ModernValue::Current(one.current.clone()))
            }
        }
    }

    /// A group as its records left it; none without the record of the group itself. Members'
    /// sessions begin anew: they did not know that their coordinator was away.
    pub(in super::super) fn of_stored(
        records: &BTreeMap<ModernKey, ModernValue>,
        now: Now,
        options: &GroupOptions,
        planted: Planted,
    ) -> Option<Self> {
        let Some(ModernValue::Group { epoch, topics_hash }) = records.get(&ModernKey::Group) else {
            return None;
        };
        let mut group = Self::new(options, planted);
        group.epoch = *epoch;
        group.topics_hash = *topics_hash;
        if let Some(ModernValue::TargetEpoch(epoch)) = records.get(&ModernKey::TargetEpoch) {
            group.target_epoch = *epoch;
        }
        for (key, value) in records {
            if let (ModernKey::Member(id), ModernValue::Member(value)) = (key, value) {
                group.insert_stored(id, value.clone());
            }
        }
        group.know_patterns();
        for (key, value) in records {
            match (key, value) {
                (ModernKey::Target(id), ModernValue::Target(target)) => {
                    if let Some(member) = group.members.get_mut(id) {
                        member.target.clone_from(target);
                    }
                }
                (ModernKey::Current(id), ModernValue::Current(current)) => {
                    let current = group.what_nobody_holds(current.clone());
                    group.put_current(id, current);
                }
                _ => {}
            }
        }
        let members: Vec<MemberId> = group.members.keys().cloned().collect();
        for id in &members {
            group.restart_own_session(id, now, options);
            group.restart_patience(id, now);
        }
        group.dirty.clear();
        Some(group)
    }

    /// Without what others hold: a log that says so of two was not written by this program, and whoever
    /// coordinates by it must not stop for it.
    fn what_nobody_holds(&self, mut current: Current) -> Current {
        for partitions in [&mut current.assigned, &mut current.revoking] {
            for (topic, set) in partitions.iter_mut() {
                set.retain(|partition| !self.holders.contains_key(&(*topic, *partition)));
            }
            partitions.retain(|_, set| !set.is_empty());
        }
        current
    }
}
