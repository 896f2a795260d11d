//! Faults of all kinds, in random order, on a cluster under load, until a budget of minutes is spent. Each round
//! is a cluster of its own; it ends with the audit of every acknowledged record, and with the comparison of what
//! all disks hold.
//!
//! `make torture-disks MINUTES=30` runs it, as root. `HOLDFAST_SEED` repeats the choices of a round, and
//! `FAULTS=Kill,Pause` chooses from those alone.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the run with its place, and the counts are shown"
)]

#[path = "cluster/load.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of `cluster.rs`, which begin and end otherwise"
)]
mod load;

#[path = "torture/clocks.rs"]
mod clocks;
#[path = "torture/disks.rs"]
mod disks;
#[path = "torture/files.rs"]
mod files;
#[path = "torture/links.rs"]
mod links;
#[path = "torture/settings.rs"]
mod settings;
#[path = "torture/soak.rs"]
mod soak;
#[path = "torture/system_calls.rs"]
mod system_calls;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_model::{Clock, SystemClock};
use holdfast_tests::chance::Chance;
use holdfast_tests::cluster::{BROKERS, Cluster};
use holdfast_tests::power;
use serde_json::json;

use crate::load::Load;

/// Faults in one round.
const FAULTS: usize = 14;

/// Small memory, so that records reach blob files, a background check that is never far behind, and a look for
/// what expired twice a second.
const SETTINGS: &str = "memory_budget_bytes = 67108864\nscrub_bytes_per_second = 1073741824\n\
                        retention_check_interval_ms = 500\n";

/// For how long records are kept: a broker that took a jump of its clock for the time would delete them all.
const AN_HOUR: Duration = Duration::from_hours(1);

/// Two rounds of the background check.
const SCRUBBED: Duration = Duration::from_secs(25);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Kill,
    Stop,
    Pause,
    PowerOfAll,
    PowerOfOne,
    KillAll,
    FlipRunning,
    FlipStopped,
    ZeroedStopped,
    CutOffStopped,
    DeletedStopped,
    FullOfOne,
    FullOfAll,
    CallFails,
    SyncStalls,
    CutOff,
    CutOffLeader,
    OneWay,
    CutPair,
    LastStanding,
    ClockJumps,
    Settings,
    DisksSwapped,
    LogDamaged,
    ManifestDamaged,
    TableDamaged,
    DiskWiped,
    DiskRolledBack,
}

/// How often each is chosen.
const MIX: &[(Fault, usize)] = &[
    (Fault::Kill, 20),
    (Fault::Stop, 2),
    (Fault::Pause, 8),
    (Fault::PowerOfAll, 9),
    (Fault::PowerOfOne, 8),
    (Fault::KillAll, 2),
    (Fault::FlipRunning, 5),
    (Fault::FlipStopped, 3),
    (Fault::ZeroedStopped, 5),
    (Fault::CutOffStopped, 5),
    (Fault::DeletedStopped, 5),
    (Fault::FullOfOne, 5),
    (Fault::FullOfAll, 2),
    (Fault::CallFails, 12),
    (Fault::SyncStalls, 4),
    (Fault::CutOff, 5),
    (Fault::CutOffLeader, 8),
    (Fault::OneWay, 8),
    (Fault::CutPair, 5),
    (Fault::LastStanding, 12),
    (Fault::ClockJumps, 9),
    (Fault::Settings, 4),
    (Fault::DisksSwapped, 3),
    (Fault::LogDamaged, 4),
    (Fault::ManifestDamaged, 3),
    (Fault::TableDamaged, 4),
    (Fault::DiskWiped, 3),
    (Fault::DiskRolledBack, 3),
];

/// What is chosen from: all of them, or those that `HOLDFAST_TORTURE_FAULTS` names, with commas between.
fn mix() -> Vec<(Fault, usize)> {
    let Ok(names) = std::env::var("HOLDFAST_TORTURE_FAULTS") else {
        return MIX.to_vec();
    };
    let chosen = names.split(',').map(|name| {
        let is_it = |(fault, _): &&(Fault, usize)| format!("{fault:?}") == name;
        let found = MIX.iter().find(is_it).copied();
        found.unwrap_or_else(|| panic!("{name} is none of {MIX:?}"))
    });
    chosen.collect()
}

