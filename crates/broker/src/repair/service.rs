//! Gives batches to replicas that ask for them by name.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_kernel::repair::{MOST_BYTES, MOST_NAMES};
use holdfast_model::{Offset, TopicId, TopicPartition, limits};
use holdfast_rpc::proto::repair_server::Repair;
use holdfast_rpc::proto::{
    BatchName, DescribeDamageReply, DescribeDamageRequest, FetchBatchesReply, FetchBatchesRequest,
    FetchedBatch,
};
use holdfast_rpc::{Identity, Request, Response, Status, async_trait};
use holdfast_runtime::budget::{MemoryBudget, Share};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{describe, is_named};
use crate::partition::Partition;
use crate::partitions::Partitions;

/// How long a request waits for memory or for its turn at the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves other brokers' questions for batches.
#[derive(Clone, Debug)]
pub struct RepairService {
    /// The replicas here.
    pub partitions: Arc<Partitions>,
    /// The memory that answers take.
    pub budget: MemoryBudget,
    /// Who answers.
    pub identity: Identity,
    /// Turns at the disk.
    pub disk_reads: Arc<Semaphore>,
}

#[async_trait]
impl Repair for RepairService {
    async fn fetch_batches(
        &self,
        request: Request<FetchBatchesRequest>,
    ) -> Result<Response<FetchBatchesReply>, Status> {
        let request = request.into_inner();
        let sender = self.identity.check(request.envelope.as_ref())?;
        let at = partition(&request).map_err(Status::invalid_argument)?;
        let bytes = bytes_asked_for(&request.names).map_err(Status::invalid_argument)?;
        let nothing = FetchBatchesReply {
            envelope: Some(self.identity.envelope()),
            ..FetchBatchesReply::default()
        };
        let Some(replica) = self.partitions.get(at) else {
            return Ok(Response::new(nothing));
        };
        // Held until the answer is made; it is bounded by the number of turns from then on.
        let memory = self.budget.acquire(Share::Replication, bytes);
        let memory = tokio::time::timeout(PATIENCE, memory);
        let memory = memory.await.map_err(|_late| busy())?;
        let _memory = memory.map_err(|error| Status::resource_exhausted(error.to_string()))?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.disk_reads).acquire_owned());
        let turn = turn.await.map_err(|_late| busy())?;
        let turn = turn.map_err(|_closed| busy())?;
        tracing::info!(
            partition = %at, broker = %sender.replica.broker, batches = request.names.len(),
            "a damaged replica asks for batches"
        );
        let partitions = Arc::clone(&self.partitions);
        let reading = tokio::task::spawn_blocking(move || {
            let found = read(&partitions, &replica, &request.names);
            drop(turn);
            (found, replica.offsets())
        });
        let (batches, offsets) = reading
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(FetchBatchesReply {
            replica: true,
            log_start: offsets.log_start.0,
            log_end: offsets.log_end.0,
            batches,
            ..nothing
        }))
    }

    async fn describe_damage(
        &self,
        request: Request<DescribeDamageRequest>,
    ) -> Result<Response<DescribeDamageReply>, Status> {
        self.identity.check(request.get_ref().envelope.as_ref())?;
        Ok(Response::new(DescribeDamageReply {
            envelope: Some(self.identity.envelope()),
            damaged: describe::here(&self.partitions),
        }))
    }
}

fn busy() -> Status {
    Status::resource_exhausted("too much is read here now")
}

fn partition(request: &FetchBatchesRequest) -> Result<TopicPartition, &'static str> {
    let topic = Uuid::from_slice(&request.topic_id).map_err(|_length| "a topic id has 16 bytes")?;
    Ok(TopicPartition {
        topic: TopicId(topic),
        partition: request.partition,
    })
}

/// What the answer may take, if the question is a fair one.
fn bytes_asked_for(names: &[BatchName]) -> Result<u64, &'static str> {
    let bytes: u64 = names.iter().map(|name| u64::from(name.size)).sum();
    let one = names.len() == 1 && bytes <= limits::BATCH_BYTES as u64;
    if names.len() > MOST_NAMES || (bytes > MOST_BYTES && !one) {
        return Err("too much is asked for at once");
    }
    Ok(bytes)
}

fn read(partitions: &Partitions, replica: &Partition, names: &[BatchName]) -> Vec<FetchedBatch> {
    let store = &partitions.environment().store;
    let one = |name: &BatchName| match store.batch_at(replica.at(), Offset(name.base_offset)) {
        Ok(Some(found)) if is_named(&found.info, name) => FetchedBatch {
            batch: found.bytes,
            absent: false,
        },
        Ok(_another_or_none) => FetchedBatch {
            batch: Bytes::new(),
            absent: true,
        },
        Err(error) => {
            let _code = replica.on_read_error(Offset(name.base_offset), &error);
            FetchedBatch::default()
        }
    };
    names.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize, size: u32) -> Vec<BatchName> {
        let name = BatchName {
            size,
            ..BatchName::default()
        };
        vec![name; count]
    }

    #[test]
    fn questions_are_bounded_in_names_and_bytes() {
        assert_eq!(bytes_asked_for(&names(64, 1000)), Ok(64_000));
        assert!(bytes_asked_for(&names(65, 1)).is_err());
        assert!(bytes_asked_for(&names(2, 1 << 20)).is_err());
        assert_eq!(bytes_asked_for(&names(1, 5 << 20)), Ok(5 << 20));
        assert!(bytes_asked_for(&names(1, u32::MAX)).is_err());
    }

    #[test]
    fn a_topic_id_of_another_length_is_refused() {
        let request = FetchBatchesRequest {
            topic_id: Bytes::from_static(b"short"),
            ..FetchBatchesRequest::default()
        };
        assert!(partition(&request).is_err());
    }
}
