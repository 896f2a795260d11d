//! `__consumer_offsets`: which partition a group is in, and that the topic exists.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_kernel::controller::{Command, NewTopic, Outcome};
use holdfast_kernel::image::{ClusterImage, TopicRecord};
use holdfast_model::internal_topic::CONSUMER_OFFSETS;
use holdfast_model::{ErrorCode, TopicId, TopicPartition};
use uuid::Uuid;

use super::Offices;
use crate::state::BrokerState;

/// The partition of a group: Java's hash of its name, so that it is where Kafka would have it.
pub(super) fn partition_of(group: &str, partitions: usize) -> i32 {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    let count = i32::try_from(partitions.max(1)).unwrap_or(i32::MAX);
    (hash & i32::MAX) % count
}

/// Where a group is, if the topic exists.
pub(super) fn place(image: &ClusterImage, group: &str) -> Option<TopicPartition> {
    let topic = image.topic_by_name(CONSUMER_OFFSETS)?;
    Some(TopicPartition {
        topic: topic.id,
        partition: partition_of(group, topic.partitions.len()),
    })
}

impl Offices {
    /// The partition that a group is in. The first to ask makes the topic.
    ///
    /// # Errors
    /// It cannot be made now: too few brokers are there, or no controller.
    pub async fn find(
        &self,
        broker: &Arc<BrokerState>,
        group: &str,
    ) -> Result<TopicPartition, ErrorCode> {
        if let Some(at) = place(&broker.image(), group) {
            return Ok(at);
        }
        // One at a time: whoever waited finds it made.
        let _making = self.making.lock().await;
        if place(&broker.image(), group).is_none() {
            make(broker).await?;
        }
        place(&broker.image(), group).ok_or(ErrorCode::CoordinatorNotAvailable)
    }
}

async fn make(broker: &Arc<BrokerState>) -> Result<(), ErrorCode> {
    let groups = &broker.config.groups;
    // Brokers that belong to the cluster, whether they are up or not: one that is down for a moment
    // must not make the topic thinner for ever.
    let members = i16::try_from(broker.image().admitted.len()).unwrap_or(i16::MAX);
    let factor = groups.offsets_replication_factor.min(members.max(1));
    let id = TopicId(Uuid::new_v4());
    let topic = NewTopic {
        id,
        name: CONSUMER_OFFSETS.to_owned(),
        partitions: Some(groups.offsets_partitions),
        replication_factor: Some(factor),
        assignments: BTreeMap::new(),
        configs: BTreeMap::new(),
    };
    let command = Command::CreateTopics {
        topics: vec![topic],
        validate_only: false,
    };
    let refused = match broker.decide(command).await {
        Outcome::TopicsCreated(mut results) => match results.pop() {
            Some(Ok(_created)) => None,
            Some(Err(failure)) if failure.code == ErrorCode::TopicAlreadyExists => None,
            Some(Err(failure)) => Some(failure.message),
            None => Some("no answer".to_owned()),
        },
        other => Some(format!("{other:?}")),
    };
    if let Some(reason) = refused {
        tracing::warn!(reason, "cannot make {CONSUMER_OFFSETS} now");
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    let is_led = |topic: &Arc<TopicRecord>| topic.partitions.iter().all(|p| p.leader.is_some());
    broker
        .wait_until(|image| image.topic_by_name(CONSUMER_OFFSETS).is_some_and(is_led))
        .await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_where_kafka_has_it() {
        for group in [
            "",
            "a",
            "console-consumer-1",
            "payments",
            "gruppe-\u{1f600}",
        ] {
            assert_eq!(partition_of(group, 50), java(group) % 50, "{group}");
        }
        // Known hashes: "hello" is 99162322, "polygenelubricants" the smallest number.
        assert_eq!(partition_of("hello", 50), 99_162_322 % 50);
        assert_eq!(partition_of("polygenelubricants", 50), 0);
    }

    /// Java's definition: s[0]*31^(n-1) + ... + s[n-1].
    fn java(text: &str) -> i32 {
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut sum = 0_i32;
        for (index, unit) in units.iter().enumerate() {
            let power = u32::try_from(units.len() - 1 - index).unwrap();
            sum = sum.wrapping_add(i32::from(*unit).wrapping_mul(31_i32.wrapping_pow(power)));
        }
        sum & i32::MAX
    }
}
