//! The disk's reserve: appends are refused while there is still room for everything else.
//!
//! RocksDB must never meet a full disk: a flush that fails for want of space stops it. So appends
//! end at the reserve, which flushes, deletions, the quorum's log and a restart may use. If something
//! else fills the disk nevertheless, a preallocated file is given up so that deletions can go on.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::{Error, FaultPoint, Faults};

const MIB: u64 = 1024 * 1024;

/// Free space is read again after this many bytes, besides the keeper's regular looks: an eighth of
/// the smallest sensible reserve.
const LOOK_EVERY_BYTES: u64 = 16 * MIB;

/// What is kept free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReserveOptions {
    /// Appends are refused below this many free bytes. At most a tenth of the file system is taken.
    pub reserve_bytes: u64,
    /// Size of the file that is given up when the disk is full. At most a fortieth of the file
    /// system is taken.
    pub headroom_bytes: u64,
    /// The data directory may take at most this much, if set.
    pub quota_bytes: Option<u64>,
}

impl Default for ReserveOptions {
    fn default() -> Self {
        // Four memtables must fit when they are flushed, compactions need as much again.
        Self {
            reserve_bytes: 1024 * MIB,
            headroom_bytes: 256 * MIB,
            quota_bytes: None,
        }
    }
}

/// Watches the free space of the data directory.
#[derive(Debug)]
pub(crate) struct Disk {
    path: PathBuf,
    options: ReserveOptions,
    refusing: AtomicBool,
    available: AtomicU64,
    written: AtomicU64,
    headroom: Mutex<Headroom>,
    faults: Arc<dyn Faults>,
}

#[derive(Debug)]
struct Headroom {
    path: PathBuf,
    file: File,
    held: bool,
}

impl Disk {
    /// Takes the headroom if there is room for it, and looks at the free space.
    pub(crate) fn open(
        path: &Path,
        options: ReserveOptions,
        faults: Arc<dyn Faults>,
    ) -> Result<Self, Error> {
        let total = holdfast_rocks::space(path)
            .map_err(Error::io("read the size of", path))?
            .total;
        let total = options.quota_bytes.unwrap_or(u64::MAX).min(total);
        let options = ReserveOptions {
            reserve_bytes: options.reserve_bytes.min(total / 10),
            headroom_bytes: options.headroom_bytes.min(total / 40),
            ..options
        };
        let headroom_path = path.join("headroom");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&headroom_path)
            .map_err(Error::io("open", &headroom_path))?;
        let length = file
            .metadata()
            .map_err(Error::io("look at", &headroom_path))?
            .len();
        let held = length >= options.headroom_bytes;
        let disk = Self {
            path: path.to_owned(),
            options,
            refusing: AtomicBool::new(false),
            available: AtomicU64::new(0),
            written: AtomicU64::new(0),
            headroom: Mutex::new(Headroom {
                path: headroom_path,
                file,
                held,
            }),
            faults,
        };
        disk.refresh()?;
        Ok(disk)
    }

    /// Refuses an append at the reserve. One atomic load.
    pub(crate) fn admit(&self) -> Result<(), Error> {
        if !self.is_refusing() {
            return Ok(());
        }
        let available = self.available.load(Ordering::Relaxed);
        Err(Error::DiskReserve {
            available,
            reserve: self.options.reserve_bytes,
        })
    }

    /// Free bytes, when it last looked.
    pub(crate) fn available(&self) -> u64 {
        self.available.load(Ordering::Relaxed)
    }

    pub(crate) fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::Relaxed)
    }

    /// Counts what was written, and looks at the disk every so often.
    pub(crate) fn note_written(&self, bytes: u64) -> Result<(), Error> {
        let written = self.written.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if written >= LOOK_EVERY_BYTES.min(self.options.reserve_bytes / 8) {
            self.written.store(0, Ordering::Relaxed);
            self.refresh()?;
        }
        Ok(())
    }

    /// Looks at the disk: refuses or admits appends, gives up or takes back the headroom.
    pub(crate) fn refresh(&self) -> Result<(), Error> {
        let fault = self.faults.at(FaultPoint::BeforeSpaceCheck);
        fault.map_err(Error::io("read the size of", &self.path))?;
        let available = self.look()?;
        self.available.store(available, Ordering::Relaxed);
        let reserve = self.options.reserve_bytes;
        // A little more than the reserve must be free again before appends are admitted, so that
        // they do not flap.
        let comfortable = reserve + reserve / 8;
        if available < reserve {
            if !self.refusing.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    available,
                    reserve,
                    "appends are refused: disk at its reserve"
                );
            }
        } else if available >= comfortable && self.refusing.swap(false, Ordering::Relaxed) {
            tracing::info!(available, reserve, "appends are admitted again");
        }
        self.settle_headroom(available, comfortable)
    }

    fn settle_headroom(&self, available: u64, comfortable: u64) -> Result<(), Error> {
        let mut headroom = self.headroom.lock();
        let bytes = self.options.headroom_bytes;
        if headroom.held && available < self.options.reserve_bytes / 4 {
            headroom
                .file
                .set_len(0)
                .map_err(Error::io("give up", &headroom.path))?;
            headroom.held = false;
            tracing::warn!(
                available,
                bytes,
                "the disk is full: the headroom is given up"
            );
        } else if !headroom.held && available >= comfortable + bytes {
            match holdfast_rocks::preallocate(&headroom.file, bytes) {
                Ok(()) => headroom.held = true,
                // Somebody else was faster; the next look decides again.
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    headroom
                        .file
                        .set_len(0)
                        .map_err(Error::io("give up", &headroom.path))?;
                }
                Err(error) => return Err(Error::io("reserve", &headroom.path)(error)),
            }
        }
        Ok(())
    }

    fn look(&self) -> Result<u64, Error> {
        let space = holdfast_rocks::space(&self.path);
        let free = space
            .map_err(Error::io("read the free space of", &self.path))?
            .available;
        let Some(quota) = self.options.quota_bytes else {
            return Ok(free);
        };
        Ok(free.min(quota.saturating_sub(directory_bytes(&self.path)?)))
    }
}

