//! The store on RocksDB, as a subject of the histories. A power cut leaves of the write-ahead log what was
//! synced, and of what was being written any part, with anything behind it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_model::{BatchInfo, Offset};
use holdfast_store::{Op, Options};
use rand::{Rng as _, rngs::StdRng};
use tempfile::TempDir;

use crate::histories::Subject;
use crate::model::Found;
use crate::rig::{Rig, files, partition};

pub(crate) struct RocksDisk {
    dir: TempDir,
    rig: Option<Rig>,
}

impl RocksDisk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rig = Some(open(dir.path()));
        Self { dir, rig }
    }

    fn submit(&mut self, ops: &[Op]) {
        let rig = self.rig.as_mut().unwrap();
        let tokens: Vec<u64> = ops
            .iter()
            .map(|op| rig.submit(op.clone()).unwrap())
            .collect();
        if let Some(last) = tokens.last() {
            rig.wait(*last);
        }
    }

    /// The disks that a power cut may leave while these operations are written, each once, by how many bytes of
    /// the write-ahead log survive: all of them, and every so many.
    pub(crate) fn cuts_during(&mut self, ops: &[Op], positions: u64) -> Vec<(bool, RocksDisk)> {
        let before = Tail::of(self.dir.path());
        self.submit(ops);
        let after = Tail::of(self.dir.path());
        let from = before.length_in(&after);
        let step = ((after.length - from) / positions).max(1);
        let mut kept: Vec<u64> = (from..after.length).step_by(step as usize).collect();
        kept.push(after.length);
        let cuts = kept.into_iter().map(|bytes| {
            let dir = copy(self.dir.path());
            after.cut(dir.path(), bytes, &[]);
            (bytes == after.length, RocksDisk { dir, rig: None })
        });
        cuts.collect()
    }
}

/// The durable mark is written once, at the start: it must not say of a cut that the disk lost what it had synced.
fn open(path: &Path) -> Rig {
    let seldom = |options| Options {
        mark_interval: Duration::from_hours(1),
        ..options
    };
    Rig::open_with(path, seldom).unwrap()
}

/// The write-ahead log that is written to.
struct Tail {
    name: PathBuf,
    length: u64,
}

impl Tail {
    fn of(path: &Path) -> Self {
        let newest = files(path, "log").pop().unwrap();
        Self {
            length: fs::metadata(&newest).unwrap().len(),
            name: newest.file_name().unwrap().into(),
        }
    }

    /// How much of a later tail was there already.
    fn length_in(&self, later: &Self) -> u64 {
        if self.name == later.name {
            self.length
        } else {
            0
        }
    }

    /// Leaves so many bytes on a copy, and what is torn behind them.
    fn cut(&self, path: &Path, bytes: u64, torn: &[u8]) {
        let file = path.join("log-0").join(&self.name);
        let file = File::options().write(true).open(file).unwrap();
        file.set_len(bytes).unwrap();
        file.write_all_at(torn, bytes).unwrap();
    }
}

/// The files as they are now, while the store is open.
fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_folder(from, to.path());
    to
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

impl Subject for RocksDisk {
    fn sync(&mut self, ops: &[Op]) {
        self.submit(ops);
    }

    fn cut_power_during(&mut self, ops: &[Op], random: &mut StdRng) {
        let before = Tail::of(self.dir.path());
        self.submit(ops);
        let after = Tail::of(self.dir.path());
        let from = before.length_in(&after);
        let bytes = random.random_range(from..=after.length);
        let mut torn = vec![0; random.random_range(0..=after.length - bytes) as usize];
        if random.random() {
            random.fill(&mut torn[..]);
        }
        let dir = copy(self.dir.path());
        after.cut(dir.path(), bytes, &torn);
        *self = RocksDisk { dir, rig: None };
    }

    fn open(&mut self) -> BTreeMap<i32, Found> {
        self.rig = None;
        let rig = self.rig.insert(open(self.dir.path()));
        let found = rig.recovered.iter().map(|one| {
            let read = rig
                .store
                .read(one.partition, one.log_start, one.log_end, usize::MAX);
            let batches = read.unwrap().iter().map(|batch| batch.info).collect();
            let found = Found {
                start: one.log_start,
                end: one.log_end,
                high_watermark: one.high_watermark,
                batches,
            };
            (one.partition.partition, found)
        });
        found.collect()
    }

    fn read(&mut self, number: i32, from: i64, to: i64) -> Option<Vec<BatchInfo>> {
        let store = &self.rig.as_ref().unwrap().store;
        let read = store.read(partition(number), Offset(from), Offset(to), usize::MAX);
        Some(read.ok()?.iter().map(|batch| batch.info).collect())
    }
}
