//! The rules of the restart permit: what must be left when its brokers stop.

use std::collections::BTreeSet;

use holdfast_model::{BrokerId, Monotonic};

use super::super::Controller;
use super::super::election::Standing;
use super::PermitObstacle;
use crate::image::{BrokerRecord, ClusterImage, IsrMember, PartitionRecord, PermitRecord};
use crate::planted::Planted;

/// Partitions that one answer names.
const NAMED: usize = 100;

impl Controller {
    /// Everything that speaks against stopping a permit's brokers now, by rules that force may break.
    pub(super) fn obstacles(
        &self,
        image: &ClusterImage,
        permit: &PermitRecord,
        now: Monotonic,
    ) -> Vec<PermitObstacle> {
        let mut obstacles = Vec::new();
        obstacles.extend(mixed_zones(image, permit));
        obstacles.extend(self.lost_majority(permit));
        self.add_starved(&mut obstacles, image, permit, now);
        obstacles
    }

    /// Who answers and is not to stop must be a majority of all voters.
    fn lost_majority(&self, permit: &PermitRecord) -> Option<PermitObstacle> {
        let voters = self.quorum.voters.len();
        let stays = self
            .quorum
            .voters
            .iter()
            .filter(|(voter, answers)| *answers && !permit.covers(voter.broker));
        let (left, majority) = (stays.count(), voters / 2 + 1);
        let kept = left >= majority || self.options.planted == Planted::PermitIgnoresQuorum;
        (!kept).then_some(PermitObstacle::Quorum {
            voters,
            left,
            majority,
        })
    }

    /// Every partition on the brokers keeps its minimum without them. Where a broker is still
    /// catching up this says that the partition is below its minimum already: to stop one that
    /// would repair it is as bad.
    fn add_starved(
        &self,
        obstacles: &mut Vec<PermitObstacle>,
        image: &ClusterImage,
        permit: &PermitRecord,
        now: Monotonic,
    ) {
        let stops = serving(image, permit);
        let mut starved = Vec::new();
        for (_, topic) in image.topics.iter() {
            if permit.allow_unavailable.contains(&topic.name) {
                continue;
            }
            for (index, record) in topic.partitions.iter().enumerate() {
                if !record.replicas.iter().any(|id| stops.contains(id)) {
                    continue;
                }
                let left = self.left(image, permit, record, now);
                if left < record.needed() {
                    starved.push((topic.name.as_str(), index as i32, left, record.needed()));
                }
            }
        }
        starved.sort_unstable();
        let named = starved.iter().take(NAMED);
        obstacles.extend(named.map(
            |(topic, partition, left, needed)| PermitObstacle::BelowMin {
                topic: (*topic).to_owned(),
                partition: *partition,
                left: *left,
                needed: *needed,
            },
        ));
        if starved.len() > NAMED {
            obstacles.push(PermitObstacle::MoreBelowMin(starved.len() - NAMED));
        }
    }

    /// Members of the committed ISR that stay: live, and never restarted since they joined.
    fn left(
        &self,
        image: &ClusterImage,
        permit: &PermitRecord,
        record: &PartitionRecord,
        now: Monotonic,
    ) -> usize {
        let counts = |member: &&IsrMember| {
            self.options.planted == Planted::PermitCountsFencedMembers
                || self.standing(image, member, now) == Standing::RanThrough
        };
        let stay = record
            .isr
            .iter()
            .filter(|member| !permit.covers(member.replica.broker));
        stay.filter(counts).count()
    }
}

/// The brokers of a permit that would be missed. One that is down, or on its way, is missed already:
/// it may be restarted whatever the rules say.
fn serving(image: &ClusterImage, permit: &PermitRecord) -> BTreeSet<BrokerId> {
    let serves = |id: &BrokerId| {
        image
            .brokers
            .get(id)
            .is_some_and(BrokerRecord::is_countable)
    };
    permit.broker_ids().into_iter().filter(serves).collect()
}

/// Replicas are spread over zones, so one zone may miss all of its brokers and no two zones any.
fn mixed_zones(image: &ClusterImage, permit: &PermitRecord) -> Option<PermitObstacle> {
    let zone = |id: BrokerId| {
        image
            .brokers
            .get(&id)
            .and_then(|broker| broker.rack.clone())
    };
    let zones: Vec<(BrokerId, Option<String>)> = permit
        .brokers
        .iter()
        .map(|named| (named.broker, zone(named.broker)))
        .collect();
    let (_, first) = zones.first()?;
    let same = first.is_some() && zones.iter().all(|(_, zone)| zone == first);
    (zones.len() > 1 && !same).then_some(PermitObstacle::ZonesMixed { zones })
}
