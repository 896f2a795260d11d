//! Everybody gets equally many partitions, and keeps what it has where that is possible.
//!
//! Members with the same choice of topics are served together. First everybody keeps what it had;
//! then each free partition goes to whoever has least; then partitions move from who has most to who
//! has least, as long as that makes them more equal.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_model::TopicId;

use super::super::Partitions;
use super::Subscriber;

/// A partition.
type At = (TopicId, i32);

pub(super) fn assign(
    members: &[Subscriber<'_>],
    counts: &BTreeMap<TopicId, i32>,
) -> Vec<Partitions> {
    let mut loads = vec![0_usize; members.len()];
    let mut classes = classes(members, counts);
    for class in &mut classes {
        class.keep(members, &mut loads);
    }
    // Who can read few topics chooses first.
    classes.sort_by_key(|class| class.subscribers.len());
    for class in &mut classes {
        class.give(&mut loads);
    }
    // A move of one class can make room for a move of another; each makes the loads more equal, so
    // this ends by itself, and soon.
    for _ in 0..=classes.len() {
        let moved = classes
            .iter_mut()
            .map(|class| class.balance(&mut loads))
            .fold(false, |any, moved| any | moved);
        if !moved {
            break;
        }
    }
    let mut targets = vec![Partitions::new(); members.len()];
    for class in classes {
        for (member, owned) in class.owned {
            for (topic, partition) in owned {
                let target: &mut Partitions = &mut targets[member];
                target.entry(topic).or_default().insert(partition);
            }
        }
    }
    targets
}

/// Topics with the same subscribers.
struct Class {
    /// Who reads them, by their place among the members.
    subscribers: Vec<usize>,
    /// What is nobody's.
    free: BTreeSet<At>,
    /// What is whose.
    owned: BTreeMap<usize, BTreeSet<At>>,
}

fn classes(members: &[Subscriber<'_>], counts: &BTreeMap<TopicId, i32>) -> Vec<Class> {
    let mut readers: BTreeMap<TopicId, Vec<usize>> = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        for topic in &*member.topics {
            readers.entry(*topic).or_default().push(index);
        }
    }
    let mut classes: BTreeMap<Vec<usize>, BTreeSet<At>> = BTreeMap::new();
    for (topic, subscribers) in readers {
        let count = counts.get(&topic).copied().unwrap_or(0);
        let class = classes.entry(subscribers).or_default();
        class.extend((0..count).map(|partition| (topic, partition)));
    }
    let class = |(subscribers, free)| Class {
        subscribers,
        free,
        owned: BTreeMap::new(),
    };
    classes.into_iter().map(class).collect()
}

impl Class {
    /// Everybody keeps what it had.
    fn keep(&mut self, members: &[Subscriber<'_>], loads: &mut [usize]) {
        for index in &self.subscribers {
            for (topic, partitions) in members[*index].before {
                for partition in partitions {
                    let at = (*topic, *partition);
                    // Not free: of another class, gone, or kept by another member already.
                    if self.free.remove(&at) {
                        self.owned.entry(*index).or_default().insert(at);
                        loads[*index] += 1;
                    }
                }
            }
        }
    }

    fn by_load(&self, loads: &[usize]) -> BTreeSet<(usize, usize)> {
        self.subscribers
            .iter()
            .map(|index| (loads[*index], *index))
            .collect()
    }

    /// What is free goes to whoever has least.
    fn give(&mut self, loads: &mut [usize]) {
        let mut order = self.by_load(loads);
        for at in std::mem::take(&mut self.free) {
            let Some((load, index)) = order.pop_first() else {
                return;
            };
            self.owned.entry(index).or_default().insert(at);
            loads[index] += 1;
            order.insert((load + 1, index));
        }
    }

    /// Moves partitions from who has most to who has least; whether any moved.
    fn balance(&mut self, loads: &mut [usize]) -> bool {
        let mut order = self.by_load(loads);
        let mut moved = false;
        while let Some((least, to)) = order.first().copied() {
            let has_some = |(_, index): &&(usize, usize)| {
                self.owned.get(index).is_some_and(|owned| !owned.is_empty())
            };
            let Some((most, from)) = order.iter().rev().find(has_some).copied() else {
                break;
            };
            if most < least + 2 {
                break;
            }
            let Some(at) = self.owned.get_mut(&from).and_then(BTreeSet::pop_last) else {
                break;
            };
            self.owned.entry(to).or_default().insert(at);
            order.remove(&(most, from));
            order.remove(&(least, to));
            order.insert((most - 1, from));
            order.insert((least + 1, to));
            loads[from] -= 1;
            loads[to] += 1;
            moved = true;
        }
        moved
    }
}
