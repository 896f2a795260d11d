//! Measures how long writers wait when the leader of their partitions goes: killed, paused, stopped gracefully, or
//! cut off from the other brokers. The client keeps its defaults.
//!
//! `failover [TRIALS] [kill|pause|stop|drop] [leader|controller|any]`: 100 kills of any broker if not given. A trial is
//! measured from the fault to the first acknowledgement of a record that was handed to the client after it, on
//! the slowest partition that the broker led. Of a controller also the time until a setting is changed is measured.
//! `HOLDFAST_FAILOVER_RESULTS` names a file that runs add their trials to. `drop` cuts what goes from one broker to
//! another, without a word to either, and needs root in a network namespace of its own.

mod results;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use holdfast_client::Client;
use holdfast_client::admin::{Admin, ConfigChange, Resource};
use holdfast_model::{Clock, SystemClock};
use holdfast_tests::chance::Chance;
use holdfast_tests::cluster::{BROKERS, Cluster, Storage};
use holdfast_tests::ledger::{self, Recipe, RunningProducer};
use tokio::task::JoinSet;

use results::{Results, Trial};

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

/// How long a leader is paused, or cut off.
const PAUSE: Duration = Duration::from_secs(5);

/// Between two tries to change a setting, which go on side by side; at most so many.
const NEXT_TRY: Duration = Duration::from_millis(50);
const TRIES: i64 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Pause,
    Stop,
    Drop,
}

/// Which broker is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Any,
    /// One that leads partitions, and not the metadata quorum.
    Leader,
    /// The one that leads the metadata quorum, and partitions too.
    Controller,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let trials = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let fault = match arguments.next().as_deref() {
        None | Some("kill") => Fault::Kill,
        Some("pause") => Fault::Pause,
        Some("stop") => Fault::Stop,
        Some("drop") => Fault::Drop,
        Some(other) => bail!("{other}: kill, pause, stop or drop"),
    };
    let victim = match arguments.next().as_deref() {
        None | Some("any") => Victim::Any,
        Some("leader") => Victim::Leader,
        Some("controller") => Victim::Controller,
        Some(other) => bail!("{other}: leader, controller or any"),
    };
    let file = std::env::var_os("HOLDFAST_FAILOVER_RESULTS").map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(fault, victim, trials, Results::open(file)?))
}

async fn measure(
    fault: Fault,
    victim: Victim,
    trials: usize,
    mut results: Results,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let clock = SystemClock::new();
    let mut chance = Chance::from_environment()?;
    writeln!(out, "HOLDFAST_SEED={}", chance.seed())?;
    let mut cluster = if fault == Fault::Drop {
        Cluster::start_apart("failover", "").await?
    } else {
        Cluster::start("failover", Storage::Directory).await?
    };
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
    for number in 0..trials {
        cluster.wait_in_sync(TOPIC, PATIENCE).await?;
        // At any moment of the clients' and the brokers' timers.
        tokio::time::sleep(RECONNECTED + chance.millis(500..1500)).await;
        let chosen = choose(&cluster, victim, &mut chance, &clock).await?;
        let trial = try_once(&mut cluster, &mut producer, fault, &chosen, &clock).await?;
        writeln!(out, "{number}: broker {}: {trial:?}", chosen.broker)?;
        results.add(&trial)?;
    }
    let ledger = producer.finish().await?;
    let verdict = ledger::audit(cluster.client(), TOPIC, &[ledger]).await?;
    results.report(&mut out)?;
    writeln!(out, "errors at the application: {}", verdict.failed)?;
    verdict.ensure_clean()?;
    cluster.finish()
}

/// The broker that is broken.
struct Chosen {
    broker: usize,
    /// The partitions that it leads.
    led: Vec<i32>,
    is_controller: bool,
}

