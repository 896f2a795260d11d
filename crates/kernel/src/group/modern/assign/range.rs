//! Of each topic, everybody gets a range.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_model::TopicId;

use super::super::Partitions;
use super::Subscriber;

pub(super) fn assign(
    members: &[Subscriber<'_>],
    counts: &BTreeMap<TopicId, i32>,
) -> Vec<Partitions> {
    let mut targets = vec![Partitions::new(); members.len()];
    // Static members stay where they are when they come back under another id.
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|index| {
        let member = &members[*index];
        (
            member.instance.is_none(),
            member.instance.unwrap_or(member.id),
        )
    });
    let topics: BTreeSet<TopicId> = members
        .iter()
        .flat_map(|member| member.topics.iter().copied())
        .collect();
    for topic in topics {
        let count = counts.get(&topic).copied().unwrap_or(0);
        let subscribers: Vec<usize> = order
            .iter()
            .copied()
            .filter(|index| members[*index].topics.contains(&topic))
            .collect();
        let among = i32::try_from(subscribers.len()).unwrap_or(i32::MAX).max(1);
        let (each, more) = (count / among, count % among);
        let mut next = 0;
        for (place, index) in (0..).zip(subscribers) {
            let end = next + each + i32::from(place < more);
            if end > next {
                targets[index].insert(topic, (next..end).collect());
            }
            next = end;
        }
    }
    targets
}
