//! The producer: batches by partition, one in flight each, retried without reordering.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_wire::{Codec, murmur2};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{Client, Error};

mod accumulator;
mod deliver;
mod service;

pub use service::ProducerService;

/// Commands waiting for the service: small, since records are bounded in bytes besides.
const COMMANDS: usize = 1024;

/// Topics whose current partition for records without a key is remembered.
const STICKY_TOPICS: usize = 10_000;

/// What a record costs beside its key and value: its place in the queues, its headers' overhead.
const RECORD_OVERHEAD: usize = 128;

/// When a broker answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// Never; losses stay unnoticed.
    None,
    /// When the leader has the record.
    Leader,
    /// When every in-sync replica has synced the record.
    #[default]
    All,
}

/// How the producer behaves; the defaults are those of Kafka's Java client.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// When a broker answers.
    pub acks: Acks,
    /// Whether retries are recognised by the broker; takes effect with [`Acks::All`] only.
    pub idempotent: bool,
    /// How long a record waits for others.
    pub linger: Duration,
    /// Bytes of records after which a batch waits no longer.
    pub batch_bytes: usize,
    /// The compression of batches.
    pub codec: Codec,
    /// How long a record may take from being given to being acknowledged.
    pub delivery_timeout: Duration,
    /// How long a broker waits for its replicas.
    pub ack_timeout: Duration,
    /// Bytes of records that may be outstanding; [`Producer::send`] waits while they are.
    pub buffer_bytes: usize,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotent: true,
            linger: Duration::from_millis(5),
            batch_bytes: 16 * 1024,
            codec: Codec::None,
            delivery_timeout: Duration::from_mins(2),
            ack_timeout: Duration::from_secs(30),
            buffer_bytes: 32 * 1024 * 1024,
        }
    }
}

/// A record to be produced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProduceRecord {
    /// The topic.
    pub topic: String,
    /// The partition; `None` lets the key choose, or the producer for a record without one.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// Headers, in order; a name may come twice.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// Milliseconds since 1970; `None` means now.
    pub timestamp: Option<i64>,
}

impl ProduceRecord {
    fn size(&self) -> usize {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = self
            .headers
            .iter()
            .map(|(k, v)| k.len() + length(v) + 16)
            .sum();
        length(&self.key) + length(&self.value) + headers + RECORD_OVERHEAD
    }
}

/// Where a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The partition.
    pub partition: i32,
    /// The offset; -1 where the broker does not say it: with [`Acks::None`], and for a retry so
    /// late that the broker only knows it was written.
    pub offset: i64,
}

/// A record on its way: resolves when the cluster answered for it, or time was over.
#[derive(Debug)]
pub struct Delivery {
    partition: i32,
    receiver: oneshot::Receiver<Result<Outcome, Error>>,
}

impl Delivery {
    /// The partition that the record goes to.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Waits for the outcome.
    ///
    /// # Errors
    /// Why the record was not acknowledged. After a time-out or a lost connection it may have been
    /// written all the same.
    pub async fn outcome(self) -> Result<Outcome, Error> {
        self.receiver.await.unwrap_or(Err(Error::ProducerClosed))
    }
}

/// A record with all that its way needs.
#[derive(Debug)]
struct Queued {
    record: ProduceRecord,
    partition: i32,
    timestamp: i64,
    size: usize,
    answer: oneshot::Sender<Result<Outcome, Error>>,
    /// Gives the bytes back when the record is resolved.
    _memory: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Command {
    Send(Box<Queued>),
    Flush(oneshot::Sender<()>),
}

/// Gives records to the service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Producer {
    client: Client,
    options: Arc<ProducerOptions>,
    commands: mpsc::Sender<Command>,
    memory: Arc<Semaphore>,
    sticky: Arc<Mutex<HashMap<String, Sticky>>>,
}

/// The partition that records without a key go to, until a batch of them is full.
#[derive(Debug)]
struct Sticky {
    turn: u32,
    bytes: usize,
}

impl Producer {
    /// A producer and the service that must run for it to make progress.
    pub fn new(client: Client, options: ProducerOptions) -> (Self, ProducerService) {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let options = Arc::new(options);
        let producer = Self {
            client: client.clone(),
            options: Arc::clone(&options),
            commands,
            memory: Arc::new(Semaphore::new(options.buffer_bytes)),
            sticky: Arc::new(Mutex::new(HashMap::new())),
        };
        (producer, ProducerService::new(client, options, receiver))
    }

    /// Gives a record to the service; waits while too much is outstanding. Records given one after
    /// the other to one partition are written in that order.
    ///
    /// # Errors
    /// If the topic is not there, the record is too large ever to be buffered, or the service
    /// ended.
    pub async fn send(&self, record: ProduceRecord) -> Result<Delivery, Error> {
        let size = record.size();
        if size > self.options.buffer_bytes {
            let limit = self.options.buffer_bytes;
            return Err(Error::Record {
                reason: format!("{size} bytes exceed the {limit} of the buffer"),
            });
        }
        let partition = self.partition_of(&record, size).await?;
        let memory = Arc::clone(&self.memory)
            .acquire_many_owned(size as u32)
            .await
            .map_err(|_closed| Error::ProducerClosed)?;
        let timestamp = record
            .timestamp
            .unwrap_or_else(|| self.client.options().clock.wall_ms());
        let (answer, receiver) = oneshot::channel();
        let queued = Queued {
            record,
            partition,
            timestamp,
            size,
            answer,
            _memory: memory,
        };
        self.commands
            .send(Command::Send(Box::new(queued)))
            .await
            .map_err(|_closed| Error::ProducerClosed)?;
        Ok(Delivery {
            partition,
            receiver,
        })
    }

    /// Waits until everything given before is resolved, without waiting for fuller batches.
    ///
    /// # Errors
    /// If the service ended.
    pub async fn flush(&self) -> Result<(), Error> {
        let (done, receiver) = oneshot::channel();
        self.commands
            .send(Command::Flush(done))
            .await
            .map_err(|_closed| Error::ProducerClosed)?;
        receiver.await.map_err(|_closed| Error::ProducerClosed)
    }

    async fn partition_of(&self, record: &ProduceRecord, size: usize) -> Result<i32, Error> {
        let topic = self.client.topic(&record.topic).await?;
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        match (record.partition, &record.key) {
            (Some(partition), _) if (0..count).contains(&partition) => Ok(partition),
            (Some(partition), _) => Err(Error::Record {
                reason: format!("{} has {count} partitions, not {partition}", record.topic),
            }),
            (None, Some(key)) => Ok(murmur2::partition(key, count)),
            (None, None) => Ok(self.sticky_partition(&record.topic, size, count)),
        }
    }

    fn sticky_partition(&self, topic: &str, size: usize, count: i32) -> i32 {
        let mut sticky = self.sticky.lock();
        if !sticky.contains_key(topic) && sticky.len() >= STICKY_TOPICS {
            sticky.clear();
        }
        // The start differs between producers, so that few records do not all meet on one leader.
        let seed = self.client.options().clock.monotonic().0 as u32;
        let entry = sticky.entry(topic.to_owned()).or_insert(Sticky {
            turn: seed >> 10,
            bytes: 0,
        });
        if entry.bytes >= self.options.batch_bytes {
            entry.turn = entry.turn.wrapping_add(1);
            entry.bytes = 0;
        }
        entry.bytes += size;
        (entry.turn % count.max(1).unsigned_abs()) as i32
    }
}

#[cfg(test)]
mod tests;
