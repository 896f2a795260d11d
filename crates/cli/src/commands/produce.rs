//! `holdfast produce`: the lines of standard input as records.

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use holdfast_client::{Acks, Delivery, Error, ProduceRecord, Producer, ProducerOptions};
use holdfast_model::{Clock, Monotonic, SystemClock};
use holdfast_runtime::{Class, Metrics, Tasks};
use holdfast_wire::Codec;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::output;
use crate::progress::Progress;
use crate::session::{self, Reach};
use crate::text::{add, assignment};

mod json;
mod lines;

/// Records whose outcome is still open; their bytes are bounded by the producer's buffer besides.
const OPEN: usize = 50_000;

/// Failures that are told one by one; the rest is counted.
const TOLD: u64 = 5;

/// Write the lines of standard input to a topic, each as one record. Ends with the input or
/// Ctrl-C, when everything read was acknowledged.
#[derive(Args, Debug)]
pub(crate) struct Produce {
    /// The topic
    topic: String,
    /// The partition; chosen by the key, or in turn, if not given
    #[arg(long, short = 'p', value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// What stands between key and value in a line; without it lines have no key
    #[arg(long, short = 'k', value_name = "TEXT")]
    key_separator: Option<String>,
    /// How lines are read
    #[arg(long, value_enum, default_value = "text")]
    format: LineFormat,
    /// Say once a second how far it is
    #[arg(long)]
    progress: bool,
    /// A header of every record; may be given many times
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = assignment)]
    headers: Vec<(String, String)>,
    /// A value that stands for none at all (a tombstone)
    #[arg(long, value_name = "TEXT")]
    null: Option<String>,
    /// When a record counts as written: all = on the disk of every in-sync replica
    #[arg(long, value_enum, default_value = "all")]
    acks: AcksName,
    /// How batches are compressed
    #[arg(long, short = 'z', value_enum, default_value = "none")]
    compression: CodecName,
    /// At most so many records a second
    #[arg(long, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Seconds after which a record that is not acknowledged is given up
    #[arg(long, default_value_t = 120, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    delivery_timeout: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LineFormat {
    /// A line is a value, or a key and a value
    Text,
    /// A line is what `consume -o json` prints of a record: its key, value, headers and timestamp
    Json,
}

/// `--acks`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AcksName {
    #[value(name = "0")]
    None,
    #[value(name = "1")]
    Leader,
    All,
}

/// `--compression`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CodecName {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl AcksName {
    pub(crate) fn acks(self) -> Acks {
        match self {
            Self::None => Acks::None,
            Self::Leader => Acks::Leader,
            Self::All => Acks::All,
        }
    }
}

impl CodecName {
    pub(crate) fn codec(self) -> Codec {
        match self {
            Self::None => Codec::None,
            Self::Gzip => Codec::Gzip,
            Self::Snappy => Codec::Snappy,
            Self::Lz4 => Codec::Lz4,
            Self::Zstd => Codec::Zstd,
        }
    }
}

impl Produce {
    fn options(&self) -> ProducerOptions {
        ProducerOptions {
            acks: self.acks.acks(),
            codec: self.compression.codec(),
            delivery_timeout: Duration::from_secs(self.delivery_timeout),
            ..ProducerOptions::default()
        }
    }

    /// The record that a line stands for.
    fn record(&self, line: Bytes) -> anyhow::Result<ProduceRecord> {
        let header = |(name, value): &(String, String)| {
            let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
            (bytes(name), Some(bytes(value)))
        };
        let mut record = match self.format {
            LineFormat::Text => self.plain(line)?,
            LineFormat::Json => json::record(&line)?,
        };
        record.topic.clone_from(&self.topic);
        record.partition = self.partition;
        record.headers.extend(self.headers.iter().map(header));
        Ok(record)
    }

