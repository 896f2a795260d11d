//! A small file beside a database that says which commit group was surely synced.
//!
//! The claims inside the write-ahead log cannot show that the log lost its end exactly between two
//! records. The mark can: it is synced on its own, at most once a second, and a log that ends before
//! it has lost groups that were acknowledged. Two slots are written in turn, so that a power cut
//! during a write leaves the other one.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::Error;

const MAGIC: [u8; 4] = *b"HFm1";

/// Slots lie on different pages, so that one torn page cannot hurt both.
const SLOT_DISTANCE: u64 = 4096;

/// Magic, group, checksum of both.
const SLOT_BYTES: usize = 16;

/// The open mark file.
#[derive(Debug)]
pub(crate) struct DurableMark {
    path: PathBuf,
    file: File,
    group: u64,
    /// Which slot is written next.
    next_slot: u64,
}

impl DurableMark {
    /// Opens the mark of a database, or begins one at group 0 if `fresh` says that the database does
    /// not exist yet. A missing or unreadable mark of an existing database is damage.
    pub(crate) fn open(path: &Path, fresh: bool) -> Result<Self, Error> {
        let exists = path.try_exists().map_err(Error::io("look for", path))?;
        if !exists && !fresh {
            return Err(Error::damaged(path, 0, "the durable mark is missing"));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(!exists)
            .truncate(false)
            .open(path)
            .map_err(Error::io("open", path))?;
        let mut mark = Self {
            path: path.to_owned(),
            file,
            group: 0,
            next_slot: 0,
        };
        let slots = [mark.read(0)?, mark.read(1)?];
        match slots {
            [None, None] if fresh => {
                mark.write(0)?;
                sync_parent(path)?;
            }
            [None, None] => return Err(Error::damaged(path, 0, "no slot of the mark is readable")),
            [first, second] => {
                mark.group = first.max(second).unwrap_or(0);
                mark.next_slot = u64::from(first >= second);
            }
        }
        Ok(mark)
    }

    /// The newest group that is surely synced.
    pub(crate) fn group(&self) -> u64 {
        self.group
    }

    /// Records, synced, that everything up to `group` is synced. Costs nothing if that is known.
    pub(crate) fn record(&mut self, group: u64) -> Result<(), Error> {
        if group > self.group {
            self.write(group)
        } else {
            Ok(())
        }
    }

    fn write(&mut self, group: u64) -> Result<(), Error> {
        let position = self.next_slot * SLOT_DISTANCE;
        self.file
            .write_all_at(&encode(group), position)
            .map_err(Error::io("write", &self.path))?;
        self.file
            .sync_data()
            .map_err(Error::io("sync", &self.path))?;
        self.group = group;
        self.next_slot = 1 - self.next_slot;
        Ok(())
    }

    fn read(&self, slot: u64) -> Result<Option<u64>, Error> {
        let mut bytes = [0; SLOT_BYTES];
        match self.file.read_exact_at(&mut bytes, slot * SLOT_DISTANCE) {
            Ok(()) => Ok(decode(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(Error::io("read", &self.path)(error)),
        }
    }
}

/// Makes a new or renamed file's name durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Error> {
    // A name without a folder is in the present one.
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io("sync", parent))
}

fn encode(group: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    let (body, crc) = bytes.split_at_mut(12);
    let (magic, number) = body.split_at_mut(4);
    magic.copy_from_slice(&MAGIC);
    number.copy_from_slice(&group.to_be_bytes());
    crc.copy_from_slice(&crc32c::crc32c(body).to_be_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<u64> {
    let (body, crc) = bytes.split_at(12);
    let (magic, number) = body.split_at(4);
    let sound = magic == MAGIC && crc == crc32c::crc32c(body).to_be_bytes();
    sound
        .then(|| number.try_into().ok().map(u64::from_be_bytes))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutate;

    fn reopened(path: &Path) -> u64 {
        DurableMark::open(path, false).unwrap().group()
    }

    #[test]
    fn a_relative_name_without_a_folder_can_be_synced() {
        sync_parent(Path::new("d")).unwrap();
    }

    #[test]
    fn the_newest_group_survives_and_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        let mut mark = DurableMark::open(&path, true).unwrap();
        assert_eq!(reopened(&path), 0);
        for group in [3, 4, 9, 7] {
            mark.record(group).unwrap();
        }
        assert_eq!(reopened(&path), 9);
        let mut again = DurableMark::open(&path, false).unwrap();
        again.record(10).unwrap();
        assert_eq!(reopened(&path), 10);
    }

    #[test]
    fn a_torn_slot_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        let mut mark = DurableMark::open(&path, true).unwrap();
        mark.record(5).unwrap();
        mark.record(6).unwrap();
        // Group 6 went to the first slot, 5 to the second.
        mark.file.write_all_at(&[0xff; 8], 4).unwrap();
        assert_eq!(reopened(&path), 5);
        mark.file.write_all_at(&[0xff; 8], SLOT_DISTANCE).unwrap();
        assert!(matches!(
            DurableMark::open(&path, false),
            Err(Error::Damaged { .. })
        ));
    }

    #[test]
    fn a_missing_mark_of_an_existing_database_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let result = DurableMark::open(&dir.path().join("mark"), false);
        assert!(matches!(result, Err(Error::Damaged { .. })));
    }

    #[test]
    fn hostile_bytes_never_panic_a_decoder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        let seeds = [0, 7, u64::MAX].map(|group| encode(group).to_vec());
        mutate::each(&seeds, 4_000, |bytes| {
            let slot = bytes.first_chunk::<SLOT_BYTES>();
            let group = slot.and_then(decode);
            if let (Some(slot), Some(group)) = (slot, group) {
                assert_eq!(encode(group), *slot);
            }
            std::fs::write(&path, bytes).unwrap();
            match DurableMark::open(&path, false) {
                Ok(mark) => assert_eq!(Some(mark.group()), group),
                Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{error}"),
            }
        });
    }
}
