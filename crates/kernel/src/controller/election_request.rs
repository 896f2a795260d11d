//! Elections that somebody asks for (Kafka's ElectLeaders).

use holdfast_model::{ErrorCode, Monotonic, TopicPartition};

use super::election::hand_over;
use super::tick::CHANGES_PER_TICK;
use super::{Controller, Draft, Failure, Outcome};
use crate::image::{ClusterImage, PartitionRecord};

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
                let message = format!("one request elects {changed} leaders at most: ask again");
                return Err(Failure::new(ErrorCode::ThrottlingQuotaExceeded, message));
            }
            let next = self.elected(draft.image(), at, any, now)?;
            draft.put_partition(at, next);
            changed += 1;
            Ok(())
        };
        if let Some(partitions) = partitions {
            let results = partitions.iter().map(|at| (*at, elect(draft, *at)));
            return Outcome::LeadersElected(results.collect());
        }
        // What needs nothing is not worth a word, and what is too much comes with the next tick.
        let untold = [
            ErrorCode::ElectionNotNeeded,
            ErrorCode::ThrottlingQuotaExceeded,
        ];
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
        let told = results.filter(|(_, result)| {
            result
                .as_ref()
                .err()
                .is_none_or(|failure| !untold.contains(&failure.code))
        });
        Outcome::LeadersElected(told.collect())
    }

    fn elected(
        &self,
        image: &ClusterImage,
        at: TopicPartition,
        any: bool,
        now: Monotonic,
    ) -> Result<PartitionRecord, Failure> {
        let Some(record) = image.partition(at) else {
            let message = "there is no such partition";
            return Err(Failure::new(ErrorCode::UnknownTopicOrPartition, message));
        };
        if any {
            return self.elected_at_all(image, at, record, now);
        }
        self.preferred(image, record, now)
    }

    /// Nobody leads who may lack what was acknowledged, whoever asks for it.
    fn elected_at_all(
        &self,
        image: &ClusterImage,
        at: TopicPartition,
        record: &PartitionRecord,
        now: Monotonic,
    ) -> Result<PartitionRecord, Failure> {
        if let Some(leader) = record.leader {
            let message = format!("broker {leader} leads it");
            return Err(Failure::new(ErrorCode::ElectionNotNeeded, message));
        }
        self.elect(image, at, record, None, now).ok_or_else(|| {
            let message = "no replica that certainly has every acknowledged record is there; \
                           others are never elected";
            Failure::new(ErrorCode::EligibleLeadersNotAvailable, message)
        })
    }

    fn preferred(
        &self,
        image: &ClusterImage,
        record: &PartitionRecord,
        now: Monotonic,
    ) -> Result<PartitionRecord, Failure> {
        let unavailable = |why: String| Failure::new(ErrorCode::PreferredLeaderNotAvailable, why);
        let Some(preferred) = record.replicas.first().copied() else {
            return Err(unavailable("it has no replicas".to_owned()));
        };
        if record.leader == Some(preferred) {
            let message = format!("its preferred leader, broker {preferred}, leads it");
            return Err(Failure::new(ErrorCode::ElectionNotNeeded, message));
        }
        let broker = image.brokers.get(&preferred);
        let Some(broker) = broker.filter(|broker| self.is_live(broker, now)) else {
            return Err(unavailable(format!("broker {preferred} is not there")));
        };
        if image.is_under_permit(preferred) {
            let why = format!("broker {preferred} is about to be stopped");
            return Err(unavailable(why));
        }
        let mut isr = record.isr.iter();
        let in_sync = isr.any(|m| m.replica == broker.replica() && m.epoch == broker.epoch);
        if !in_sync || record.leader.is_none() {
            let why = format!("broker {preferred} is not in sync");
            return Err(unavailable(why));
        }
        Ok(hand_over(record, broker))
    }
}