    /// The key and the value of a line.
    fn plain(&self, line: Bytes) -> anyhow::Result<ProduceRecord> {
        let (key, value) = match &self.key_separator {
            None => (None, line),
            Some(separator) => {
                let separator = separator.as_bytes();
                let at = line
                    .windows(separator.len().max(1))
                    .position(|window| window == separator);
                let Some(at) = at else {
                    anyhow::bail!(
                        "a line without the key separator: {:?}",
                        crate::text::readable(&line[..line.len().min(100)])
                    );
                };
                (Some(line.slice(..at)), line.slice(at + separator.len()..))
            }
        };
        let is_null = self
            .null
            .as_ref()
            .is_some_and(|null| null.as_bytes() == value);
        Ok(ProduceRecord {
            key,
            value: (!is_null).then_some(value),
            ..ProduceRecord::default()
        })
    }
}

/// What became of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    acknowledged: u64,
    failed: u64,
    /// Why the first of them failed.
    first_failure: Option<String>,
    bytes: u64,
    milliseconds: u64,
}

impl Summary {
    fn text(&self) -> String {
        let seconds = self.milliseconds as f64 / 1000.0;
        let per_second = if seconds > 0.0 {
            self.acknowledged as f64 / seconds
        } else {
            0.0
        };
        let mut text = format!(
            "{} records acknowledged, {:.2} MiB, {seconds:.1} s, {per_second:.0} records/s",
            self.acknowledged,
            self.bytes as f64 / f64::from(1 << 20),
        );
        if self.failed > 0 {
            add(&mut text, format_args!("; {} failed", self.failed));
        }
        text
    }
}

