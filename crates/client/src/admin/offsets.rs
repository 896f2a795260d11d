//! Offsets by time, and the removal of old records.

use holdfast_wire::Request;
use holdfast_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use holdfast_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use holdfast_wire::messages::{BrokerId, DeleteRecordsRequest, ListOffsetsRequest};

use super::{Admin, CHANGE_TIMEOUT_MS, single, topic_name};
use crate::{Error, Start};

/// Kafka's special timestamps.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// An answer to the question for an offset by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAt {
    /// The offset; -1 if no record is that late.
    pub offset: i64,
    /// The record's timestamp; -1 where the question was not for one.
    pub timestamp: i64,
    /// The leader epoch of the offset; -1 if the broker did not say.
    pub leader_epoch: i32,
}

impl Admin {
    /// The offset at which reading from a start begins.
    ///
    /// # Errors
    /// The leader's answer, or that there is none within the operation time-out.
    pub async fn offset_of(&self, topic: &str, partition: i32, start: Start) -> Result<i64, Error> {
        let timestamp = match start {
            Start::Offset(offset) => return Ok(offset),
            Start::Earliest => EARLIEST,
            Start::Latest => LATEST,
            Start::Timestamp(timestamp) => timestamp,
        };
        let found = self.list_offset(topic, partition, timestamp).await?;
        if found.offset >= 0 {
            return Ok(found.offset);
        }
        Ok(self.list_offset(topic, partition, LATEST).await?.offset)
    }

    /// Asks the leader for the first offset at or after a timestamp, in milliseconds since 1970;
    /// negative ones are Kafka's special ones: -1 latest, -2 earliest, -3 largest timestamp.
    ///
    /// # Errors
    /// The leader's answer, or that there is none within the operation time-out.
    pub async fn list_offset(
        &self,
        topic: &str,
        partition: i32,
        timestamp: i64,
    ) -> Result<OffsetAt, Error> {
        let what = format!("offset of {topic}/{partition}");
        self.at_leader(
            topic,
            partition,
            |epoch| {
                let row = ListOffsetsPartition::default()
                    .with_partition_index(partition)
                    .with_current_leader_epoch(epoch)
                    .with_timestamp(timestamp);
                let rows = ListOffsetsTopic::default()
                    .with_name(topic_name(topic))
                    .with_partitions(vec![row]);
                ListOffsetsRequest::default()
                    .with_replica_id(BrokerId(-1))
                    .with_topics(vec![rows])
            },
            |answer| {
                let row = single(single(answer.topics, &what)?.partitions, &what)?;
                Error::check(row.error_code, None, || what.clone())?;
                Ok(OffsetAt {
                    offset: row.offset,
                    timestamp: row.timestamp,
                    leader_epoch: row.leader_epoch,
                })
            },
        )
        .await
    }

    /// Removes the records of a partition before an offset; -1 means all up to the high watermark.
    /// Returns the new first offset.
    ///
    /// # Errors
    /// The leader's answer, or that there is none within the operation time-out.
    pub async fn delete_records(
        &self,
        topic: &str,
        partition: i32,
        before: i64,
    ) -> Result<i64, Error> {
        let what = format!("delete records of {topic}/{partition}");
        self.at_leader(
            topic,
            partition,
            |_epoch| {
                let row = DeleteRecordsPartition::default()
                    .with_partition_index(partition)
                    .with_offset(before);
                let rows = DeleteRecordsTopic::default()
                    .with_name(topic_name(topic))
                    .with_partitions(vec![row]);
                DeleteRecordsRequest::default()
                    .with_topics(vec![rows])
                    .with_timeout_ms(CHANGE_TIMEOUT_MS)
            },
            |answer| {
                let row = single(single(answer.topics, &what)?.partitions, &what)?;
                Error::check(row.error_code, None, || what.clone())?;
                Ok(row.low_watermark)
            },
        )
        .await
    }

    /// Sends a request to a partition's leader, and after a passing trouble again to whoever leads
    /// then. `body` gets the epoch of the leader that is asked.
    async fn at_leader<R: Request, T>(
        &self,
        topic: &str,
        partition: i32,
        body: impl Fn(i32) -> R,
        check: impl Fn(R::Response) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.client.topic(topic).await?;
        self.client
            .retry(|| async {
                let attempt = async {
                    let leader = self.client.leader(topic, partition)?;
                    let connection = self.client.broker(leader.leader).await?;
                    check(connection.call(&body(leader.leader_epoch)).await?)
                };
                let result = attempt.await;
                if result.as_ref().is_err_and(Error::is_retriable) {
                    // Whether or not anybody answers now, the next try sees what is known then.
                    drop(self.client.refresh().await);
                }
                result
            })
            .await
    }
}
