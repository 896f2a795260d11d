//! Leader and follower, one decision at a time. The numbers are those of the twenty schedules in
//! `docs/replication.md`.

mod follower;
mod leader;

use std::time::Duration;

use holdfast_model::{
    BatchInfo, BrokerEpoch, BrokerId, Incarnation, LeaderEpoch, Monotonic, Offset, PartitionEpoch,
    ReplicaId, TopicId, TopicPartition,
};
use uuid::Uuid;

use super::*;
use crate::log::{ReplicaLog, SegmentLimits};
use crate::planted::Planted;

fn limits() -> SegmentLimits {
    SegmentLimits::default()
}

fn batch(base: i64, count: i64, epoch: i32) -> BatchInfo {
    BatchInfo {
        base_offset: Offset(base),
        last_offset: Offset(base + count - 1),
        leader_epoch: LeaderEpoch(epoch),
        max_timestamp: base,
        producer_id: 5,
        producer_epoch: 0,
        base_sequence: base as i32,
        record_count: count as i32,
        attributes: 0,
        crc: (base * 1000) as u32 + epoch as u32,
        size: 100,
    }
}

/// A synced log of batches of ten records: (epoch, how many batches).
fn log(runs: &[(i32, i64)]) -> ReplicaLog {
    let mut log = ReplicaLog::empty();
    for (epoch, count) in runs {
        for _ in 0..*count {
            log.append(&batch(log.log_end().0, 10, *epoch), limits());
        }
    }
    log.synced(log.log_end());
    log
}

fn replica(broker: i32) -> ReplicaId {
    ReplicaId {
        broker: BrokerId(broker),
        incarnation: Incarnation(1),
    }
}

/// Brokers 0, 1, 2 are live, in registration 10 + id; 0 leads the epoch.
fn view(epoch: i32, version: i32, isr: &[i32]) -> PartitionView {
    let shown = |broker: i32| ReplicaView {
        replica: replica(broker),
        broker_epoch: registration(broker),
        countable: true,
        in_isr: isr.contains(&broker),
        restarted: false,
    };
    PartitionView {
        at: TopicPartition {
            topic: TopicId(Uuid::from_u128(1)),
            partition: 0,
        },
        leader: Some((BrokerId(0), registration(0))),
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch: PartitionEpoch(version),
        min_isr: 2,
        replicas: (0..3).map(shown).collect(),
        isr: isr.iter().map(|broker| replica(*broker)).collect(),
    }
}

fn registration(broker: i32) -> BrokerEpoch {
    BrokerEpoch(10 + broker as u64)
}

fn follower(broker: i32, log: ReplicaLog) -> Follower {
    Follower::new(replica(broker), registration(broker), log, Planted::None)
}

fn leader(log: ReplicaLog, view: &PartitionView) -> Leader {
    let options = LeaderOptions {
        replica: replica(0),
        broker_epoch: registration(0),
        lag_max: Duration::from_millis(1500),
        planted: Planted::None,
    };
    Leader::new(options, log, view, Monotonic(0))
}

/// Opens a conversation and has the follower act on the leader's answer.
fn converse(
    leader: &mut Leader,
    follower: &mut Follower,
    broker: i32,
    session: u64,
) -> Result<StartAction, RefusedReason> {
    let epoch = leader
        .open(BrokerId(broker), SessionId(session))
        .expect("a replica");
    let opened = follower.on_open(epoch, SessionId(session))?;
    let start = leader
        .on_opened(&opened, Monotonic(0))
        .expect("a current conversation");
    follower.on_start(&start)
}
