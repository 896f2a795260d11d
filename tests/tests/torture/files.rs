//! Files of a broker that are hurt, and disks that something else fills.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_tests::cluster::BROKERS;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::{Fault, Round};

/// What a filler leaves: below the reserve of 64 MiB, and below a quarter of it.
const LEFT_BYTES: u64 = 12 << 20;

/// What a new life of a disk says.
const RENEWED: &str = "the old files are set aside";

/// Lives of one disk that are begun by themselves.
const LIVES: usize = 2;

impl Round {
    /// Something else fills disks below their reserve for a while. Where there is room left, records are taken.
    pub(super) async fn fill(&mut self, brokers: &[usize]) {
        let filler = |n: &usize| {
            let data = self.load.cluster.data_dir(*n);
            data.parent().unwrap().join("filler")
        };
        let fillers: Vec<PathBuf> = brokers.iter().map(filler).collect();
        for path in &fillers {
            let disk = statvfs(path.parent().unwrap()).unwrap();
            let free = disk.f_bavail * disk.f_frsize;
            let file = File::create(path).unwrap();
            let taken = free.saturating_sub(LEFT_BYTES);
            fallocate(&file, FallocateFlags::empty(), 0, taken.max(1)).unwrap();
        }
        tokio::time::sleep(self.chance.millis(3_000..7_000)).await;
        if brokers.len() < BROKERS {
            self.load.progress().await;
        }
        self.load.cluster.check_alive().unwrap();
        for path in &fillers {
            fs::remove_file(path).unwrap();
        }
    }

    /// Damage that only a new life of the disk mends.
    pub(super) async fn renewed(&mut self, n: usize, fault: Fault) -> bool {
        let data = self.load.cluster.data_dir(n);
        let lives = fs::read_dir(&data).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("aside-")
        });
        if lives.count() >= LIVES {
            return false;
        }
        let before = self.load.cluster.said(n, RENEWED).unwrap();
        self.load.cluster.kill(n).unwrap();
        let databases = ["log-0", "meta/meta"];
        let database = databases[self.chance.one_of(2)];
        let ending = match fault {
            Fault::LogDamaged => "log",
            Fault::ManifestDamaged => "MANIFEST",
            _ => "sst",
        };
        let hurt = self.hurt_file(&data.join(database), ending, fault);
        self.load.cluster.start_broker(n).unwrap();
        if !hurt {
            return false;
        }
        for _ in 0..600 {
            if self.load.cluster.said(n, RENEWED).unwrap() > before {
                return true;
            }
            if self.load.cluster.has_ended(n).unwrap() {
                self.load.cluster.start_broker(n).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // A table that nobody reads any more, a torn tail: that was no damage.
        println!("  it went on as it was");
        true
    }

    /// Hurts a file of a folder; false if there is none of the kind.
    pub(super) fn hurt_file(&mut self, folder: &Path, kind: &str, fault: Fault) -> bool {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let is_kind = |path: &PathBuf| {
            path.extension().is_some_and(|end| end == kind)
                || path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(kind))
        };
        let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).filter(is_kind).collect();
        // One that is gone by now was just compacted away.
        files.retain(|path| fs::metadata(path).is_ok_and(|file| file.len() > 512));
        files.sort();
        if files.is_empty() {
            return false;
        }
        let path = &files[self.chance.one_of(files.len())];
        let Ok(file) = File::options().read(true).write(true).open(path) else {
            return false;
        };
        let length = file.metadata().unwrap().len();
        // Not the last tenth of a log: what was not synced there may be torn, and that is no damage.
        let at = self
            .chance
            .one_of(usize::try_from(length / 10 * 8).unwrap()) as u64;
        match fault {
            Fault::ZeroedStopped => file.write_all_at(&[0; 4_096], at).unwrap(),
            Fault::CutOffStopped => file.set_len(at).unwrap(),
            Fault::DeletedStopped => fs::remove_file(path).unwrap(),
            _ => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).unwrap();
                byte[0] ^= 1 << self.chance.one_of(8);
                file.write_all_at(&byte, at).unwrap();
            }
        }
        true
    }
}