/// Bytes of all files below a directory. A file that vanishes meanwhile counts nothing.
pub(crate) fn directory_bytes(path: &Path) -> Result<u64, Error> {
    let mut total = 0;
    let mut open = vec![path.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).map_err(Error::io("list", &directory))? {
            let entry = entry.map_err(Error::io("list", &directory))?;
            match entry.metadata() {
                Ok(found) if found.is_dir() => open.push(entry.path()),
                Ok(found) => total += found.len(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("look at", &entry.path())(error)),
            }
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoFaults;

    fn options(quota_bytes: u64) -> ReserveOptions {
        let (reserve_bytes, headroom_bytes) = (64 * 1024, 16 * 1024);
        ReserveOptions {
            reserve_bytes,
            headroom_bytes,
            quota_bytes: Some(quota_bytes),
        }
    }

    #[test]
    fn appends_end_at_the_reserve_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), options(MIB), Arc::new(NoFaults)).unwrap();
        disk.admit().unwrap();
        let big = dir.path().join("big");
        std::fs::write(&big, vec![1; 950 * 1024]).unwrap();
        disk.refresh().unwrap();
        assert!(matches!(disk.admit(), Err(Error::DiskReserve { .. })));
        std::fs::remove_file(&big).unwrap();
        disk.refresh().unwrap();
        disk.admit().unwrap();
    }

    #[test]
    fn the_headroom_is_given_up_on_a_full_disk_and_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), options(MIB), Arc::new(NoFaults)).unwrap();
        let length = || {
            std::fs::metadata(dir.path().join("headroom"))
                .unwrap()
                .len()
        };
        assert_eq!(length(), 16 * 1024);
        let big = dir.path().join("big");
        std::fs::write(&big, vec![1; MIB as usize]).unwrap();
        disk.refresh().unwrap();
        assert_eq!(length(), 0);
        std::fs::remove_file(&big).unwrap();
        disk.refresh().unwrap();
        assert_eq!(length(), 16 * 1024);
    }
}
