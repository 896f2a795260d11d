//! One look at every partition of a fetch.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_model::{BrokerId, CompressionType, ErrorCode, LeaderEpoch, Offset, TopicPartition};
use holdfast_wire::fetch_response::EpochEnd;

use super::super::locate;
use super::Resolved;
use super::session::Wanted;
use crate::disk_read;
use crate::partition::{Offsets, Partition, ReadLimit, Reading};
use crate::state::{BrokerState, shown_leader};

/// Consumers may read from followers from this version on.
const FOLLOWERS_FROM: i16 = 11;

/// Consumers know zstd from this version on.
const ZSTD_FROM: i16 = 10;

/// What bounds an answer.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Bytes of records; the first batch may exceed it.
    pub(super) max_bytes: usize,
    /// Where the consumer is.
    pub(super) rack: Option<String>,
    /// The version of the request.
    pub(super) version: i16,
    /// Whether only committed transactions are to be seen.
    pub(super) read_committed: bool,
}

impl Limits {
    /// The same, but for the bytes.
    pub(super) fn within(&self, max_bytes: usize) -> Self {
        Self {
            max_bytes,
            ..self.clone()
        }
    }
}

/// Who leads, for a consumer that asked elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewLeader {
    pub(super) id: BrokerId,
    pub(super) epoch: LeaderEpoch,
}

/// What one partition has.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) code: ErrorCode,
    pub(super) high_watermark: i64,
    pub(super) log_start: i64,
    pub(super) records: Vec<Bytes>,
    pub(super) diverging: Option<EpochEnd>,
    pub(super) preferred_replica: Option<BrokerId>,
    pub(super) new_leader: Option<NewLeader>,
    pub(super) read_committed: bool,
}

impl Gathered {
    fn failed(code: ErrorCode) -> Self {
        Self {
            code,
            high_watermark: -1,
            log_start: -1,
            records: Vec::new(),
            diverging: None,
            preferred_replica: None,
            new_leader: None,
            read_committed: false,
        }
    }

    /// Bytes of records.
    pub(super) fn bytes(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }

    /// Whether the consumer must hear of it at once.
    pub(super) fn is_urgent(&self) -> bool {
        self.code != ErrorCode::None || self.diverging.is_some() || self.preferred_replica.is_some()
    }
}

/// Looks at every partition in order; the first that has records gets at least one batch.
pub(super) async fn all(
    broker: &Arc<BrokerState>,
    wanted: &[Resolved],
    limits: &Limits,
) -> Vec<Gathered> {
    let mut left = limits.max_bytes;
    let mut any = false;
    let mut gathered = Vec::with_capacity(wanted.len());
    for resolved in wanted {
        let mut one = match one(broker, resolved, limits, left, any).await {
            Ok(one) => one,
            Err(code) => failed(broker, resolved, code),
        };
        one.read_committed = limits.read_committed;
        any |= !one.records.is_empty();
        left = left.saturating_sub(one.bytes());
        gathered.push(one);
    }
    gathered
}

