//! `holdfast bench`: an open load, and how long its records took.
//!
//! Every record is due at a moment that follows from the rate alone, and its time counts from then:
//! a stall is not hidden by the records that could not be sent while it lasted.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use holdfast_client::{Client, Producer, ProducerOptions};
use holdfast_runtime::{Class, Metrics, Tasks};
use tokio::sync::oneshot;

use super::produce::{AcksName, CodecName};
use crate::output;
use crate::session::{self, Reach};

mod counts;
mod payload;
mod reading;
mod sending;
mod summary;

use counts::Counts;
use payload::Payload;
use summary::Summary;

/// Records at most: their times are counted, not kept, but nobody waits a week for a figure.
const RECORDS: u64 = 10_000_000_000;

/// Put an open load on a topic, and say how long its records took. Writes records that mean nothing: take
/// a topic of its own. Ends early with Ctrl-C, and says what it has seen until then.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// The topic; its records are read back as well
    topic: String,
    /// Records a second, over all partitions
    #[arg(long, default_value_t = 1_000, value_name = "RECORDS",
          value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// For so many seconds, after the warm-up
    #[arg(long, default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    duration: u32,
    /// For so many seconds before; the times of their records do not count
    #[arg(long, default_value_t = 5, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=3_600))]
    warm_up: u32,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 1_024, value_name = "BYTES",
          value_parser = clap::value_parser!(u32).range(payload::SMALLEST..=16_777_216))]
    size: u32,
    /// When a record counts as written: all = on the disk of every in-sync replica
    #[arg(long, value_enum, default_value = "all")]
    acks: AcksName,
    /// How batches are compressed; values are random bytes
    #[arg(long, short = 'z', value_enum, default_value = "none")]
    compression: CodecName,
    /// Milliseconds that a record may wait for others
    #[arg(long, default_value_t = 5, value_name = "MILLISECONDS",
          value_parser = clap::value_parser!(u64).range(0..=60_000))]
    linger: u64,
    /// Only write
    #[arg(long)]
    no_read: bool,
}

impl Bench {
    fn options(&self) -> ProducerOptions {
        ProducerOptions {
            acks: self.acks.acks(),
            codec: self.compression.codec(),
            linger: Duration::from_millis(self.linger),
            ..ProducerOptions::default()
        }
    }

    fn seconds(&self) -> u64 {
        u64::from(self.warm_up) + u64::from(self.duration)
    }
}

/// Sends, reads back, and prints what came of it.
pub(crate) async fn run(bench: Bench, reach: &Reach) -> anyhow::Result<ExitCode> {
    let records = u64::from(bench.rate) * bench.seconds();
    anyhow::ensure!(
        records <= RECORDS,
        "{records} records are more than {RECORDS}: take a shorter time or a smaller rate"
    );
    let client = reach.client().await?;
    let partitions = client.topic(&bench.topic).await?.partitions.len();
    let tasks = Tasks::new(&Metrics::new());
    let payload = Payload::new(bench.size);
    // Whoever reads is there before the first record.
    let reader = if bench.no_read {
        None
    } else {
        Some(reading::open(&client, &bench.topic).await?)
    };
    let counts = Arc::new(Counts::new(Duration::from_secs(bench.warm_up.into()))?);
    let (end, ended) = oneshot::channel();
    let mut reading = Reading(reader.map(|reader| {
        let (tell, told) = oneshot::channel();
        let (payload, counts) = (payload.clone(), Arc::clone(&counts));
        tasks.spawn("reader", Class::Job, async move {
            // Nobody waits any more only if this process is about to end with an error.
            let _unheard = tell.send(reading::read(reader, &payload, &counts, ended).await);
        });
        told
    }));
    let sent = tokio::select! {
        sent = send(&bench, client, partitions, &payload, &counts, &tasks) => sent,
        read = reading.ended() => read.and(Err(anyhow::anyhow!("reading ended before writing"))),
    };
    // The reader stops once it has what was acknowledged.
    let _no_reader = end.send(());
    let read = if reading.0.is_some() {
        let again = session::interrupted()?;
        tokio::select! {
            read = reading.ended() => read,
            () = again => Err(anyhow::anyhow!("interrupted: not all that was written was read")),
        }
    } else {
        Ok(())
    };
    let summary = Summary::of(&counts, bench.rate, bench.size, !bench.no_read);
    if reach.is_json() {
        reach.print(&summary)?;
    } else {
        output::print(&summary.text())?;
    }
    sent?;
    read?;
    Ok(if summary.is_whole() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The end of the reader, if there is one that has not ended.
struct Reading(Option<oneshot::Receiver<anyhow::Result<()>>>);

impl Reading {
    async fn ended(&mut self) -> anyhow::Result<()> {
        let Some(told) = &mut self.0 else {
            return std::future::pending().await;
        };
        let read = told.await;
        self.0 = None;
        read?
    }
}

async fn send(
    bench: &Bench,
    client: Client,
    partitions: usize,
    payload: &Payload,
    counts: &Arc<Counts>,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let (producer, service) = Producer::new(client, bench.options());
    tasks.spawn("producer", Class::Job, service.run());
    let lanes = sending::Lanes::new(partitions, counts, tasks);
    let interrupted = session::interrupted()?;
    let load = sending::Load {
        topic: &bench.topic,
        rate: bench.rate,
        records: u64::from(bench.rate) * bench.seconds(),
    };
    let sent = tokio::select! {
        sent = sending::send(&load, &producer, &lanes, payload, counts) => sent,
        () = interrupted => Ok(()),
    };
    let again = session::interrupted()?;
    let finish = async {
        producer.flush().await?;
        lanes.finish().await
    };
    tokio::select! {
        finished = finish => finished?,
        () = again => anyhow::bail!("interrupted twice: what was under way does not count"),
    }
    sent
}
