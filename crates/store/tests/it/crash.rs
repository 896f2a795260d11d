//! A child process that writes until it is killed, and a parent that knows what was acknowledged.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use holdfast_store::{CommitSink, Completed, LogStore};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::model::Model;
use crate::rig::{Rig, options};

const DIR: &str = "HOLDFAST_STORE_CHILD_DIR";
const SEEDS: &str = "HOLDFAST_STORE_CHILD_SEEDS";

/// Tells the parent, one line for each operation, in order.
struct Telling;

impl CommitSink for Telling {
    fn committed(&self, group: &[Completed]) {
        let lines: Vec<_> = group
            .iter()
            .map(|done| format!("synced {}\n", done.token))
            .collect();
        let lines = lines.concat();
        // The parent may be gone; then nobody wants to know.
        let _ = std::io::stdout().write_all(lines.as_bytes());
    }
}

/// The state that the scripts of earlier children led to, with the last one cut after its last
/// surviving operation, and the random numbers of the next script.
fn replay(lives: &[(u64, usize)]) -> Model {
    let mut model = Model::default();
    for (seed, steps) in lives {
        let mut random = StdRng::seed_from_u64(*seed);
        for _ in 0..*steps {
            model.step(&mut random);
        }
    }
    model
}

#[test]
#[ignore = "the child of the crash test; does nothing by itself"]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let lives: Vec<(u64, usize)> = std::env::var(SEEDS)
        .unwrap()
        .split(',')
        .map(|life| {
            let (seed, steps) = life.split_once(':').unwrap();
            (seed.parse().unwrap(), steps.parse().unwrap())
        })
        .collect();
    let ((seed, _), earlier) = lives.split_last().unwrap();
    let mut model = replay(earlier);
    let mut random = StdRng::seed_from_u64(*seed);
    let (store, _) = LogStore::open(options(Path::new(&dir), Arc::new(Telling))).unwrap();
    for token in 1u64.. {
        let op = model.step(&mut random);
        let permit = loop {
            // Few in flight, so that the parent has few states to compare with.
            if store.stats().queued_ops < 100 {
                break store.try_reserve(op.room(), op.bytes()).unwrap();
            }
            std::thread::yield_now();
        };
        store.submit(permit, token, op).unwrap();
    }
}

/// Runs a child for a while, kills it, returns how many operations it said were synced.
fn run_and_kill(dir: &Path, lives: &[(u64, usize)], live_for: Duration) -> usize {
    let seeds: Vec<_> = lives
        .iter()
        .map(|(seed, steps)| format!("{seed}:{steps}"))
        .collect();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(SEEDS, seeds.join(","))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let (mut line, mut synced) = (String::new(), 0);
        while out.read_line(&mut line).unwrap_or(0) > 0 {
            // A line that was cut by the kill tells nothing.
            if let Some(token) = line
                .strip_prefix("synced ")
                .and_then(|l| l.strip_suffix('\n'))
            {
                let token: usize = token.parse().unwrap();
                assert_eq!(token, synced + 1, "completions come in order");
                synced = token;
            }
            line.clear();
        }
        synced
    });
    std::thread::sleep(live_for);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_removed_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut lives: Vec<(u64, usize)> = Vec::new();
    let mut total = 0;
    for life in 0..30 {
        let script = random.random();
        let live_for = Duration::from_millis(random.random_range(20..250));
        lives.push((script, 0));
        let synced = run_and_kill(dir.path(), &lives, live_for);
        let rig = Rig::open(dir.path()).unwrap();
        // The disk holds the state after every acknowledged operation, and after as many of those
        // in flight as there were groups: it must be equal to the model after some number of steps.
        let earlier = lives.len() - 1;
        let mut model = replay(&lives[..earlier]);
        let mut steps = StdRng::seed_from_u64(script);
        for _ in 0..synced {
            model.step(&mut steps);
        }
        let mut survived = synced;
        while let Err(difference) = model.check(&rig.store, &rig.recovered) {
            assert!(
                survived < synced + 300,
                "seed {seed}, life {life}: no state after {synced} steps fits: {difference}"
            );
            model.step(&mut steps);
            survived += 1;
        }
        lives[earlier].1 = survived;
        total += synced;
    }
    assert!(
        total > 500,
        "the children did too little to mean anything: {total} operations"
    );
}
