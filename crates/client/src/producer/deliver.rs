//! Brings one batch to its leader, whoever that is, until it is answered or time is over.

use std::sync::Arc;

use holdfast_model::ErrorCode;
use holdfast_wire::StrBytes;
use holdfast_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use holdfast_wire::messages::{InitProducerIdRequest, ProduceRequest, ProducerId, TopicName};

use super::accumulator::{Batch, Identity};
use super::{Acks, Outcome, ProducerOptions};
use crate::{Client, Error};

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// Whether the partition's sequences can go on.
    pub(super) in_step: bool,
}

/// Sends, tries again, and answers every record of the batch.
pub(super) async fn deliver(
    client: Client,
    options: Arc<ProducerOptions>,
    batch: Batch,
) -> Delivered {
    let age = client.options().clock.monotonic().since(batch.since);
    let left = options.delivery_timeout.saturating_sub(age);
    let result = match tokio::time::timeout(left, attempts(&client, &options, &batch)).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Error::Timeout {
            what: format!("delivery to {}/{}", batch.topic, batch.partition),
            limit: options.delivery_timeout,
        }),
    };
    let in_step = result.is_ok();
    for (index, queued) in batch.records.into_iter().enumerate() {
        let outcome = result.clone().map(|base: i64| Outcome {
            partition: batch.partition,
            offset: if base < 0 { -1 } else { base + index as i64 },
        });
        // A caller that dropped its delivery does not want to know.
        drop(queued.answer.send(outcome));
    }
    Delivered {
        topic: batch.topic,
        partition: batch.partition,
        in_step,
    }
}

/// The base offset of the batch, or -1 where the broker does not say.
async fn attempts(client: &Client, options: &ProducerOptions, batch: &Batch) -> Result<i64, Error> {
    let mut backoff = client.backoff();
    loop {
        let error = match attempt(client, options, batch).await {
            Ok(offset) => return Ok(offset),
            Err(error) => error,
        };
        // An earlier try was written and the broker remembers only that.
        if error.code() == Some(ErrorCode::DuplicateSequenceNumber) {
            return Ok(-1);
        }
        if !error.is_retriable() {
            return Err(error);
        }
        tracing::debug!(%error, topic = batch.topic, partition = batch.partition, "produce again");
        tokio::time::sleep(backoff.pause()).await;
        if let Err(error) = client.refresh().await {
            tracing::debug!(%error, "no broker describes the cluster now");
        }
    }
}

async fn attempt(client: &Client, options: &ProducerOptions, batch: &Batch) -> Result<i64, Error> {
    let leader = client.leader(&batch.topic, batch.partition)?.leader;
    let topic_id = client
        .cluster()
        .topics
        .get(&batch.topic)
        .map(|t| t.id)
        .unwrap_or_default();
    let connection = client.broker(leader).await?;
    let partition = PartitionProduceData::default()
        .with_index(batch.partition)
        .with_records(Some(batch.bytes.clone()));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_string(batch.topic.clone())))
        .with_topic_id(topic_id.0)
        .with_partition_data(vec![partition]);
    let acks = match options.acks {
        Acks::None => 0,
        Acks::Leader => 1,
        Acks::All => -1,
    };
    let body = ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(i32::try_from(options.ack_timeout.as_millis()).unwrap_or(i32::MAX))
        .with_topic_data(vec![topic]);
    if options.acks == Acks::None {
        connection.send(&body).await?;
        return Ok(-1);
    }
    let answer = connection.call(&body).await?;
    let mut rows = answer
        .responses
        .into_iter()
        .flat_map(|topic| topic.partition_responses);
    let (Some(row), None) = (rows.next(), rows.next()) else {
        return Err(wrong_answer(&connection, "not one partition"));
    };
    if row.index != batch.partition {
        return Err(wrong_answer(&connection, "another partition"));
    }
    Error::check(row.error_code, row.error_message.as_deref(), || {
        format!("produce to {}/{}", batch.topic, batch.partition)
    })?;
    Ok(row.base_offset)
}

fn wrong_answer(connection: &crate::Connection, what: &str) -> Error {
    Error::Protocol {
        address: connection.address().to_owned(),
        reason: format!("the answer to a produce holds {what}"),
    }
}

/// Asks for an identity, whose sequences start at 0 in every partition.
pub(super) async fn new_identity(client: &Client) -> Result<Identity, Error> {
    let body = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(i32::MAX)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    client
        .call_any(&body, |answer| {
            Error::check(answer.error_code, None, || "producer id".to_owned())?;
            Ok(Identity {
                id: answer.producer_id.0,
                epoch: answer.producer_epoch,
            })
        })
        .await
}