/// Sends every line and waits for every outcome.
pub(crate) async fn run(produce: Produce, reach: &Reach) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        produce.key_separator.as_deref() != Some(""),
        "the key separator is empty"
    );
    anyhow::ensure!(
        produce.format == LineFormat::Text
            || (produce.key_separator.is_none() && produce.null.is_none()),
        "a line in JSON says itself what its key is, and whether it has a value"
    );
    let client = reach.client_with(true).await?;
    let partitions = client.topic(&produce.topic).await?.partitions.len();
    if let Some(partition) = produce.partition {
        anyhow::ensure!(
            usize::try_from(partition).is_ok_and(|p| p < partitions),
            "{} has {partitions} partitions, numbered from 0: there is no {partition}",
            produce.topic
        );
    }
    let clock = SystemClock::new();
    let started = clock.monotonic();
    let tasks = Tasks::new(&Metrics::new());
    let (producer, service) = Producer::new(client, produce.options());
    tasks.spawn("producer", Class::Job, service.run());
    let (open, deliveries) = mpsc::channel(OPEN);
    let (tell, told) = oneshot::channel();
    let progress = Progress::new(produce.progress);
    let told_one_by_one = if reach.is_json() { 0 } else { TOLD };
    tasks.spawn("deliveries", Class::Job, async move {
        let summary = collect(deliveries, told_one_by_one, progress).await;
        // Nobody waits any more only if this process is about to end with an error.
        let _unheard = tell.send(summary);
    });
    let interrupted = session::interrupted()?;
    let sent = tokio::select! {
        sent = send_lines(&produce, &producer, open, &tasks, &clock) => sent,
        () = interrupted => Ok(()),
    };
    let again = session::interrupted()?;
    tokio::select! {
        flushed = producer.flush() => flushed?,
        () = again => anyhow::bail!(
            "interrupted twice: the last records may have been written or not"
        ),
    }
    let mut summary = told.await?;
    summary.milliseconds =
        u64::try_from(clock.monotonic().since(started).as_millis()).unwrap_or(u64::MAX);
    if reach.is_json() {
        reach.print(&summary)?;
    } else {
        output::note(&summary.text());
    }
    sent?;
    if let Some(reason) = summary.first_failure.filter(|_| reach.is_json()) {
        let failed = summary.failed;
        anyhow::bail!("{failed} records were not acknowledged, the first because: {reason}");
    }
    Ok(if summary.failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Gives every line to the producer, at the rate that was asked for. Dropping it ends `open`, so
/// that the outcomes are then complete.
async fn send_lines(
    produce: &Produce,
    producer: &Producer,
    open: mpsc::Sender<(Delivery, u64)>,
    tasks: &Tasks,
    clock: &SystemClock,
) -> anyhow::Result<()> {
    let mut lines = lines::read(tasks)?;
    let started = clock.monotonic();
    let mut count: u64 = 0;
    while let Some(chunk) = lines.recv().await {
        for line in chunk? {
            if let Some(rate) = produce.rate {
                pace(clock, started, count, rate).await;
            }
            count += 1;
            let bytes = line.len() as u64;
            let delivery = producer.send(produce.record(line)?).await?;
            if open.send((delivery, bytes)).await.is_err() {
                return Err(Error::ProducerClosed.into());
            }
        }
    }
    Ok(())
}

/// Waits until the record after `count` others is due.
async fn pace(clock: &SystemClock, started: Monotonic, count: u64, rate: u32) {
    let due = started.plus(Duration::from_secs(1).mul_f64(count as f64 / f64::from(rate)));
    let early = due.since(clock.monotonic());
    if !early.is_zero() {
        tokio::time::sleep(early).await;
    }
}

async fn collect(
    mut deliveries: mpsc::Receiver<(Delivery, u64)>,
    most_told: u64,
    mut progress: Progress,
) -> Summary {
    let mut summary = Summary::default();
    while let Some((delivery, bytes)) = deliveries.recv().await {
        match delivery.outcome().await {
            Ok(_) => {
                summary.acknowledged += 1;
                summary.bytes += bytes;
                progress.at(summary.acknowledged, "records acknowledged");
            }
            Err(error) => {
                summary.failed += 1;
                if summary.failed <= most_told {
                    output::note(&format!("not acknowledged: {error}"));
                }
                summary
                    .first_failure
                    .get_or_insert_with(|| error.to_string());
            }
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        produce: Produce,
    }

    fn record(arguments: &[&str], line: &'static str) -> anyhow::Result<ProduceRecord> {
        let line_of = ["produce", "t"].iter().chain(arguments);
        let produce = Line::parse_from(line_of).produce;
        produce.record(Bytes::from_static(line.as_bytes()))
    }

    #[test]
    fn a_line_is_a_value_or_a_key_and_a_value() {
        let plain = record(&[], "a:b").unwrap();
        assert_eq!(
            (plain.key, plain.value),
            (None, Some(Bytes::from_static(b"a:b")))
        );
        let keyed = record(&["-k", "::"], "a::b::c").unwrap();
        assert_eq!(keyed.key, Some(Bytes::from_static(b"a")));
        assert_eq!(keyed.value, Some(Bytes::from_static(b"b::c")));
        record(&["-k", "::"], "a:b").unwrap_err();
        record(&["-k", "::"], "").unwrap_err();
        let json = record(
            &["--format", "json", "-H", "h=1", "-p", "3"],
            r#"{"key":"k"}"#,
        )
        .unwrap();
        assert_eq!(
            (json.key, json.value),
            (Some(Bytes::from_static(b"k")), None)
        );
        assert_eq!(
            (json.topic.as_str(), json.partition, json.headers.len()),
            ("t", Some(3), 1)
        );
        let none = record(&["-k", ":", "--null", "NULL"], "a:NULL").unwrap();
        assert_eq!(none.value, None);
        let headed = record(&["-H", "h=1", "-H", "h=2"], "v").unwrap();
        assert_eq!(headed.headers.len(), 2);
    }

    #[test]
    fn the_summary_tells_failures() {
        let summary = Summary {
            acknowledged: 10,
            failed: 1,
            first_failure: Some("no".to_owned()),
            bytes: 1 << 20,
            milliseconds: 2000,
        };
        assert_eq!(
            summary.text(),
            "10 records acknowledged, 1.00 MiB, 2.0 s, 5 records/s; 1 failed"
        );
    }
}
