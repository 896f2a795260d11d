//! DescribeLogDirs: what this broker's disk holds, replica by replica. A broker has one disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_model::ErrorCode;
use holdfast_wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use holdfast_wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use super::text::{text, topic_name};
use super::{CLUSTER, Operation, RequestContext};
use crate::partition::Offsets;
use crate::state::BrokerState;

/// From this version on the answer has a code of its own.
const CODE_FROM: i16 = 3;

/// From this version on the answer tells the size of the disk.
const SIZES_FROM: i16 = 4;

/// The replicas asked for, all if none is named; what is not here is not told.
pub fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: &DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let response = DescribeLogDirsResponse::default();
    if !context.authorize(Operation::Describe, CLUSTER) {
        let code = ErrorCode::ClusterAuthorizationFailed.code();
        return if version < CODE_FROM {
            response
        } else {
            response.with_error_code(code)
        };
    }
    let wanted: Option<BTreeMap<&str, BTreeSet<i32>>> = request.topics.as_ref().map(|topics| {
        let mut wanted: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
        for topic in topics {
            let partitions = wanted.entry(topic.topic.as_str()).or_default();
            partitions.extend(&topic.partitions);
        }
        wanted
    });
    let mut found: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    broker.partitions.for_each(|partition| {
        let (name, index) = (partition.topic_name(), partition.at().partition);
        let asked = wanted.as_ref().is_none_or(|wanted| {
            let partitions = wanted.get(name);
            partitions.is_some_and(|partitions| partitions.contains(&index))
        });
        if asked {
            let rows = found.entry(name.to_owned()).or_default();
            rows.push(row(index, &partition.offsets()));
        }
    });
    let topics = found.into_iter().map(|(name, mut rows)| {
        rows.sort_by_key(|row| row.partition_index);
        DescribeLogDirsTopic::default()
            .with_name(topic_name(&name))
            .with_partitions(rows)
    });
    let disk = DescribeLogDirsResult::default()
        .with_log_dir(text(broker.config.data_dir.display().to_string()))
        .with_topics(topics.collect());
    let store = &broker.environment().store;
    let size = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let disk = if version < SIZES_FROM {
        disk
    } else {
        disk.with_total_bytes(size(store.total_bytes()))
            .with_usable_bytes(size(store.available_bytes()))
    };
    response.with_results(vec![disk])
}

fn row(index: i32, offsets: &Offsets) -> DescribeLogDirsPartition {
    let behind = offsets.high_watermark.0.saturating_sub(offsets.log_end.0);
    DescribeLogDirsPartition::default()
        .with_partition_index(index)
        .with_partition_size(i64::try_from(offsets.bytes).unwrap_or(i64::MAX))
        .with_offset_lag(behind.max(0))
}