fn draw(chance: &mut Chance, mix: &[(Fault, usize)]) -> Fault {
    let all: usize = mix.iter().map(|(_, weight)| weight).sum();
    let mut at = chance.one_of(all);
    for (fault, weight) in mix {
        if at < *weight {
            return *fault;
        }
        at -= weight;
    }
    Fault::Kill
}

/// A cluster that is broken again and again.
struct Round {
    load: Load,
    chance: Chance,
    mix: Vec<(Fault, usize)>,
    counts: BTreeMap<String, u64>,
    /// How long it took until every partition took records again, milliseconds.
    again: Vec<u64>,
    /// The same, from the cut of a link, while it stayed cut.
    under_cut: Vec<u64>,
    /// For how long records are kept, at least.
    keeps: Duration,
    clock: SystemClock,
}

impl Round {
    async fn start(seed: u64) -> Self {
        let cluster = Cluster::start_apart("torture", SETTINGS).await.unwrap();
        Self::on(cluster, Chance::of(seed), load::RATE, AN_HOUR).await
    }

    async fn on(cluster: Cluster, chance: Chance, rate: u32, keeps: Duration) -> Self {
        let round = Self {
            load: Load::at(cluster, rate).await,
            chance,
            mix: mix(),
            counts: BTreeMap::new(),
            again: Vec::new(),
            under_cut: Vec::new(),
            keeps,
            clock: SystemClock::new(),
        };
        round.keep();
        round
    }

    fn count(&mut self, what: String, times: u64) {
        *self.counts.entry(what).or_default() += times;
    }

    /// One fault, and what it takes until every partition takes records again.
    async fn fault(&mut self) {
        // Mostly a cluster that is whole again, else one that lost a member a moment ago.
        if self.chance.percent(75) {
            self.load.in_sync().await;
        }
        tokio::time::sleep(self.chance.millis(200..2_500)).await;
        let fault = draw(&mut self.chance, &self.mix);
        let n = self.chance.one_of(BROKERS);
        // A broker that would give up the last copy of something refuses to, and waits for the others.
        if fault >= Fault::LogDamaged {
            self.load.in_sync().await;
        }
        println!("{fault:?} of broker {n}");
        if !self.carry_out(fault, n).await {
            println!("  there is nothing to hurt yet");
            return;
        }
        self.count(format!("{fault:?}"), 1);
        let begun = self.clock.monotonic();
        self.load.cluster.wait_ready().await.unwrap();
        self.load.progress().await;
        let took = self.clock.monotonic().since(begun).as_millis();
        self.again.push(u64::try_from(took).unwrap());
    }

