//! A small ordered map from bytes to bytes, every write synced: for the quorum's log and vote.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_model::{Clock, Monotonic};
use parking_lot::Mutex;
use rocksdb::ReadOptions;

use crate::log_store::FatalHook;
use crate::synced_db::{Committer, Opening, SyncedDb};
use crate::{Error, abort_process, tuning};

const DATA: &str = "data";
const STATE: &str = "state";

/// The durable mark costs a sync of its own, so it follows at this distance.
const MARK_INTERVAL: Duration = Duration::from_secs(1);

/// A key and its value.
pub type MetaEntry = (Vec<u8>, Vec<u8>);

/// How to open the metadata database.
#[derive(Clone)]
pub struct MetaOptions {
    /// The data directory; the database lives in `meta` under it.
    pub path: PathBuf,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who hears of fatal errors.
    pub fatal: FatalHook,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaOp {
    /// Sets the value of a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// Its new value.
        value: Vec<u8>,
    },
    /// Removes a key, if it is there.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
    /// Removes every key from `from` up to but not including `to`.
    DeleteRange {
        /// The first key to go.
        from: Vec<u8>,
        /// The first key to stay.
        to: Vec<u8>,
    },
}

/// The metadata database. Every method blocks on the disk.
#[derive(Debug)]
pub struct MetaDb {
    db: SyncedDb,
    writing: Mutex<Writing>,
    failed: AtomicBool,
    options: MetaOptions,
}

#[derive(Debug)]
struct Writing {
    committer: Committer,
    marked: Monotonic,
}

impl MetaOptions {
    /// Production defaults for a data directory.
    pub fn new(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self {
            path: path.into(),
            clock,
            fatal: Arc::new(abort_process),
        }
    }
}

impl MetaDb {
    /// Opens or creates the database under the data directory of `options`.
    ///
    /// # Errors
    /// As for [`crate::LogStore::open`]; all are fatal.
    pub fn open(options: MetaOptions) -> Result<Self, Error> {
        let path = options.path.join("meta");
        std::fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        let (db, committer) = SyncedDb::open(Opening {
            path: &path,
            options: &tuning::meta_database(),
            families: tuning::meta_families(DATA, STATE),
            state_family: STATE,
        })?;
        let writing = Mutex::new(Writing {
            committer,
            marked: options.clock.monotonic(),
        });
        Ok(Self {
            db,
            writing,
            failed: AtomicBool::new(false),
            options,
        })
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.watched(
            self.db
                .db()
                .get_cf(self.db.family(DATA), key)
                .map_err(Error::rocks("read")),
        )
    }

    /// Keys and values from `from` up to but not including `to`, ascending, at most `limit`.
    pub fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<MetaEntry>, Error> {
        let mut entries = self.entries(from, to);
        let mut found = Vec::new();
        entries.seek_to_first();
        while found.len() < limit
            && let Some((key, value)) = entries.item()
        {
            found.push((key.to_vec(), value.to_vec()));
            entries.next();
        }
        self.watched(entries.status().map_err(Error::rocks("scan")))?;
        Ok(found)
    }

    /// The last key from `from` up to but not including `to`, and its value.
    pub fn last_in(&self, from: &[u8], to: &[u8]) -> Result<Option<MetaEntry>, Error> {
        let mut entries = self.entries(from, to);
        entries.seek_to_last();
        let found = entries
            .item()
            .map(|(key, value)| (key.to_vec(), value.to_vec()));
        self.watched(entries.status().map_err(Error::rocks("scan")))?;
        Ok(found)
    }

    /// Applies all changes, in order, or none; returns once they are synced.
    ///
    /// # Errors
    /// Every error is fatal and was given to the fatal hook; nothing is written any more.
    pub fn write(&self, ops: &[MetaOp]) -> Result<(), Error> {
        if self.failed.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        let mut writing = self.writing.lock();
        let data = self.db.family(DATA);
        let mut group = writing.committer.begin(ops.iter().map(MetaOp::bytes).sum());
        for op in ops {
            match op {
                MetaOp::Put { key, value } => group.batch.put_cf(data, key, value),
                MetaOp::Delete { key } => group.batch.delete_cf(data, key),
                MetaOp::DeleteRange { from, to } => group.batch.delete_range_cf(data, from, to),
            }
        }
        self.watched(self.db.check_background())?;
        self.watched(writing.committer.commit(&self.db, group))?;
        let now = self.options.clock.monotonic();
        if now.since(writing.marked) >= MARK_INTERVAL {
            self.watched(self.db.record_mark())?;
            writing.marked = now;
        }
        Ok(())
    }

    fn entries(&self, from: &[u8], to: &[u8]) -> rocksdb::DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        self.db
            .db()
            .raw_iterator_cf_opt(self.db.family(DATA), options)
    }

    /// Hands an error to the fatal hook: there is none here that a process may survive.
    fn watched<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.failed.store(true, Ordering::Release);
            (self.options.fatal)(error);
        }
        result
    }
}

impl MetaOp {
    fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value } => key.len() + value.len() + 16,
            Self::Delete { key } => key.len() + 16,
            Self::DeleteRange { from, to } => from.len() + to.len() + 16,
        }
    }
}

impl Drop for MetaDb {
    fn drop(&mut self) {
        if !self.failed.load(Ordering::Acquire)
            && let Err(error) = self.db.record_mark()
        {
            (self.options.fatal)(&error);
        }
    }
}

impl std::fmt::Debug for MetaOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetaOptions")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use holdfast_model::SystemClock;

    use super::*;

    fn open(path: &std::path::Path) -> Result<MetaDb, Error> {
        MetaDb::open(MetaOptions::new(path, Arc::new(SystemClock::new())))
    }

    fn put(key: &[u8], value: &[u8]) -> MetaOp {
        MetaOp::Put {
            key: key.to_vec(),
            value: value.to_vec(),
        }
    }

    #[test]
    fn a_batch_is_there_after_a_new_open() {
        let dir = tempfile::tempdir().unwrap();
        {
            let db = open(dir.path()).unwrap();
            db.write(&[put(b"a1", b"x"), put(b"a2", b"y"), put(b"b1", b"z")])
                .unwrap();
            let range = MetaOp::DeleteRange {
                from: b"a2".to_vec(),
                to: b"b".to_vec(),
            };
            db.write(&[range, put(b"a3", b"w")]).unwrap();
        }
        let db = open(dir.path()).unwrap();
        assert_eq!(db.get(b"a2").unwrap(), None);
        let found = db.scan(b"a", b"b", 10).unwrap();
        let expected = [
            (b"a1".to_vec(), b"x".to_vec()),
            (b"a3".to_vec(), b"w".to_vec()),
        ];
        assert_eq!(found, expected);
        assert_eq!(db.scan(b"a", b"c", 1).unwrap().len(), 1);
        assert_eq!(
            db.last_in(b"a", b"b").unwrap(),
            Some((b"a3".to_vec(), b"w".to_vec()))
        );
        assert_eq!(db.last_in(b"c", b"d").unwrap(), None);
    }

    #[test]
    fn an_emptied_write_ahead_log_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        {
            let db = open(dir.path()).unwrap();
            db.write(&[put(b"vote", b"1")]).unwrap();
        }
        for entry in std::fs::read_dir(dir.path().join("meta")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "log") {
                std::fs::File::options()
                    .write(true)
                    .open(&path)
                    .unwrap()
                    .set_len(0)
                    .unwrap();
            }
        }
        assert!(matches!(
            open(dir.path()),
            Err(Error::LostSyncedWrites { durable: 2, .. })
        ));
    }
}
