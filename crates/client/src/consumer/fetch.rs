//! One fetch from one leader, as a future that owns what it needs.

use std::collections::BTreeMap;

use holdfast_model::{ErrorCode, TopicId};
use holdfast_wire::StrBytes;
use holdfast_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use holdfast_wire::messages::{BrokerId, FetchRequest, TopicName};

use super::ConsumerOptions;
use super::decode::{Read, read};
use crate::{Client, Error};

/// A partition to be read, and from where.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) leader_epoch: i32,
    pub(super) offset: i64,
}

/// What one leader answered.
#[derive(Debug)]
pub(super) struct FetchOutcome {
    pub(super) leader: i32,
    pub(super) parts: Vec<Part>,
}

/// What came of one partition.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// The offset that was asked for.
    pub(super) offset: i64,
    pub(super) result: Result<Read, Error>,
}

/// Whether the offset that was asked for is not in the log.
pub(super) fn is_out_of_range(error: &Error) -> bool {
    error.code() == Some(ErrorCode::OffsetOutOfRange)
}

/// Asks a leader for its partitions; an error of the whole answer becomes that of each.
pub(super) async fn fetch(
    client: Client,
    options: ConsumerOptions,
    leader: i32,
    wanted: Vec<Wanted>,
) -> FetchOutcome {
    match ask(&client, &options, leader, &wanted).await {
        Ok(parts) => FetchOutcome { leader, parts },
        Err(error) => {
            let part = |w: Wanted| Part {
                topic: w.topic,
                partition: w.partition,
                offset: w.offset,
                result: Err(error.clone()),
            };
            FetchOutcome {
                leader,
                parts: wanted.into_iter().map(part).collect(),
            }
        }
    }
}

async fn ask(
    client: &Client,
    options: &ConsumerOptions,
    leader: i32,
    wanted: &[Wanted],
) -> Result<Vec<Part>, Error> {
    let connection = client.broker(leader).await?;
    let cluster = client.cluster();
    let id_of = |topic: &str| cluster.topics.get(topic).map(|t| t.id).unwrap_or_default();
    let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
    let mut asked: BTreeMap<(String, i32), i64> = BTreeMap::new();
    for w in wanted {
        let partition = FetchPartition::default()
            .with_partition(w.partition)
            .with_current_leader_epoch(w.leader_epoch)
            .with_fetch_offset(w.offset)
            .with_partition_max_bytes(options.partition_max_bytes);
        topics.entry(&w.topic).or_default().push(partition);
        asked.insert((w.topic.clone(), w.partition), w.offset);
    }
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| {
            FetchTopic::default()
                .with_topic(TopicName(StrBytes::from_string(name.to_owned())))
                .with_topic_id(id_of(name).0)
                .with_partitions(partitions)
        })
        .collect();
    let body = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(i32::try_from(options.max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(options.min_bytes)
        .with_max_bytes(options.max_bytes)
        .with_session_epoch(-1)
        .with_topics(topics);
    let answer = connection.call(&body).await?;
    Error::check(answer.error_code, None, || {
        format!("fetch from {}", connection.address())
    })?;
    let mut parts = Vec::new();
    for topic in answer.responses {
        let by_id = cluster.name_of(TopicId(topic.topic_id));
        let name = if topic.topic_id.is_nil() {
            topic.topic.as_str()
        } else {
            by_id.unwrap_or("")
        };
        for partition in topic.partitions {
            // What was not asked for is passed over.
            let index = partition.partition_index;
            let Some(offset) = asked.remove(&(name.to_owned(), index)) else {
                continue;
            };
            let result = Error::check(partition.error_code, None, || {
                format!("fetch of {name}/{index} at {offset}")
            })
            .and_then(|()| read(name, index, offset, partition));
            parts.push(Part {
                topic: name.to_owned(),
                partition: index,
                offset,
                result,
            });
        }
    }
    Ok(parts)
}
