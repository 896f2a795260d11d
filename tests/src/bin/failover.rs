//! Measures how long writers wait when the leader of their partitions goes: killed, paused, or
//! stopped gracefully. The client keeps its defaults.
//!
//! `failover [TRIALS] [kill|pause|stop]`, 100 kills if not given. A trial is measured from
//! the fault to the first acknowledgement of a record that was handed to the client after it, on
//! the slowest partition that the broker led.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use holdfast_model::{Clock, SystemClock};
use holdfast_tests::chance::Chance;
use holdfast_tests::cluster::{Cluster, Storage};
use holdfast_tests::ledger::{self, Recipe, RunningProducer};
use holdfast_tests::measure::percentile;

const TOPIC: &str = "failover";

/// Each broker leads two.
const PARTITIONS: i32 = 6;

/// Records a second: a record every 10 ms and partition, which is how fine the measure is.
const RATE: u32 = 600;

/// How long a standstill is watched.
const PATIENCE: Duration = Duration::from_mins(1);

/// Between two trials: librdkafka waits up to so long (`reconnect.backoff.max.ms`) before it connects
/// again to a broker that it lost shortly before. Faults in a faster row would measure that.
const RECONNECTED: Duration = Duration::from_secs(10);

/// How long a leader is paused.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Pause,
    Stop,
}

/// The measure of one trial.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// From the fault to the first acknowledgement.
    first: Duration,
    /// The longest time without an acknowledgement on one partition.
    gap: Duration,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let trials = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let fault = match arguments.next().as_deref() {
        None | Some("kill") => Fault::Kill,
        Some("pause") => Fault::Pause,
        Some("stop") => Fault::Stop,
        Some(other) => bail!("{other}: kill, pause or stop"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(fault, trials))
}

async fn measure(fault: Fault, trials: usize) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let mut chance = Chance::from_environment()?;
    writeln!(out, "HOLDFAST_SEED={}", chance.seed())?;
    let mut cluster = Cluster::start("failover", Storage::Directory).await?;
    cluster.create_topic(TOPIC, PARTITIONS).await?;
    let recipe = Recipe {
        name: "writer".to_owned(),
        bootstrap: cluster.bootstrap(),
        topic: TOPIC.to_owned(),
        partitions: PARTITIONS,
        rate: RATE,
        codec: "none",
    };
    let mut producer = RunningProducer::start(cluster.dir(), recipe)?;
    producer.wait_progress(PATIENCE).await?;
    let mut measured = Vec::new();
    for number in 0..trials {
        let (trial, broker) = try_once(&mut cluster, &mut producer, fault, &mut chance).await?;
        let (first, gap) = (trial.first.as_millis(), trial.gap.as_millis());
        writeln!(
            out,
            "{number}: broker {broker}: next acknowledged after {first} ms, gap {gap} ms"
        )?;
        measured.push(trial);
    }
    let ledger = producer.finish().await?;
    let verdict = ledger::audit(cluster.client(), TOPIC, &[ledger]).await?;
    report(&mut out, fault, &measured)?;
    writeln!(out, "errors at the application: {}", verdict.failed)?;
    verdict.ensure_clean()?;
    cluster.finish()
}

async fn try_once(
    cluster: &mut Cluster,
    producer: &mut RunningProducer,
    fault: Fault,
    chance: &mut Chance,
) -> anyhow::Result<(Trial, usize)> {
    let clock = SystemClock::new();
    cluster.wait_in_sync(TOPIC, PATIENCE).await?;
    // At any moment of the clients' and the brokers' timers.
    tokio::time::sleep(RECONNECTED + chance.millis(500..1500)).await;
    let described = cluster.describe(TOPIC).await?;
    let victim = described.partitions[&(chance.one_of(PARTITIONS as usize) as i32)].leader;
    let broker = usize::try_from(victim).context("a partition has no leader")?;
    let led = described.partitions.values().filter(|p| p.leader == victim);
    let led: Vec<i32> = led.map(|p| p.index).collect();
    let from = clock.wall_ms();
    match fault {
        Fault::Kill => cluster.kill(broker)?,
        Fault::Pause => cluster.pause(broker)?,
        Fault::Stop => cluster.stop(broker).await?,
    }
    let first = producer.wait_acked_since(from, &led, PATIENCE).await?;
    let until = clock.wall_ms();
    match fault {
        Fault::Kill | Fault::Stop => {
            cluster.start_broker(broker)?;
            cluster.wait_ready().await?;
        }
        Fault::Pause => {
            let rest = PAUSE.saturating_sub(Duration::from_millis((until - from).unsigned_abs()));
            tokio::time::sleep(rest).await;
            cluster.resume(broker)?;
        }
    }
    // What was sent right before the fault is reported by now.
    producer.wait_progress(PATIENCE).await?;
    let entries = producer.entries()?;
    let gap = led.iter().map(|partition| {
        let acks = entries.acks.get(partition).map_or(&[][..], Vec::as_slice);
        longest_gap(acks.iter().map(|ack| ack.acked_ms), from, until)
    });
    let gap = gap.max().unwrap_or_default();
    Ok((Trial { first, gap }, broker))
}

/// The longest time between two acknowledgements, one of which is within the given time.
fn longest_gap(acked: impl Iterator<Item = i64>, from: i64, until: i64) -> Duration {
    let mut last: Option<i64> = None;
    let mut longest = 0;
    for at in acked {
        if let Some(before) = last.filter(|before| at >= from && *before <= until) {
            longest = longest.max(at - before);
        }
        last = Some(at);
    }
    Duration::from_millis(longest.unsigned_abs())
}

fn report(out: &mut impl Write, fault: Fault, measured: &[Trial]) -> anyhow::Result<()> {
    writeln!(out, "{fault:?}, {} trials:", measured.len())?;
    let first = |trial: &Trial| trial.first;
    let gap = |trial: &Trial| trial.gap;
    let firsts: Vec<Duration> = measured.iter().map(first).collect();
    line(out, "fault to next acknowledged", &firsts)?;
    let gaps: Vec<Duration> = measured.iter().map(gap).collect();
    line(out, "longest gap of a partition", &gaps)
}

fn line(out: &mut impl Write, what: &str, values: &[Duration]) -> anyhow::Result<()> {
    let rank = |percent| percentile(values, percent).as_millis();
    let (p50, p99, max) = (rank(50), rank(99), rank(100));
    writeln!(out, "{what}: p50 {p50} ms, p99 {p99} ms, max {max} ms")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_between_two_acknowledgements_around_the_fault() {
        let acked = [0, 500, 510, 900, 910, 2000];
        assert_eq!(
            longest_gap(acked.into_iter(), 505, 905),
            Duration::from_millis(390)
        );
    }
}
