//! Who is to read what: the assignors that the coordinator knows.
//!
//! An assignor looks at who subscribes to what and at what each member was to read before, and gives
//! every partition that has a subscriber to exactly one of them.

mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_model::{TopicId, invariant};

use super::super::MemberId;
use super::Partitions;

/// How a group divides its partitions. Kafka's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assignor {
    /// Everybody gets equally many, and keeps what it has where that is possible.
    #[default]
    Uniform,
    /// Of each topic everybody gets a range; the same one of topics with the same partitions and
    /// subscribers, so that they can be joined.
    Range,
}

impl Assignor {
    /// Every one, the default first.
    pub const ALL: &[Self] = &[Self::Uniform, Self::Range];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The one with a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }

    /// What each member is to read, in the order of the members.
    pub(super) fn assign(
        self,
        members: &[Subscriber<'_>],
        counts: &BTreeMap<TopicId, i32>,
    ) -> Vec<Partitions> {
        let targets = match self {
            Self::Uniform => uniform::assign(members, counts),
            Self::Range => range::assign(members, counts),
        };
        check(members, counts, &targets);
        targets
    }
}

/// A member, as an assignor sees it.
#[derive(Debug)]
pub(super) struct Subscriber<'a> {
    pub(super) id: &'a MemberId,
    /// The name that survives its restarts.
    pub(super) instance: Option<&'a Arc<str>>,
    /// The topics that it reads; some may not exist.
    pub(super) topics: Arc<BTreeSet<TopicId>>,
    /// What it was to read before.
    pub(super) before: &'a Partitions,
}

/// INV-GROUP-TARGET: every partition of a topic with subscribers is one member's, and nothing else is.
fn check(members: &[Subscriber<'_>], counts: &BTreeMap<TopicId, i32>, targets: &[Partitions]) {
    let mut given: BTreeMap<TopicId, BTreeSet<i32>> = BTreeMap::new();
    for (member, target) in members.iter().zip(targets) {
        for (topic, partitions) in target {
            let count = counts.get(topic).copied().unwrap_or(0);
            let subscribed = member.topics.contains(topic);
            for partition in partitions {
                let new = given.entry(*topic).or_default().insert(*partition);
                invariant!(
                    "INV-GROUP-TARGET",
                    subscribed && new && (0..count).contains(partition),
                    "{topic}-{partition} to {}",
                    member.id
                );
            }
        }
    }
    let wanted: BTreeSet<TopicId> = members
        .iter()
        .flat_map(|member| member.topics.iter().copied())
        .collect();
    for topic in wanted {
        let count = counts.get(&topic).copied().unwrap_or(0);
        let count = usize::try_from(count).unwrap_or(0);
        let all = given.get(&topic).map_or(0, BTreeSet::len) == count;
        invariant!("INV-GROUP-TARGET", all, "{topic} is not given in full");
    }
}

#[cfg(test)]
mod tests;
