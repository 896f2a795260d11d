//! One RocksDB instance whose writes are numbered groups, each synced before it counts.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, WriteBatch, WriteOptions};

use crate::Error;
use crate::claim::Claim;
use crate::durable_mark::DurableMark;
use crate::keys::{CLAIM_KEY, FORMAT_KEY, decode_counter, encode_counter};
use crate::wal;

/// Version of the whole database's layout.
const FORMAT: u64 = 1;

/// How to open one.
pub(crate) struct Opening<'a> {
    pub(crate) path: &'a Path,
    pub(crate) options: &'a rocksdb::Options,
    pub(crate) families: Vec<ColumnFamilyDescriptor>,
    /// The family that holds the claim and the format version.
    pub(crate) state_family: &'static str,
}

/// An open database. Reads may come from any thread; writes come from the one [`Committer`].
pub(crate) struct SyncedDb {
    db: DB,
    path: PathBuf,
    state_family: &'static str,
    synced: AtomicU64,
    mark: Mutex<DurableMark>,
}

/// The only way to write: not cloneable, so that groups have one order.
#[derive(Debug)]
pub(crate) struct Committer {
    next: u64,
}

/// A group that is being built.
pub(crate) struct Group {
    number: u64,
    pub(crate) batch: WriteBatch,
}

impl SyncedDb {
    /// Opens or creates the database, after its write-ahead log was found sound.
    pub(crate) fn open(opening: Opening<'_>) -> Result<(Self, Committer), Error> {
        let Opening {
            path,
            options,
            families,
            state_family,
        } = opening;
        let current = path.join("CURRENT");
        let fresh = !current
            .try_exists()
            .map_err(Error::io("look for", &current))?;
        let mark = DurableMark::open(&path.with_extension("mark"), fresh)?;
        if fresh && mark.group() > 0 {
            let (path, durable) = (path.to_owned(), mark.group());
            return Err(Error::LostSyncedWrites {
                path,
                recovered: 0,
                durable,
            });
        }
        let scanned = if fresh {
            wal::Scan::default()
        } else {
            wal::scan(path)?
        };
        let scanned_group = scanned.last_group.unwrap_or(0);
        // Before anything is cut: what the mark vouches for may be needed to repair this log.
        if scanned.last_group.is_some_and(|group| group < mark.group()) {
            let (recovered, durable) = (scanned_group, mark.group());
            return Err(Error::LostSyncedWrites {
                path: path.to_owned(),
                recovered,
                durable,
            });
        }
        if let Some(torn) = &scanned.torn {
            tracing::info!(path = %torn.path.display(), keep = torn.keep, reason = torn.reason,
                "cutting the torn tail of the write-ahead log");
            wal::cut(torn)?;
        }
        let db = DB::open_cf_descriptors(options, path, families).map_err(Error::rocks("open"))?;
        let opened = Self {
            db,
            path: path.to_owned(),
            state_family,
            synced: AtomicU64::new(0),
            mark: Mutex::new(mark),
        };
        let recovered = opened.recovered_group()?;
        let durable = opened.mark.lock().group().max(scanned_group);
        if recovered < durable {
            return Err(Error::LostSyncedWrites {
                path: path.to_owned(),
                recovered,
                durable,
            });
        }
        opened.synced.store(recovered, Ordering::Release);
        let mut committer = Committer {
            next: recovered + 1,
        };
        opened.check_format(&mut committer)?;
        // Everything recovered was read back, so it is on disk: make the mark say so.
        opened.record_mark()?;
        Ok((opened, committer))
    }

    /// The database itself, for reading.
    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    /// A column family that was named when the database was opened.
    pub(crate) fn family(&self, name: &'static str) -> &ColumnFamily {
        self.db
            .cf_handle(name)
            .expect("open creates every family that it was given")
    }

