//! Measures what a produced GiB costs the brokers, and what an acknowledgement takes at low load.
//!
//! `produce_cost [MIB] [ROUNDS]`: 1,024 MiB of 1 KiB records and 3 rounds if not given. Each round
//! writes so much to a topic of 100 partitions with three replicas, `acks=all`, and then one record
//! after the other; between the rounds a file on the same disk is written and synced, for
//! comparison. With `HOLDFAST_PERF` set to a file, `perf` records the brokers during the first round.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use holdfast_model::{Clock, SystemClock};
use holdfast_tests::cluster::{Cluster, Storage};
use holdfast_tests::ledger::python;
use holdfast_tests::measure::{cpu, cpu_by_thread, percentile};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const TOPIC: &str = "load";
const PARTITIONS: i32 = 100;
const RECORD_BYTES: usize = 1024;

/// Records written one after the other in a round.
const PACED: usize = 1000;

const MIB: f64 = 1024.0 * 1024.0;
const PATIENCE: Duration = Duration::from_mins(2);

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mib: usize = arguments.next().map_or(Ok(1024), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(mib, rounds))
}

async fn measure(mib: usize, rounds: usize) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let mut cluster = Cluster::start("produce-cost", Storage::Directory).await?;
    cluster.create_topic(TOPIC, PARTITIONS).await?;
    cluster.wait_in_sync(TOPIC, PATIENCE).await?;
    let (mut acked, mut synced) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let perf = Perf::start(&cluster.pids(), round == 0)?;
        load(&mut cluster, mib, round, &mut out).await?;
        drop(perf);
        acked.extend(one_by_one(&cluster)?);
        synced.extend(bare_syncs(cluster.dir())?);
    }
    for (what, times) in [("acknowledged", acked), ("bare fdatasync", synced)] {
        let rank = |percent| percentile(&times, percent).as_micros();
        let (p50, p99, max) = (rank(50), rank(99), rank(100));
        writeln!(
            out,
            "{what}, one at a time: p50 {p50} us, p99 {p99} us, max {max} us"
        )?;
    }
    cluster.finish()
}

/// Writes one round's records, and prints what it cost until every replica has them.
async fn load(
    cluster: &mut Cluster,
    mib: usize,
    round: usize,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let pids = cluster.pids();
    let before = total(&pids)?;
    let threads_before = by_thread(&pids)?;
    let bytes = (mib as f64 * MIB) as usize;
    let seconds = client(cluster, &["--bytes", &bytes.to_string()])?.0;
    cluster.wait_in_sync(TOPIC, PATIENCE).await?;
    let used = total(&pids)? - before;
    let per_gib = used / (mib as f64 / 1024.0);
    let rate = mib as f64 / seconds.as_secs_f64();
    writeln!(
        out,
        "round {round}: {mib} MiB in {seconds:.1?}, {rate:.0} MiB/s; brokers together {used:.1} CPU \
         s, {per_gib:.2} CPU s/GiB"
    )?;
    let mut threads: Vec<(String, f64)> = by_thread(&pids)?
        .into_iter()
        .map(|(name, after)| {
            let before = threads_before.get(&name).copied().unwrap_or_default();
            (name, after - before)
        })
        .filter(|(_, used)| *used >= 0.05)
        .collect();
    threads.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (name, used) in threads {
        writeln!(
            out,
            "    {name}: {used:.2} s, {:.0} %",
            100.0 * used / (per_gib * mib as f64 / 1024.0)
        )?;
    }
    Ok(())
}

fn total(pids: &[u32]) -> anyhow::Result<f64> {
    pids.iter().map(|pid| cpu(*pid)).sum()
}

fn by_thread(pids: &[u32]) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for pid in pids {
        for (name, seconds) in cpu_by_thread(*pid)? {
            *all.entry(name).or_default() += seconds;
        }
    }
    Ok(all)
}

/// The time of each acknowledgement of records sent one after the other.
fn one_by_one(cluster: &Cluster) -> anyhow::Result<Vec<Duration>> {
    let paced = ["--paced", &PACED.to_string(), "--linger-ms", "0"];
    Ok(client(cluster, &paced)?.1)
}

fn client(cluster: &Cluster, what: &[&str]) -> anyhow::Result<(Duration, Vec<Duration>)> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/load_producer.py");
    let output = Command::new(python()?)
        .arg(program)
        .args(["--bootstrap", &cluster.bootstrap(), "--topic", TOPIC])
        .args(["--partitions", &PARTITIONS.to_string()])
        .args(["--size", &RECORD_BYTES.to_string()])
        .args(what)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(
        output.status.success(),
        "the client ended: {}",
        output.status
    );
    let printed: Value = serde_json::from_slice(&output.stdout)?;
    let seconds = |value: &Value| value.as_f64().map(Duration::from_secs_f64);
    let latencies = printed["latencies"].as_array().context("no latencies")?;
    let latencies: Option<Vec<Duration>> = latencies.iter().map(seconds).collect();
    Ok((
        seconds(&printed["seconds"]).context("no seconds")?,
        latencies.context("a latency is no number")?,
    ))
}

/// The time of each `fdatasync` of a file to which as much was appended as a record has.
fn bare_syncs(dir: &Path) -> anyhow::Result<Vec<Duration>> {
    let clock = SystemClock::new();
    let path = dir.join("bare");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(PACED);
    for _ in 0..PACED {
        let begun = clock.monotonic();
        file.write_all(&[7; RECORD_BYTES])?;
        file.sync_data()?;
        times.push(clock.monotonic().since(begun));
    }
    std::fs::remove_file(path)?;
    Ok(times)
}

/// `perf`, while it lives, if it was asked for.
struct Perf(Option<Child>);

impl Perf {
    fn start(pids: &[u32], first: bool) -> anyhow::Result<Self> {
        let Some(file) = std::env::var_os("HOLDFAST_PERF").filter(|_| first) else {
            return Ok(Self(None));
        };
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let child = Command::new("perf")
            .args(["record", "--freq", "499", "--pid", &pids.join(",")])
            .arg("--output")
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start perf")?;
        Ok(Self(Some(child)))
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It ends, and writes its file, when it is interrupted.
            if let Some(id) = Pid::from_raw(child.id().cast_signed())
                && kill_process(id, Signal::INT).is_ok()
            {
                drop(child.wait());
            }
        }
    }
}
