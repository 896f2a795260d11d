//! Hours of mixed load, with a fault now and then: how often each partition takes records outside of faults, and
//! whether a broker that is never restarted grows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use holdfast_model::{Clock, SystemClock};
use holdfast_tests::chance::Chance;
use holdfast_tests::cluster::Cluster;
use holdfast_tests::ledger;
use holdfast_tests::measure::memory_kib;
use serde_json::json;

use super::{Fault, Round, load, report};

/// What happens, as often as it stands here.
const FAULTS: &[Fault] = &[
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Stop,
    Fault::Pause,
    Fault::PowerOfOne,
    Fault::CutOff,
    Fault::OneWay,
    Fault::CutPair,
    Fault::FlipRunning,
    Fault::FullOfOne,
    Fault::SyncStalls,
    Fault::Settings,
];

/// From the end of a fault to the next one, milliseconds.
const BETWEEN: std::ops::Range<u64> = 20_000..60_000;

/// Records a second and producer: what the disks have room for, for hours.
const RATE: u32 = 240;

/// For how long records are kept: longer than any soak.
const KEEPS: Duration = Duration::from_hours(48);

/// This broker's process lives as long as the soak: faults that end one are for the others.
const SPARED: usize = 2;

/// Clients that read it all, in one group.
const READERS: usize = 2;

/// Where a process is: memory in MiB, open descriptors.
type Size = (u64, u64);

pub(super) async fn soak(minutes: u64, seed: u64, results: Option<&Path>) {
    println!("HOLDFAST_SEED={seed}");
    let clock = SystemClock::new();
    let cluster = Cluster::start_apart("soak", super::SETTINGS).await.unwrap();
    let mut round = Round::on(cluster, Chance::of(seed), RATE, KEEPS).await;
    let readers = Readers::start(&round.load.cluster);
    let begun = clock.wall_ms();
    let until = begun + i64::try_from(minutes * 60_000).unwrap();
    let (mut faults, mut sizes) = (Vec::new(), Vec::new());
    while clock.wall_ms() < until {
        let pause = round.chance.millis(BETWEEN);
        tokio::time::sleep(pause).await;
        round.load.in_sync().await;
        sizes.push(size_of(round.load.cluster.pids()[SPARED]));
        faults.push(fault(&mut round, &clock, begun).await);
    }
    let ended = clock.wall_ms();
    readers.finish();
    let acknowledged = round.load.acknowledged_at().unwrap();
    let (calm, taken) = windows(begun..ended, &faults, &acknowledged);
    let (first, last) = (quarter(&sizes, 0), quarter(&sizes, 3));
    let counts = std::mem::take(&mut round.counts);
    round.mended().await;
    let (records, compared) = round.load.finish_counted().await;
    report(
        results,
        &json!({
            "seed": seed,
            "minutes": (ended - begun) / 60_000,
            "faults": counts,
            "acknowledged": records,
            "batches_compared": compared,
            "windows_outside_faults": calm,
            "windows_with_an_acknowledgement": taken,
            "memory_mib_first_and_last_quarter": [first.0, last.0],
            "descriptors_first_and_last_quarter": [first.1, last.1],
        }),
    );
}

/// One fault; from when to when it lasted, until every partition took records again.
async fn fault(round: &mut Round, clock: &SystemClock, begun: i64) -> (i64, i64) {
    let fault = FAULTS[round.chance.one_of(FAULTS.len())];
    let n = round.chance.one_of(SPARED);
    let from = clock.wall_ms();
    println!("second {}: {fault:?} of broker {n}", (from - begun) / 1_000);
    if round.carry_out(fault, n).await {
        round.count(format!("{fault:?}"), 1);
    }
    round.load.cluster.wait_ready().await.unwrap();
    round.load.progress().await;
    (from, clock.wall_ms())
}

/// Seconds times partitions that no fault touches, and how many of those have an acknowledgement.
fn windows(
    span: std::ops::Range<i64>,
    faults: &[(i64, i64)],
    acknowledged: &BTreeMap<i32, Vec<i64>>,
) -> (usize, usize) {
    let second = |ms: i64| (ms - span.start).div_euclid(1_000);
    let touched: BTreeSet<i64> = faults
        .iter()
        .flat_map(|(from, to)| second(*from)..=second(*to))
        .collect();
    let calm: Vec<i64> = (0..second(span.end))
        .filter(|at| !touched.contains(at))
        .collect();
    let taken = acknowledged.iter().map(|(partition, times)| {
        let seconds: BTreeSet<i64> = times.iter().map(|at| second(*at)).collect();
        let (with, without): (Vec<i64>, Vec<i64>) =
            calm.iter().partition(|at| seconds.contains(*at));
        if !without.is_empty() {
            println!("partition {partition} took nothing in seconds {without:?}");
        }
        with.len()
    });
    (calm.len() * acknowledged.len(), taken.sum())
}

fn size_of(process: u32) -> Size {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    let mib = memory_kib(process).unwrap() / 1024;
    (mib, u64::try_from(descriptors).unwrap())
}

/// The middle of one quarter of what was measured.
fn quarter(sizes: &[Size], which: usize) -> Size {
    let part = &sizes[sizes.len() * which / 4..(sizes.len() * (which + 1)).div_ceil(4)];
    let (mut memory, mut descriptors): (Vec<u64>, Vec<u64>) = part.iter().copied().unzip();
    memory.sort_unstable();
    descriptors.sort_unstable();
    (memory[memory.len() / 2], descriptors[descriptors.len() / 2])
}

/// Clients of librdkafka that read and commit.
struct Readers {
    processes: Vec<Child>,
    logs: Vec<PathBuf>,
}

impl Readers {
    fn start(cluster: &Cluster) -> Self {
        let settings = json!({
            "bootstrap.servers": cluster.bootstrap(),
            "group.id": "readers",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": false,
            "log_level": 0,
        });
        let log = |n| cluster.dir().join(format!("reader-{n}.log"));
        let logs: Vec<PathBuf> = (0..READERS).map(log).collect();
        let start = |log: &PathBuf| {
            let mut command = Command::new(ledger::python().unwrap());
            command.arg(program("group_member.py")).arg(log);
            let command = command.arg(load::TOPIC).arg(settings.to_string());
            command.spawn().unwrap()
        };
        let processes = logs.iter().map(start).collect();
        Self { processes, logs }
    }

    /// Ends them, and looks through what they wrote down.
    fn finish(mut self) {
        for process in &mut self.processes {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        let mut judge = Command::new(ledger::python().unwrap());
        judge.arg(program("group_judge.py")).args(&self.logs);
        assert!(judge.status().unwrap().success(), "the group's members");
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that has ended already is no matter.
            let _gone = process.kill();
        }
    }
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("interop")
        .join(name)
}

#[test]
fn windows_count_what_no_fault_touches() {
    let acknowledged = BTreeMap::from([
        (0, vec![10_100, 11_999, 12_000, 13_500, 14_100]),
        (1, vec![10_100, 14_900]),
    ]);
    let found = windows(10_000..15_000, &[(12_100, 13_400)], &acknowledged);
    // Of seconds 0, 1 and 4 one lacks an acknowledgement of partition 1.
    assert_eq!(found, (6, 5));
}

#[test]
fn a_quarter_is_never_empty() {
    let sizes: Vec<Size> = (1..=6).map(|size| (size, 10 * size)).collect();
    assert_eq!((quarter(&sizes, 0), quarter(&sizes, 3)), ((2, 20), (6, 60)));
    assert_eq!(
        (quarter(&sizes[..1], 0), quarter(&sizes[..1], 3)),
        ((1, 10), (1, 10))
    );
}