    /// The newest synced group.
    pub(crate) fn synced_group(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Writes the newest synced group to the mark file, synced, if it moved.
    pub(crate) fn record_mark(&self) -> Result<(), Error> {
        let group = self.synced_group();
        self.mark.lock().record(group)
    }

    /// Fails if RocksDB met an error that it did not report to a writer.
    pub(crate) fn check_background(&self) -> Result<(), Error> {
        let number = |name| {
            let value = self
                .db
                .property_int_value(name)
                .map_err(Error::rocks("read a property"));
            value.map(Option::unwrap_or_default)
        };
        let errors = number(rocksdb::properties::BACKGROUND_ERRORS)?;
        // Stopped writes alone are back-pressure: they go on when a flush is through.
        let stopped = number(rocksdb::properties::IS_WRITE_STOPPED)? != 0;
        if errors == 0 {
            Ok(())
        } else {
            // It says why to whoever wants to write. Nothing is written: the log holds groups only.
            let cause = self.db.write_without_wal(WriteBatch::default()).err();
            Err(Error::Background {
                errors,
                stopped,
                cause,
            })
        }
    }

    /// Bytes of memtables and block cache. The cache is one for all families.
    pub(crate) fn memory_bytes(&self, families: &[&'static str]) -> Result<u64, Error> {
        let number = |family, name| {
            let value = self.db.property_int_value_cf(self.family(family), name);
            value
                .map(Option::unwrap_or_default)
                .map_err(Error::rocks("read a property"))
        };
        let mut bytes = 0;
        let mut cache = 0;
        for family in families {
            bytes += number(family, rocksdb::properties::CUR_SIZE_ALL_MEM_TABLES)?;
            cache = number(family, rocksdb::properties::BLOCK_CACHE_USAGE)?;
        }
        Ok(bytes + cache)
    }

    fn recovered_group(&self) -> Result<u64, Error> {
        let family = self.family(self.state_family);
        let Some(bytes) = self
            .db
            .get_cf(family, CLAIM_KEY)
            .map_err(Error::rocks("read the claim"))?
        else {
            return Ok(0);
        };
        let claim = Claim::decode(&bytes)
            .ok_or_else(|| Error::damaged(&self.path, 0, "the stored claim is no claim"))?;
        Ok(claim.group)
    }

    /// Refuses a newer layout; stamps a database that has none yet.
    fn check_format(&self, committer: &mut Committer) -> Result<(), Error> {
        let family = self.family(self.state_family);
        let found = self
            .db
            .get_cf(family, FORMAT_KEY)
            .map_err(Error::rocks("read the format"))?;
        let Some(bytes) = found else {
            if committer.next != 1 {
                return Err(Error::damaged(
                    &self.path,
                    0,
                    "the format version is missing",
                ));
            }
            let mut group = committer.begin(0);
            group
                .batch
                .put_cf(family, FORMAT_KEY, encode_counter(FORMAT));
            return committer.commit(self, group).map(drop);
        };
        let found = decode_counter(&bytes)
            .map_err(|error| Error::damaged(&self.path, 0, error.to_string()))?;
        if found > FORMAT {
            return Err(Error::UnsupportedFormat {
                what: "database",
                found: u32::try_from(found).unwrap_or(u32::MAX),
                supported: FORMAT as u32,
            });
        }
        Ok(())
    }
}

impl Committer {
    /// Begins a group of about `bytes` bytes. The claim comes first, where the scan looks for it.
    pub(crate) fn begin(&mut self, bytes: usize) -> Group {
        let mut batch = WriteBatch::with_capacity_bytes(bytes + 128);
        batch.put_log_data(
            Claim {
                group: self.next,
                synced_through: self.next - 1,
            }
            .encode(),
        );
        Group {
            number: self.next,
            batch,
        }
    }

    /// Writes and syncs a group; returns its number. After an error nothing may be written any more.
    pub(crate) fn commit(&mut self, db: &SyncedDb, mut group: Group) -> Result<u64, Error> {
        let claim = Claim {
            group: group.number,
            synced_through: group.number - 1,
        };
        group
            .batch
            .put_cf(db.family(db.state_family), CLAIM_KEY, claim.encode());
        let mut options = WriteOptions::default();
        options.set_sync(true);
        db.db
            .write_opt(group.batch, &options)
            .map_err(Error::rocks("write and sync a group"))?;
        db.synced.store(group.number, Ordering::Release);
        self.next = group.number + 1;
        Ok(group.number)
    }
}

impl std::fmt::Debug for SyncedDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncedDb")
            .field("path", &self.path)
            .field("synced", &self.synced_group())
            .finish_non_exhaustive()
    }
}
