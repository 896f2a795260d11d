//! Where new replicas go: spread over zones first, then over the least loaded brokers.

use std::collections::BTreeMap;

use holdfast_model::BrokerId;

use crate::image::ClusterImage;

/// Brokers that may take replicas, with what they hold already.
#[derive(Clone, Debug)]
pub struct Placement {
    brokers: Vec<Candidate>,
    turn: usize,
}

#[derive(Clone, Debug)]
struct Candidate {
    id: BrokerId,
    rack: Option<String>,
    replicas: usize,
    leaders: usize,
}

impl Placement {
    /// Brokers that are registered, unfenced and not stopping, with their present load.
    pub fn new(image: &ClusterImage) -> Self {
        let mut load: BTreeMap<BrokerId, (usize, usize)> = BTreeMap::new();
        for (_, topic) in image.topics.iter() {
            for record in &topic.partitions {
                for (index, broker) in record.replicas.iter().enumerate() {
                    let entry = load.entry(*broker).or_default();
                    entry.0 += 1;
                    entry.1 += usize::from(index == 0);
                }
            }
        }
        let brokers = image
            .brokers
            .values()
            .filter(|broker| broker.is_countable())
            .map(|broker| {
                let (replicas, leaders) = load.get(&broker.id).copied().unwrap_or_default();
                Candidate {
                    id: broker.id,
                    rack: broker.rack.clone(),
                    replicas,
                    leaders,
                }
            })
            .collect();
        Self { brokers, turn: 0 }
    }

    /// How many brokers there are.
    pub fn len(&self) -> usize {
        self.brokers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.brokers.is_empty()
    }

    /// Chooses the replicas of one partition, the preferred leader first. Fewer than asked for if
    /// there are not enough brokers.
    pub fn place(&mut self, replication_factor: usize) -> Vec<BrokerId> {
        let mut chosen: Vec<usize> = Vec::with_capacity(replication_factor);
        while chosen.len() < replication_factor.min(self.brokers.len()) {
            let Some(next) = self.next(&chosen) else {
                break;
            };
            chosen.push(next);
        }
        for (position, index) in chosen.iter().enumerate() {
            let broker = &mut self.brokers[*index];
            broker.replicas += 1;
            broker.leaders += usize::from(position == 0);
        }
        self.turn = self.turn.wrapping_add(1);
        chosen.iter().map(|index| self.brokers[*index].id).collect()
    }

    fn next(&self, chosen: &[usize]) -> Option<usize> {
        let count = self.brokers.len();
        let rack_used = |index: usize| {
            let rack = &self.brokers[index].rack;
            rack.is_some()
                && chosen
                    .iter()
                    .any(|other| self.brokers[*other].rack == *rack)
        };
        (0..count)
            .filter(|index| !chosen.contains(index))
            .min_by_key(|index| {
                let broker = &self.brokers[*index];
                let leaders = if chosen.is_empty() { broker.leaders } else { 0 };
                // Among equals the turn rotates, so that followers of one leader spread too.
                let rotation = (index + count - self.turn % count) % count;
                (rack_used(*index), leaders, broker.replicas, rotation)
            })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn placement(racks: &[&str]) -> Placement {
        let brokers = racks
            .iter()
            .enumerate()
            .map(|(index, rack)| Candidate {
                id: BrokerId(index as i32),
                rack: Some((*rack).to_owned()),
                replicas: 0,
                leaders: 0,
            })
            .collect();
        Placement { brokers, turn: 0 }
    }

    #[test]
    fn replicas_spread_over_zones_and_load_is_even() {
        let racks = ["a", "a", "b", "b", "c", "c"];
        let mut placement = placement(&racks);
        for _ in 0..300 {
            let replicas = placement.place(3);
            let zones: BTreeSet<_> = replicas.iter().map(|id| racks[id.0 as usize]).collect();
            assert_eq!(zones.len(), 3, "{replicas:?}");
        }
        for broker in &placement.brokers {
            assert!((145..=155).contains(&broker.replicas), "{broker:?}");
            assert!((48..=52).contains(&broker.leaders), "{broker:?}");
        }
    }

    #[test]
    fn more_replicas_than_zones_still_land_on_different_brokers() {
        let mut placement = placement(&["a", "a", "b"]);
        let replicas: BTreeSet<_> = placement.place(3).into_iter().collect();
        assert_eq!(replicas.len(), 3);
        assert_eq!(placement.place(9).len(), 3);
    }
}
