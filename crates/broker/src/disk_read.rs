//! Reading what the tail cache does not hold, off the network threads and a few at a time.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_model::{ErrorCode, Offset};

use crate::partition::Partition;
use crate::state::BrokerState;

/// Whole batches of a partition, from an offset on: at least one, if there is one.
pub(crate) async fn batches(
    broker: &Arc<BrokerState>,
    partition: &Arc<Partition>,
    from: Offset,
    up_to: Offset,
    max_bytes: usize,
) -> Result<Vec<Bytes>, ErrorCode> {
    broker.environment().metrics.disk_reads.inc();
    let permit = Arc::clone(&broker.disk_reads).acquire_owned().await;
    let permit = permit.map_err(|_closed| ErrorCode::KafkaStorageError)?;
    let environment = Arc::clone(broker.environment());
    let at = partition.at();
    let reading = tokio::task::spawn_blocking(move || {
        let found = environment.store.read(at, from, up_to, max_bytes);
        drop(permit);
        found
    });
    match reading.await {
        Ok(Ok(batches)) => Ok(batches.into_iter().map(|batch| batch.bytes).collect()),
        Ok(Err(error)) => Err(partition.on_read_error(from, &error)),
        Err(error) => {
            tracing::error!(%error, "a disk read failed");
            Err(ErrorCode::UnknownServerError)
        }
    }
}