/// A broker of the kind that is asked for. Whoever came back leads nothing for a while.
async fn choose(
    cluster: &Cluster,
    victim: Victim,
    chance: &mut Chance,
    clock: &SystemClock,
) -> anyhow::Result<Chosen> {
    let begun = clock.monotonic();
    let admin = Admin::new(cluster.client().clone());
    loop {
        let controller = admin.describe_cluster().await?.controller;
        let described = cluster.describe(TOPIC).await?;
        let leaders: BTreeSet<i32> = described.partitions.values().map(|p| p.leader).collect();
        let is_meant = |leader: &i32| match victim {
            Victim::Any => true,
            Victim::Leader => *leader != controller,
            Victim::Controller => *leader == controller,
        };
        let meant: Vec<i32> = leaders.iter().copied().filter(is_meant).collect();
        if !meant.is_empty() {
            let leader = meant[chance.one_of(meant.len())];
            let led = described.partitions.values();
            let led = led.filter(|partition| partition.leader == leader);
            return Ok(Chosen {
                broker: usize::try_from(leader).context("a partition has no leader")?,
                led: led.map(|partition| partition.index).collect(),
                is_controller: leader == controller,
            });
        }
        ensure!(
            clock.monotonic().since(begun) < PATIENCE,
            "no {victim:?} leads any partition: {leaders:?} lead, {controller} is the controller"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn try_once(
    cluster: &mut Cluster,
    producer: &mut RunningProducer,
    fault: Fault,
    chosen: &Chosen,
    clock: &SystemClock,
) -> anyhow::Result<Trial> {
    let Chosen {
        broker,
        ref led,
        is_controller,
    } = *chosen;
    let from = clock.wall_ms();
    match fault {
        Fault::Kill => cluster.kill(broker)?,
        Fault::Pause => cluster.pause(broker)?,
        Fault::Stop => cluster.stop(broker).await?,
        Fault::Drop => cut_off(cluster, broker)?,
    }
    let change = async {
        if !is_controller {
            return anyhow::Ok(None);
        }
        change_a_setting(cluster.client()).await?;
        Ok(Some(clock.wall_ms() - from))
    };
    let (change, first) = tokio::join!(change, producer.wait_acked_since(from, led, PATIENCE));
    let (change, first) = (change?, first?);
    let until = clock.wall_ms();
    match fault {
        Fault::Kill | Fault::Stop => cluster.start_broker(broker)?,
        Fault::Pause | Fault::Drop => {
            let rest = PAUSE.saturating_sub(Duration::from_millis((until - from).unsigned_abs()));
            tokio::time::sleep(rest).await;
        }
    }
    match fault {
        Fault::Kill | Fault::Stop => cluster.wait_ready().await?,
        Fault::Pause => cluster.resume(broker)?,
        Fault::Drop => cluster.mend_links()?,
    }
    // What was sent right before the fault is reported by now.
    producer.wait_progress(PATIENCE).await?;
    let entries = producer.entries()?;
    let gap = led.iter().map(|partition| {
        let acks = entries.acks.get(partition).map_or(&[][..], Vec::as_slice);
        longest_gap(acks.iter().map(|ack| ack.acked_ms), from, until)
    });
    Ok(Trial {
        fault: format!("{fault:?}").to_lowercase(),
        victim: if is_controller {
            "controller"
        } else {
            "leader"
        },
        first,
        gap: gap.max().unwrap_or_default(),
        change: change.map(|ms| Duration::from_millis(ms.unsigned_abs())),
    })
}

/// Nothing goes to or comes from the other brokers; clients reach it.
fn cut_off(cluster: &Cluster, broker: usize) -> anyhow::Result<()> {
    for other in (0..BROKERS).filter(|other| *other != broker) {
        cluster.cut_link(broker, other)?;
        cluster.cut_link(other, broker)?;
    }
    Ok(())
}

/// Asks one broker after the other, without waiting for the answers, until one of them says that it is done.
async fn change_a_setting(client: &Client) -> anyhow::Result<()> {
    let mut tries = JoinSet::new();
    for number in 0..TRIES {
        let admin = Admin::new(client.clone());
        let age = (3_600_000_000 + number).to_string();
        tries.spawn(async move {
            let topic = Resource::Topic(TOPIC.to_owned());
            let change = ConfigChange::Set("retention.ms".to_owned(), age);
            admin.alter_configs(&topic, &[change], false).await
        });
        let next = tokio::time::Instant::now() + NEXT_TRY;
        // Those that fail are tried again by the next one.
        while let Ok(Some(done)) = tokio::time::timeout_at(next, tries.join_next()).await {
            if let Ok(Ok(())) = done {
                return Ok(());
            }
        }
        tokio::time::sleep_until(next).await;
    }
    bail!("no setting could be changed in {TRIES} tries")
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
