//! Measures how soon a cluster takes records after its last process was started.
//!
//! `start_time [ROUNDS] [MIB] [PARTITIONS]`: 5 rounds, 8,192 MiB and 2,000 partitions if not given.
//! First on empty disks: the three brokers are started, a topic is created and a record is
//! acknowledged. Then one cluster is filled with so much on every broker; in each round all of its
//! brokers are killed and started again. The first record is handed over again every few
//! milliseconds until it is taken, as an impatient client would.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{bail, ensure};
use bytes::Bytes;
use holdfast_client::admin::NewTopic;
use holdfast_client::{Admin, Client, Options, ProduceRecord, Producer, ProducerOptions};
use holdfast_model::{Clock, Monotonic, SystemClock};
use holdfast_tests::cluster::{BROKERS, Cluster, Storage};
use holdfast_tests::ledger::python;
use holdfast_tests::measure::percentile;

const TOPIC: &str = "start";
const PATIENCE: Duration = Duration::from_mins(2);
const RETRY: Duration = Duration::from_millis(5);

/// More than a try takes on a cluster that serves.
const TRY: Duration = Duration::from_millis(250);

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (rounds, mib, partitions) = (next(5)?, next(8192)?, next(2000)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let clock = SystemClock::new();
    runtime.block_on(async {
        empty(&clock, rounds).await?;
        filled(&clock, rounds, mib, partitions).await
    })
}

async fn empty(clock: &SystemClock, rounds: usize) -> anyhow::Result<()> {
    let mut took = Vec::new();
    for _ in 0..rounds {
        let mut cluster = Cluster::prepared("start-empty", Storage::Directory).await?;
        let started = start_all(clock, &mut cluster)?;
        create(clock, &cluster, 1).await?;
        took.push(first_acknowledged(clock, &cluster, started).await?);
        cluster.finish()?;
    }
    report("empty disks, formation and topic included", &took)
}

async fn filled(
    clock: &SystemClock,
    rounds: usize,
    mib: usize,
    partitions: usize,
) -> anyhow::Result<()> {
    let mut cluster = Cluster::start("start-filled", Storage::Directory).await?;
    create(clock, &cluster, partitions as i32).await?;
    cluster.wait_in_sync(TOPIC, PATIENCE).await?;
    fill(&cluster, mib, partitions)?;
    cluster.wait_in_sync(TOPIC, PATIENCE).await?;
    let mut took = Vec::new();
    for _ in 0..rounds {
        for broker in 0..BROKERS {
            cluster.kill(broker)?;
        }
        drop_caches();
        let started = start_all(clock, &mut cluster)?;
        took.push(first_acknowledged(clock, &cluster, started).await?);
        cluster.wait_ready().await?;
        cluster.wait_in_sync(TOPIC, PATIENCE).await?;
    }
    let what = format!("killed with {mib} MiB in {partitions} partitions on each");
    report(&what, &took)?;
    cluster.finish()
}

/// Starts every broker and says when the last one was.
fn start_all(clock: &SystemClock, cluster: &mut Cluster) -> anyhow::Result<Monotonic> {
    let mut started = Monotonic::default();
    for broker in 0..BROKERS {
        started = clock.monotonic();
        cluster.start_broker(broker)?;
    }
    Ok(started)
}

async fn create(clock: &SystemClock, cluster: &Cluster, partitions: i32) -> anyhow::Result<()> {
    let since = clock.monotonic();
    let topic = NewTopic {
        partitions,
        replication_factor: BROKERS as i16,
        ..NewTopic::new(TOPIC)
    };
    loop {
        // A client that saw nobody yet waits before it asks again; a new one does not.
        let admin = Admin::new(Client::new(&cluster.bootstrap(), Options::default())?);
        let created = tokio::time::timeout(PATIENCE, admin.create_topic(&topic, false)).await;
        match created {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.to_string().contains("exists") => return Ok(()),
            Ok(Err(error)) if clock.monotonic().since(since) > PATIENCE => {
                bail!("no topic: {error}")
            }
            Ok(Err(_)) => tokio::time::sleep(RETRY).await,
            Err(_elapsed) => bail!("no topic after {PATIENCE:?}"),
        }
    }
}

/// How long after `since` the first record is acknowledged by every in-sync replica.
async fn first_acknowledged(
    clock: &SystemClock,
    cluster: &Cluster,
    since: Monotonic,
) -> anyhow::Result<Duration> {
    loop {
        let taken = tokio::time::timeout(TRY, try_once(cluster)).await;
        let waited = clock.monotonic().since(since);
        match taken {
            Ok(Ok(())) => return Ok(waited),
            Ok(Err(error)) if waited > PATIENCE => bail!("nothing acknowledged: {error:#}"),
            Err(_elapsed) if waited > PATIENCE => bail!("nothing acknowledged"),
            Ok(Err(_)) | Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

async fn try_once(cluster: &Cluster) -> anyhow::Result<()> {
    let client = Client::new(&cluster.bootstrap(), Options::default())?;
    let options = ProducerOptions {
        linger: Duration::ZERO,
        ..ProducerOptions::default()
    };
    let (producer, service) = Producer::new(client, options);
    let record = ProduceRecord {
        topic: TOPIC.to_owned(),
        value: Some(Bytes::from_static(b"first")),
        ..ProduceRecord::default()
    };
    tokio::select! {
        sent = async { anyhow::Ok(producer.send(record).await?.outcome().await?) } => {
            sent?;
            Ok(())
        }
        _ended = service.run() => bail!("the producer ended"),
    }
}

fn fill(cluster: &Cluster, mib: usize, partitions: usize) -> anyhow::Result<()> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/load_producer.py");
    let status = Command::new(python()?)
        .arg(program)
        .args(["--bootstrap", &cluster.bootstrap(), "--topic", TOPIC])
        .args(["--partitions", &partitions.to_string(), "--size", "8192"])
        .args([
            "--bytes",
            &(mib * 1024 * 1024).to_string(),
            "--linger-ms",
            "50",
        ])
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "the client ended: {status}");
    Ok(())
}

/// Has what was read before read from the disk again; without the right to, the figures are those of
/// a machine that kept running.
fn drop_caches() {
    if std::fs::write("/proc/sys/vm/drop_caches", "1").is_err() {
        drop(writeln!(
            std::io::stderr(),
            "the page cache stays: this needs root"
        ));
    }
}

fn report(what: &str, took: &[Duration]) -> anyhow::Result<()> {
    let (p50, max) = (percentile(took, 50), percentile(took, 100));
    let all: Vec<u128> = took.iter().map(Duration::as_millis).collect();
    writeln!(
        std::io::stdout(),
        "{what}: last start to first acknowledged record: median {} ms, max {} ms {all:?}",
        p50.as_millis(),
        max.as_millis()
    )?;
    Ok(())
}
