//! Measures what ten thousand partitions cost: memory, a start after all brokers were killed, and the failover of
//! everything that one broker led.
//!
//! `many_partitions [PARTITIONS] [ROUNDS]`: 10,000 and 3 if not given. The partitions are those of ten topics, each on all
//! three brokers. A record goes to each of them, before anything is measured and after each fault; how long the last of
//! those takes to be acknowledged is what is measured.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use holdfast_client::admin::NewTopic;
use holdfast_client::{Admin, Client, Options, ProduceRecord, Producer, ProducerOptions};
use holdfast_model::{Clock, Monotonic, SystemClock};
use holdfast_tests::cluster::{BROKERS, Cluster, Storage};
use holdfast_tests::measure::memory_kib;

const TOPICS: i32 = 10;
const PATIENCE: Duration = Duration::from_mins(5);
const LOOK: Duration = Duration::from_millis(20);

/// Where the cluster is looked at after a change that it makes by itself: leaders go back to where they were.
const SETTLED: Duration = Duration::from_secs(20);

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |default: i32| arguments.next().map_or(Ok(default), |text| text.parse());
    let (partitions, rounds) = (next(10_000)?, next(3)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(Many::measure(partitions / TOPICS, rounds))
}

struct Many {
    cluster: Cluster,
    /// Of each topic.
    partitions: i32,
    clock: SystemClock,
}

impl Many {
    async fn measure(partitions: i32, rounds: i32) -> anyhow::Result<()> {
        let mut many = Self {
            cluster: Cluster::start("many", Storage::Directory).await?,
            partitions,
            clock: SystemClock::new(),
        };
        let count = partitions * TOPICS;
        let empty = many.memory()?;
        many.create().await?;
        let began = many.clock.monotonic();
        many.everywhere().await?;
        let first = many.clock.monotonic().since(began);
        say(&format!(
            "a first record to each of {count} partitions: {first:?}"
        ))?;
        let full = many.memory()?;
        for (n, (full, empty)) in full.iter().zip(&empty).enumerate() {
            let each = full.saturating_sub(*empty) * 1024 / u64::try_from(count)?;
            say(&format!(
                "broker {n}: {full} KiB, {empty} KiB without them: {each} bytes for a replica"
            ))?;
        }
        for _ in 0..rounds {
            let began = many.clock.monotonic();
            many.everywhere().await?;
            let takes = many.clock.monotonic().since(began);
            say(&format!("a record to each, nothing broken: {takes:?}"))?;
            many.start().await?;
            many.fail_over().await?;
        }
        many.cluster.finish()
    }

    async fn create(&self) -> anyhow::Result<()> {
        let admin = Admin::new(self.cluster.client().clone());
        for number in 0..TOPICS {
            let topic = NewTopic {
                partitions: self.partitions,
                replication_factor: BROKERS as i16,
                ..NewTopic::new(name(number))
            };
            admin.create_topic(&topic, false).await?;
        }
        Ok(())
    }

    /// A record to each partition, by a client that knows nothing yet.
    async fn everywhere(&self) -> anyhow::Result<()> {
        let client = Client::new(&self.cluster.bootstrap(), Options::default())?;
        let (producer, service) = Producer::new(client, ProducerOptions::default());
        tokio::select! {
            sent = self.send(&producer) => sent,
            _ended = service.run() => bail!("the producer ended"),
        }
    }

    async fn send(&self, producer: &Producer) -> anyhow::Result<()> {
        let mut deliveries = Vec::new();
        for topic in 0..TOPICS {
            for partition in 0..self.partitions {
                let record = ProduceRecord {
                    topic: name(topic),
                    partition: Some(partition),
                    value: Some(Bytes::from_static(b"one of many")),
                    ..ProduceRecord::default()
                };
                deliveries.push(producer.send(record).await?);
            }
        }
        for delivery in deliveries {
            delivery.outcome().await?;
        }
        Ok(())
    }

    /// All are killed, and start.
    async fn start(&mut self) -> anyhow::Result<()> {
        for n in 0..BROKERS {
            self.cluster.kill(n)?;
        }
        let began = self.clock.monotonic();
        for n in 0..BROKERS {
            self.cluster.start_broker(n)?;
        }
        self.tell("all were killed and started", began, |leader| leader >= 0)
            .await?;
        self.calm().await
    }

    /// One is killed: others lead what it led.
    async fn fail_over(&mut self) -> anyhow::Result<()> {
        let all = self.leaders().await?;
        let victim = all[0];
        let led = all.iter().filter(|leader| **leader == victim).count();
        let n = usize::try_from(victim).context("nobody leads")?;
        let began = self.clock.monotonic();
        self.cluster.kill(n)?;
        let what = format!("a broker that led {led} was killed");
        self.tell(&what, began, |leader| leader >= 0 && leader != victim)
            .await?;
        self.cluster.start_broker(n)?;
        self.calm().await
    }

    /// How long it takes until each has a leader that will do, and until each took a record.
    async fn tell(
        &self,
        what: &str,
        began: Monotonic,
        will_do: impl Fn(i32) -> bool,
    ) -> anyhow::Result<()> {
        self.until(|leaders| leaders.iter().all(|leader| will_do(*leader)))
            .await?;
        let led = self.clock.monotonic().since(began);
        self.everywhere().await?;
        let taken = self.clock.monotonic().since(began);
        say(&format!(
            "{what}: all have leaders after {led:?}, all took a record after {taken:?}"
        ))
    }

    /// Everybody is in sync, and every broker leads something.
    async fn calm(&mut self) -> anyhow::Result<()> {
        self.cluster.wait_ready().await?;
        for topic in 0..TOPICS {
            self.cluster.wait_in_sync(&name(topic), PATIENCE).await?;
        }
        tokio::time::sleep(SETTLED).await;
        self.until(|leaders| leaders.iter().collect::<BTreeSet<_>>().len() == BROKERS)
            .await
    }

    async fn leaders(&self) -> anyhow::Result<Vec<i32>> {
        let all = self.cluster.client().describe_all().await?;
        let ours = all.topics.values().filter(|topic| !topic.internal);
        let leaders: Vec<i32> = ours
            .flat_map(|topic| topic.partitions.values().map(|partition| partition.leader))
            .collect();
        ensure!(
            leaders.len() == usize::try_from(self.partitions * TOPICS)?,
            "{} partitions are known",
            leaders.len()
        );
        Ok(leaders)
    }

    async fn until(&self, holds: impl Fn(&[i32]) -> bool) -> anyhow::Result<()> {
        let began = self.clock.monotonic();
        loop {
            let leaders = self.leaders().await;
            if leaders.as_ref().is_ok_and(|leaders| holds(leaders)) {
                return Ok(());
            }
            let waited = self.clock.monotonic().since(began);
            // Ten thousand of them would say nothing.
            let known = leaders.map(|leaders| leaders.into_iter().collect::<BTreeSet<_>>());
            ensure!(waited < PATIENCE, "after {waited:?}: leaders are {known:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What each broker holds in memory, KiB.
    fn memory(&self) -> anyhow::Result<Vec<u64>> {
        self.cluster.pids().into_iter().map(memory_kib).collect()
    }
}

fn name(number: i32) -> String {
    format!("many-{number}")
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
