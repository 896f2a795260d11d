//! Records are given to the producer when they are due.

use std::sync::Arc;
use std::time::Duration;

use holdfast_client::{Delivery, Error, ProduceRecord, Producer};
use holdfast_runtime::{Class, Tasks};
use tokio::sync::{mpsc, oneshot};

use super::counts::Counts;
use super::payload::Payload;

/// Records whose outcome is open, over all partitions.
const OPEN: usize = 100_000;

/// A load.
#[derive(Debug)]
pub(super) struct Load<'a> {
    pub(super) topic: &'a str,
    pub(super) rate: u32,
    pub(super) records: u64,
}

/// Waits for outcomes: those of one partition come in order, so that each is seen when it comes.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<mpsc::Sender<(Delivery, Duration)>>,
    ended: Vec<oneshot::Receiver<()>>,
}

impl Lanes {
    pub(super) fn new(partitions: usize, counts: &Arc<Counts>, tasks: &Tasks) -> Self {
        let (mut lanes, mut ended) = (Vec::new(), Vec::new());
        for _ in 0..partitions {
            let (lane, mut deliveries) = mpsc::channel(OPEN / partitions + 1);
            let (tell, told) = oneshot::channel();
            let counts = Arc::clone(counts);
            tasks.spawn("deliveries", Class::Job, async move {
                while let Some((delivery, due)) = deliveries.recv().await {
                    let delivery: Delivery = delivery;
                    match delivery.outcome().await {
                        Ok(_) => counts.acknowledged(due),
                        Err(error) => counts.failed(&error.to_string()),
                    }
                }
                // Nobody waits any more only if this process is about to end with an error.
                let _unheard = tell.send(());
            });
            lanes.push(lane);
            ended.push(told);
        }
        Self { lanes, ended }
    }

    /// Waits for every outcome.
    pub(super) async fn finish(self) -> anyhow::Result<()> {
        drop(self.lanes);
        for ended in self.ended {
            ended.await?;
        }
        Ok(())
    }
}

/// Sends every record of a load, each when it is due, to the partition that a client takes for records
/// without a key: one after the other, each until a batch is full.
pub(super) async fn send(
    load: &Load<'_>,
    producer: &Producer,
    lanes: &Lanes,
    payload: &Payload,
    counts: &Counts,
) -> anyhow::Result<()> {
    for number in 0..load.records {
        let due = due(number, load.rate);
        let early = due.saturating_sub(counts.now());
        if !early.is_zero() {
            tokio::time::sleep(early).await;
        }
        let record = ProduceRecord {
            topic: load.topic.to_owned(),
            value: Some(payload.value(number, due)),
            ..ProduceRecord::default()
        };
        let delivery = producer.send(record).await?;
        counts.sent(due);
        // A topic may have grown since its partitions were counted.
        let lane = usize::try_from(delivery.partition())? % lanes.lanes.len();
        if lanes.lanes[lane].send((delivery, due)).await.is_err() {
            return Err(Error::ProducerClosed.into());
        }
    }
    Ok(())
}

/// When a record is due, after the start.
fn due(number: u64, rate: u32) -> Duration {
    let rate = u64::from(rate);
    let rest = (number % rate) * 1_000_000_000 / rate;
    Duration::from_secs(number / rate) + Duration::from_nanos(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_at_the_rate_and_never_drift() {
        assert_eq!(due(0, 3), Duration::ZERO);
        assert_eq!(due(1, 3), Duration::from_nanos(333_333_333));
        assert_eq!(due(3, 3), Duration::from_secs(1));
        let far = 10_000_000_000;
        assert_eq!(due(far, 1_000_000), Duration::from_secs(10_000));
    }
}
