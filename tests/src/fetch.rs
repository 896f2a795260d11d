//! What one broker answers to a fetch, whether it leads or follows.

use std::ops::ControlFlow;

use anyhow::{Context, ensure};
use bytes::Bytes;
use holdfast_client::Client;
use holdfast_model::ErrorCode;
use holdfast_wire::StrBytes;
use holdfast_wire::batch::{batches, verify_crc};
use holdfast_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use holdfast_wire::messages::{BrokerId, FetchRequest, TopicName};
use holdfast_wire::records::for_each_record;

/// The most bytes of an answer; one batch larger than that comes all the same.
const ANSWER_BYTES: i32 = 1 << 20;

/// What a broker answered for one partition.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The offset that was asked for.
    pub asked: i64,
    /// The error, [`ErrorCode::None`] for none.
    pub code: ErrorCode,
    /// The first offset of the log, as this broker knows it; -1 beside an error.
    pub log_start: i64,
    /// Whole batches, the first of which holds the offset; empty if there are none.
    pub batches: Bytes,
}

impl Fetched {
    /// Offset and value of each record from the offset asked for on.
    ///
    /// # Errors
    /// The bytes are no sound batches.
    pub fn records(&self) -> anyhow::Result<Vec<(i64, Bytes)>> {
        let mut records = Vec::new();
        for batch in batches(self.batches.clone()) {
            let batch = batch?;
            verify_crc(&batch)?;
            for_each_record(&batch, |record| {
                if record.offset.0 >= self.asked {
                    let value = Bytes::copy_from_slice(record.value.unwrap_or_default());
                    records.push((record.offset.0, value));
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(records)
    }
}

/// Asks a broker for what it has of a partition from an offset on, and does not wait for more.
///
/// # Errors
/// The broker cannot be asked; what it answers for the partition is no error here.
pub async fn fetch(
    client: &Client,
    broker: i32,
    topic: &str,
    partition: i32,
    offset: i64,
) -> anyhow::Result<Fetched> {
    let id = client.topic(topic).await?.id;
    if !client.cluster().brokers.contains_key(&broker) {
        // It was down when the cluster was described the last time.
        client.refresh().await?;
    }
    let connection = client.broker(broker).await?;
    let row = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(ANSWER_BYTES);
    let rows = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_topic_id(id.0)
        .with_partitions(vec![row]);
    let body = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(ANSWER_BYTES)
        .with_session_epoch(-1)
        .with_topics(vec![rows]);
    let answer = connection.call(&body).await?;
    ensure!(
        answer.error_code == 0,
        "broker {broker} answers a fetch with error {}",
        answer.error_code
    );
    let mut rows = answer.responses.into_iter().flat_map(|t| t.partitions);
    let row = rows.next().context("no partition in the answer")?;
    let code = ErrorCode::from_code(row.error_code);
    Ok(Fetched {
        asked: offset,
        code: code.with_context(|| format!("unknown error {}", row.error_code))?,
        log_start: row.log_start_offset,
        batches: row.records.unwrap_or_default(),
    })
}