    /// False if there is nothing of the kind to break.
    async fn carry_out(&mut self, fault: Fault, n: usize) -> bool {
        let data = self.load.cluster.data_dir(n);
        let away = self.chance.millis(0..1_500);
        match fault {
            Fault::Kill => {
                self.load.cluster.kill(n).unwrap();
                tokio::time::sleep(away).await;
                self.load.cluster.start_broker(n).unwrap();
            }
            Fault::Stop => {
                self.load.cluster.stop(n).await.unwrap();
                self.load.cluster.start_broker(n).unwrap();
            }
            Fault::Pause => {
                let length = self.chance.millis(2_000..9_000);
                self.load.cluster.pause(n).unwrap();
                tokio::time::sleep(length).await;
                self.load.cluster.resume(n).unwrap();
            }
            Fault::PowerOfAll => {
                self.load.cluster.cut_power().unwrap();
                self.start_all();
            }
            Fault::PowerOfOne => {
                self.load.cluster.cut_power_of(n).unwrap();
                tokio::time::sleep(away).await;
                self.load.cluster.start_broker(n).unwrap();
            }
            Fault::KillAll => {
                for n in 0..BROKERS {
                    self.load.cluster.kill(n).unwrap();
                }
                self.start_all();
            }
            Fault::FlipRunning => {
                return self.hurt_file(&data.join("log-0"), "blob", fault);
            }
            Fault::FlipStopped
            | Fault::ZeroedStopped
            | Fault::CutOffStopped
            | Fault::DeletedStopped => {
                self.load.cluster.kill(n).unwrap();
                let hurt = self.hurt_file(&data.join("log-0"), "blob", fault);
                self.load.cluster.start_broker(n).unwrap();
                return hurt;
            }
            Fault::FullOfOne => self.fill(&[n]).await,
            Fault::FullOfAll => self.fill(&[0, 1, 2]).await,
            Fault::CallFails => {
                let Some(call) = self.call_fails(n).await else {
                    return false;
                };
                self.count(format!("EIO of {call}"), 1);
            }
            Fault::SyncStalls => self.sync_stalls(n).await,
            Fault::CutOff
            | Fault::CutOffLeader
            | Fault::OneWay
            | Fault::CutPair
            | Fault::LastStanding => self.cut(n, fault).await,
            Fault::LogDamaged | Fault::ManifestDamaged | Fault::TableDamaged => {
                return self.renewed(n, fault).await;
            }
            Fault::ClockJumps => self.clock_jumps(n).await,
            Fault::Settings => {
                let changes = self.settings_change(n).await;
                self.count("changes of settings".to_owned(), changes);
            }
            Fault::DisksSwapped => self.swap(n).await,
            Fault::DiskWiped => self.wipe(n).await,
            Fault::DiskRolledBack => self.roll_back(n).await,
        }
        true
    }

    /// Nothing is broken any more, and the background check has been everywhere.
    async fn mended(&mut self) {
        self.load.cluster.wait_ready().await.unwrap();
        self.load.in_sync().await;
        tokio::time::sleep(SCRUBBED).await;
    }

    fn start_all(&mut self) {
        for n in 0..BROKERS {
            self.load.cluster.start_broker(n).unwrap();
        }
    }
}

fn report(results: Option<&Path>, line: &serde_json::Value) {
    println!("{line}");
    if let Some(path) = results {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// The budget.
fn minutes() -> u64 {
    let minutes = std::env::var("HOLDFAST_TORTURE_MINUTES");
    minutes.map_or(Ok(10), |text| text.parse()).unwrap()
}

/// Where reports go, beside what is printed.
fn results() -> Option<PathBuf> {
    std::env::var_os("HOLDFAST_TORTURE_RESULTS").map(PathBuf::from)
}

#[tokio::test]
#[ignore = "takes as many minutes as it is given; `make soak` runs it"]
async fn hours_of_load_and_faults_lose_nothing_and_are_measured() {
    power::available().unwrap();
    let seed = Chance::from_environment().unwrap().seed();
    soak::soak(minutes(), seed, results().as_deref()).await;
}

#[tokio::test]
#[ignore = "takes as many minutes as it is given; `make torture-disks` runs it"]
async fn faults_of_all_kinds_lose_nothing() {
    power::available().unwrap();
    let (minutes, results) = (minutes(), results());
    let clock = SystemClock::new();
    let begun = clock.monotonic();
    let mut seeds = Chance::from_environment().unwrap();
    let mut seed = seeds.seed();
    while clock.monotonic().since(begun) < Duration::from_secs(minutes * 60) {
        println!("HOLDFAST_SEED={seed}");
        let mut round = Round::start(seed).await;
        for _ in 0..FAULTS {
            round.fault().await;
        }
        round.mended().await;
        let Round {
            load,
            counts,
            mut again,
            mut under_cut,
            ..
        } = round;
        again.sort_unstable();
        under_cut.sort_unstable();
        let (acknowledged, compared) = load.finish_counted().await;
        report(
            results.as_deref(),
            &json!({
                "seed": seed,
                "faults": counts,
                "acknowledged": acknowledged,
                "batches_compared": compared,
                "ms_until_all_take_records": again,
                "ms_until_others_lead": under_cut,
            }),
        );
        seed = seeds.next_seed();
    }
}
