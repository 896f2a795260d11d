//! From the names in a request to the replica here, and whether it may answer.

use std::sync::Arc;

use holdfast_model::{ErrorCode, LeaderEpoch, TopicPartition};

use crate::partition::{Offsets, Partition};
use crate::state::BrokerState;

/// The replica of a partition that a request names.
///
/// # Errors
/// The topic or partition does not exist, or its replicas are elsewhere.
pub(super) fn by_name(
    broker: &BrokerState,
    topic: &str,
    partition: i32,
) -> Result<Arc<Partition>, ErrorCode> {
    let image = broker.image();
    let record = image
        .topic_by_name(topic)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    broker.replica(TopicPartition {
        topic: record.id,
        partition,
    })
}

/// Whether a replica may answer somebody who knows the leader epoch `asked` (-1: does not say).
///
/// # Errors
/// Kafka's codes: the replica is offline, the epochs differ, or it does not lead but must.
pub(super) fn may_answer(
    partition: &Partition,
    asked: i32,
    must_lead: bool,
) -> Result<Offsets, ErrorCode> {
    if partition.offline_reason().is_some() {
        return Err(ErrorCode::KafkaStorageError);
    }
    let offsets = partition.offsets();
    check_epoch(asked, offsets.leader_epoch)?;
    if must_lead && (!offsets.leads || offsets.aside) {
        return Err(ErrorCode::NotLeaderOrFollower);
    }
    Ok(offsets)
}

/// Fences whoever knows another leader epoch: an older one must refresh its metadata, a newer one
/// must wait until this replica has heard of it.
pub(super) fn check_epoch(asked: i32, known: LeaderEpoch) -> Result<(), ErrorCode> {
    match asked {
        ..0 => Ok(()),
        epoch if epoch < known.0 => Err(ErrorCode::FencedLeaderEpoch),
        epoch if epoch > known.0 => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_epochs_are_fenced_and_new_ones_unknown() {
        let known = LeaderEpoch(5);
        assert_eq!(check_epoch(-1, known), Ok(()));
        assert_eq!(check_epoch(5, known), Ok(()));
        assert_eq!(check_epoch(4, known), Err(ErrorCode::FencedLeaderEpoch));
        assert_eq!(check_epoch(6, known), Err(ErrorCode::UnknownLeaderEpoch));
    }
}
