//! Reads everything that is stored, slowly, round after round: damage is found before it is needed.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{Offset, TopicPartition};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::partition::Partition;
use crate::partitions::Partitions;

/// Bytes read in one step.
const STEP_BYTES: u64 = 1024 * 1024;

/// What a step counts for at least: thousands of small logs are not read again and again for nothing.
const SMALLEST_STEP_BYTES: u64 = 64 * 1024;

/// A round takes at least so long, however little there is.
const SHORTEST_ROUND: Duration = Duration::from_secs(10);

/// Reads all replicas of a broker in turn.
#[derive(Clone, Debug)]
pub struct Scrub {
    /// The replicas here.
    pub partitions: Arc<Partitions>,
    /// Turns at the disk.
    pub disk_reads: Arc<Semaphore>,
    /// How fast, at most; 0 is not at all.
    pub bytes_per_second: u64,
}

impl Scrub {
    /// Reads until the process stops.
    pub async fn run(self, stop: CancellationToken) {
        if self.bytes_per_second == 0 {
            tracing::warn!(
                "stored records are not checked in the background: scrub_bytes_per_second is 0"
            );
            return;
        }
        tokio::select! {
            // Cancel-safe: it only reads.
            biased;
            () = stop.cancelled() => {}
            () = self.rounds() => {}
        }
    }

    async fn rounds(&self) {
        let environment = self.partitions.environment();
        loop {
            let begun = environment.clock.monotonic();
            let mut all = self.partitions.all();
            all.sort_by_key(|partition| partition.at());
            for partition in all {
                self.one(&partition).await;
            }
            let took = environment.clock.monotonic().since(begun);
            let round = took.max(SHORTEST_ROUND);
            tokio::time::sleep(round.saturating_sub(took)).await;
            environment
                .metrics
                .repair
                .scrub_round_seconds
                .set(round.as_secs() as i64);
            environment.metrics.repair.scrub_rounds.inc();
        }
    }

    /// Reads one replica from its start to the end that it had.
    async fn one(&self, partition: &Arc<Partition>) {
        let offsets = partition.offsets();
        let mut from = offsets.log_start;
        // What is offline is read by whoever mends it.
        while from < offsets.log_end && partition.offline_reason().is_none() {
            let Some(next) = self.step(partition, from, offsets.log_end).await else {
                return;
            };
            from = next;
        }
    }

    /// Reads one step and pays for it in time; where the next begins, if there is one.
    async fn step(
        &self,
        partition: &Arc<Partition>,
        from: Offset,
        up_to: Offset,
    ) -> Option<Offset> {
        let turn = Arc::clone(&self.disk_reads).acquire_owned().await.ok()?;
        let environment = Arc::clone(self.partitions.environment());
        let at: TopicPartition = partition.at();
        let checking = tokio::task::spawn_blocking(move || {
            let checked = environment.store.check(at, from, up_to, STEP_BYTES);
            drop(turn);
            checked
        });
        let checked = match checking.await.ok()? {
            Ok(checked) => checked,
            Err(error) => {
                let _code = partition.on_read_error(from, &error);
                return None;
            }
        };
        let metrics = &self.partitions.environment().metrics;
        metrics.repair.scrubbed.inc_by(checked.bytes);
        if let Some(first) = checked.damaged.first() {
            let reason = format!("the batch at {} is damaged", first.base_offset);
            partition.on_damage(first.base_offset, &reason);
            return None;
        }
        let bytes = checked.bytes.max(SMALLEST_STEP_BYTES);
        let pace = bytes.saturating_mul(1_000_000) / self.bytes_per_second;
        tokio::time::sleep(Duration::from_micros(pace)).await;
        checked.next
    }
}
