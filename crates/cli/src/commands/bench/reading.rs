//! The records are read back, as somebody would who waits for them.

use std::time::Duration;

use holdfast_client::{Client, Consumer, ConsumerOptions, Start};
use tokio::sync::oneshot;

use super::counts::Counts;
use super::payload::Payload;

/// How long one look for records may wait.
const WAIT: Duration = Duration::from_millis(200);

/// Looks until the end of every partition is known.
const FIRST_LOOKS: usize = 150;

/// How long what was acknowledged may take to be read, once nothing is sent any more.
const LATE: Duration = Duration::from_secs(30);

/// Who reads from the present end of a topic.
pub(super) async fn open(client: &Client, topic: &str) -> anyhow::Result<Consumer> {
    let options = ConsumerOptions {
        reset: Some(Start::Latest),
        ..ConsumerOptions::default()
    };
    let mut consumer = Consumer::of_topic(client.clone(), options, topic, Start::Latest).await?;
    let partitions: Vec<i32> = client
        .topic(topic)
        .await?
        .partitions
        .keys()
        .copied()
        .collect();
    for _ in 0..FIRST_LOOKS {
        // Somebody else's records may be among them.
        consumer.poll(WAIT).await?;
        if partitions
            .iter()
            .all(|partition| consumer.position(topic, *partition).is_some())
        {
            return Ok(consumer);
        }
    }
    anyhow::bail!("the end of {topic} could not be found: do all partitions have a leader?")
}

/// Reads until all that was acknowledged was read, or does not come.
pub(super) async fn read(
    mut consumer: Consumer,
    payload: &Payload,
    counts: &Counts,
    mut ended: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let mut until = None;
    loop {
        for record in consumer.poll(WAIT).await? {
            let value = record.value.as_deref().unwrap_or_default();
            if let Some(due) = payload.due(value) {
                counts.read(due);
            }
        }
        if until.is_none() && !matches!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty))
        {
            until = Some(counts.now() + LATE);
        }
        if until.is_some_and(|until| counts.has_read_all() || counts.now() >= until) {
            return Ok(());
        }
    }
}