async fn one(
    broker: &Arc<BrokerState>,
    resolved: &Resolved,
    limits: &Limits,
    left: usize,
    any: bool,
) -> Result<Gathered, ErrorCode> {
    let topic = resolved.topic?;
    let wanted = &resolved.wanted;
    let at = TopicPartition {
        topic,
        partition: wanted.partition,
    };
    let partition = broker.replica(at)?;
    let offsets = partition.offsets();
    locate::check_epoch(wanted.leader_epoch, offsets.leader_epoch)?;
    if !may_read(partition.config().compression_type, limits.version) {
        return Err(ErrorCode::UnsupportedCompressionType);
    }
    let mut gathered = Gathered {
        high_watermark: offsets.high_watermark.0,
        log_start: offsets.log_start.0,
        ..Gathered::failed(ErrorCode::None)
    };
    if let Some(diverging) = diverging(&partition, wanted, &offsets)? {
        gathered.diverging = Some(diverging);
        return Ok(gathered);
    }
    if offsets.leads
        && let Some(rack) = &limits.rack
        && let Some(nearer) = nearer_replica(broker, &partition, at, rack, wanted.offset)
    {
        gathered.preferred_replica = Some(nearer);
        return Ok(gathered);
    }
    let follower_serves = limits.version >= FOLLOWERS_FROM;
    let max_bytes = wanted.max_bytes.min(left);
    if any && max_bytes == 0 {
        // Errors still show; records wait for the next round.
        return Ok(gathered);
    }
    let reading = partition.read(
        Offset(wanted.offset),
        ReadLimit::HighWatermark,
        max_bytes,
        follower_serves,
    )?;
    let records = match reading {
        Reading::Tail(records) => records,
        Reading::Disk { up_to } => {
            disk_read::batches(broker, &partition, Offset(wanted.offset), up_to, max_bytes).await?
        }
    };
    if records.is_empty() && offsets.aside {
        // What is acknowledged is served; what comes next is with another leader.
        return Err(ErrorCode::NotLeaderOrFollower);
    }
    let first = records.first().map_or(0, Bytes::len);
    if !(any && first > max_bytes) {
        gathered.records = records;
    }
    Ok(gathered)
}

/// Whether a consumer of this version can read a topic: not if all of it is zstd and the consumer
/// is older.
fn may_read(topic: CompressionType, version: i16) -> bool {
    topic != CompressionType::Zstd || version >= ZSTD_FROM
}

/// Where a reader's history leaves ours, if it gave the epoch of its last record.
fn diverging(
    partition: &Partition,
    wanted: &Wanted,
    offsets: &Offsets,
) -> Result<Option<EpochEnd>, ErrorCode> {
    if wanted.last_epoch < 0 {
        return Ok(None);
    }
    let (epoch, end) = partition
        .epoch_end(LeaderEpoch(wanted.last_epoch))
        .filter(|_| wanted.offset >= offsets.log_start.0)
        .ok_or(ErrorCode::OffsetOutOfRange)?;
    let agrees = epoch.0 == wanted.last_epoch && end.0 >= wanted.offset;
    Ok((!agrees).then_some(EpochEnd {
        epoch: epoch.0,
        end_offset: end.0,
    }))
}

/// An in-sync replica in the consumer's zone that has what it asks for, unless the leader is there.
fn nearer_replica(
    broker: &BrokerState,
    partition: &Partition,
    at: TopicPartition,
    rack: &str,
    offset: i64,
) -> Option<BrokerId> {
    let image = broker.image();
    let record = image.partition(at)?;
    let in_rack = |id: BrokerId| {
        image
            .brokers
            .get(&id)
            .is_some_and(|b| !b.fenced && b.rack.as_deref() == Some(rack))
    };
    if in_rack(broker.id()) {
        return None;
    }
    record
        .isr
        .iter()
        .map(|member| member.replica.broker)
        .filter(|id| in_rack(*id))
        .find(|id| {
            partition
                .follower_end(*id)
                .is_some_and(|(_, end)| end.0 >= offset)
        })
}

fn failed(broker: &BrokerState, resolved: &Resolved, code: ErrorCode) -> Gathered {
    let mut gathered = Gathered::failed(code);
    let asks_elsewhere = matches!(
        code,
        ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
    );
    if asks_elsewhere && let Some(at) = resolved.at() {
        let image = broker.image();
        gathered.new_leader = image.partition(at).and_then(|record| {
            Some(NewLeader {
                id: shown_leader(record, broker.aside())?,
                epoch: record.leader_epoch,
            })
        });
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_of_zstd_is_not_for_old_consumers() {
        assert!(!may_read(CompressionType::Zstd, 9));
        assert!(may_read(CompressionType::Zstd, 10));
        assert!(may_read(CompressionType::Producer, 4));
    }
}
