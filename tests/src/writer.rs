//! A producer that remembers every byte that was acknowledged, for what a test must find again.

use std::collections::BTreeMap;

use anyhow::ensure;
use bytes::Bytes;
use holdfast_client::{Client, ProduceRecord, Producer, ProducerOptions};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tokio::task::JoinSet;

use crate::fetch::{Fetched, fetch};
use crate::patience::until;

/// The one partition that is written to.
const PARTITION: i32 = 0;

/// Writes to the first partition of a topic that nobody else writes to.
#[derive(Debug)]
pub struct Writer {
    client: Client,
    topic: String,
    producer: Producer,
    dice: StdRng,
    acknowledged: BTreeMap<i64, Bytes>,
    /// Makes the producer progress, and ends with this value.
    _service: JoinSet<()>,
}

impl Writer {
    /// A producer with its defaults, but for the size of its batches; of 1 byte, each record is a
    /// batch of its own.
    pub fn start(client: &Client, topic: &str, batch_bytes: usize) -> Self {
        let options = ProducerOptions {
            batch_bytes,
            ..ProducerOptions::default()
        };
        let (producer, service) = Producer::new(client.clone(), options);
        let mut running = JoinSet::new();
        running.spawn(service.run());
        Self {
            client: client.clone(),
            topic: topic.to_owned(),
            producer,
            dice: StdRng::seed_from_u64(0),
            acknowledged: BTreeMap::new(),
            _service: running,
        }
    }

    /// Writes records of random bytes, which nothing makes shorter and no two of which are alike,
    /// and waits until all are acknowledged. They bear the present time, if none is given.
    ///
    /// # Errors
    /// One is not acknowledged.
    pub async fn write(
        &mut self,
        count: usize,
        bytes: usize,
        timestamp: Option<i64>,
    ) -> anyhow::Result<()> {
        let mut sent = Vec::with_capacity(count);
        for _ in 0..count {
            let mut value = vec![0_u8; bytes];
            self.dice.fill_bytes(&mut value);
            let value = Bytes::from(value);
            let record = ProduceRecord {
                topic: self.topic.clone(),
                partition: Some(PARTITION),
                value: Some(value.clone()),
                timestamp,
                ..ProduceRecord::default()
            };
            sent.push((value, self.producer.send(record).await?));
        }
        for (value, delivery) in sent {
            let offset = delivery.outcome().await?.offset;
            let before = self.acknowledged.insert(offset, value);
            ensure!(
                offset >= 0 && before.is_none(),
                "acknowledged at {offset}, where another record is"
            );
        }
        Ok(())
    }

    /// The values that are acknowledged, by offset.
    pub fn acknowledged(&self) -> &BTreeMap<i64, Bytes> {
        &self.acknowledged
    }

    /// The offset behind the last acknowledged record.
    pub fn end(&self) -> i64 {
        let last = self.acknowledged.last_key_value();
        last.map_or(0, |(offset, _)| offset + 1)
    }

    /// What a broker, leader or not, has from an offset on.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn fetch(&self, broker: i32, offset: i64) -> anyhow::Result<Fetched> {
        fetch(&self.client, broker, &self.topic, PARTITION, offset).await
    }

    /// Compares what a broker answered with what was acknowledged; answers the offset behind it.
    ///
    /// # Errors
    /// Another byte, or another record than the next.
    pub fn check(&self, answer: &Fetched) -> anyhow::Result<i64> {
        let mut next = answer.asked;
        for (offset, value) in answer.records()? {
            ensure!(offset == next, "offset {offset} follows {next} - 1");
            let written = self.acknowledged.get(&offset);
            ensure!(
                written == Some(&value),
                "what is at offset {offset} was not acknowledged there"
            );
            next += 1;
        }
        Ok(next)
    }

    /// Reads everything acknowledged from an offset on at one broker, leader or not.
    ///
    /// # Errors
    /// Something is missing or wrong.
    pub async fn read_back(&self, broker: i32, from: i64) -> anyhow::Result<()> {
        let mut next = from;
        while next < self.end() {
            // A follower learns a moment later that a record is acknowledged.
            let what = format!("broker {broker} has offset {next}");
            let answer = until(&what, async || -> Result<Fetched, String> {
                let answer = self.fetch(broker, next).await;
                let answer = answer.map_err(|error| format!("{error:#}"))?;
                if answer.batches.is_empty() {
                    return Err(answer.code.to_string());
                }
                Ok(answer)
            });
            let behind = self.check(&answer.await?)?;
            ensure!(behind > next, "broker {broker} has nothing at {next}");
            next = behind;
        }
        Ok(())
    }
}
