//! Elections that somebody asks for (Kafka's ElectLeaders).

use holdfast_model::{BrokerId, ErrorCode, Monotonic, TopicPartition};

use super::election::{Unmoved, hand_over};
use super::tick::CHANGES_PER_TICK;
use super::{Controller, Draft, Failure, Outcome};
use crate::image::{ClusterImage, PartitionRecord};

/// Why nobody is elected. In words only where somebody is told.
enum Obstacle {
    NoPartition,
    Led(BrokerId),
    NobodyEligible,
    Unmoved(Unmoved),
    TooMany,
}

impl Controller {
    /// Moves leaderships to preferred replicas, or fills vacancies if `any` leader will do.
    pub(super) fn elect_on_request(
        &self,
        draft: &mut Draft,
        partitions: Option<&[TopicPartition]>,
        any: bool,
        now: Monotonic,
    ) -> Outcome {
        let mut changed = 0;
        let mut elect = |draft: &mut Draft, at: TopicPartition| {
            if changed == CHANGES_PER_TICK {
                return Err(Obstacle::TooMany);
            }
            let next = self.elected(draft.image(), at, any, now)?;
            draft.put_partition(at, next);
            changed += 1;
            Ok(())
        };
        let told = |(at, result): (TopicPartition, Result<(), Obstacle>)| {
            (at, result.map_err(Failure::from))
        };
        if let Some(partitions) = partitions {
            let results = partitions.iter().map(|at| (*at, elect(draft, *at)));
            return Outcome::LeadersElected(results.map(told).collect());
        }
        let topics = draft.image().topics.iter();
        let all: Vec<TopicPartition> = topics
            .flat_map(|(id, topic)| {
                (0..topic.partitions.len()).map(|index| TopicPartition {
                    topic: *id,
                    partition: index as i32,
                })
            })
            .collect();
        let results = all.into_iter().map(|at| (at, elect(draft, at)));
        // What needs nothing is not worth a word, and what is too much comes with the next tick.
        let worth_a_word = |(_, result): &(TopicPartition, Result<(), Obstacle>)| {
            !matches!(
                result,
                Err(Obstacle::TooMany | Obstacle::Led(_) | Obstacle::Unmoved(Unmoved::Leads(_)))
            )
        };
        Outcome::LeadersElected(results.filter(worth_a_word).map(told).collect())
    }

    fn elected(
        &self,
        image: &ClusterImage,
        at: TopicPartition,
        any: bool,
        now: Monotonic,
    ) -> Result<PartitionRecord, Obstacle> {
        let record = image.partition(at).ok_or(Obstacle::NoPartition)?;
        if any {
            // Nobody leads who may lack what was acknowledged, whoever asks for it.
            return match record.leader {
                Some(leader) => Err(Obstacle::Led(leader)),
                None => self
                    .elect(image, at, record, None, now)
                    .ok_or(Obstacle::NobodyEligible),
            };
        }
        let preferred = self.preferred(image, record, now);
        let preferred = preferred.map_err(Obstacle::Unmoved)?;
        Ok(hand_over(record, preferred))
    }
}

impl From<Obstacle> for Failure {
    fn from(obstacle: Obstacle) -> Self {
        let unavailable = ErrorCode::PreferredLeaderNotAvailable;
        let (code, message) = match obstacle {
            Obstacle::NoPartition => (
                ErrorCode::UnknownTopicOrPartition,
                "there is no such partition".to_owned(),
            ),
            Obstacle::Led(leader) => (
                ErrorCode::ElectionNotNeeded,
                format!("broker {leader} leads it"),
            ),
            Obstacle::NobodyEligible => (
                ErrorCode::EligibleLeadersNotAvailable,
                "no replica that certainly has every acknowledged record is there; others are never \
                 elected"
                    .to_owned(),
            ),
            Obstacle::Unmoved(Unmoved::Leads(preferred)) => (
                ErrorCode::ElectionNotNeeded,
                format!("its preferred leader, broker {preferred}, leads it"),
            ),
            Obstacle::Unmoved(Unmoved::NoReplicas) => {
                (unavailable, "it has no replicas".to_owned())
            }
            Obstacle::Unmoved(Unmoved::Absent(preferred)) => {
                (unavailable, format!("broker {preferred} is not there"))
            }
            Obstacle::Unmoved(Unmoved::Stopping(preferred)) => (
                unavailable,
                format!("broker {preferred} is about to be stopped"),
            ),
            Obstacle::Unmoved(Unmoved::Behind(preferred)) => {
                (unavailable, format!("broker {preferred} is not in sync"))
            }
            Obstacle::TooMany => (
                ErrorCode::ThrottlingQuotaExceeded,
                format!("one request elects {CHANGES_PER_TICK} leaders at most: ask again"),
            ),
        };
        Self::new(code, message)
    }
}
