//! Reading batches back, verified.

use bytes::Bytes;
use holdfast_model::{BatchInfo, Offset, TopicPartition};
use rocksdb::{DBPinnableSlice, ErrorKind, ReadOptions, SnapshotWithThreadMode};

use super::families;
use crate::Error;
use crate::batch_header;
use crate::keys::{IndexEntry, PartitionKey, RecordKey};
use crate::synced_db::SyncedDb;

/// Batches looked up together: enough to share the work, few enough to stop soon after `max_bytes`.
const LOOKUP_BATCHES: usize = 64;

/// Most batches of one check, however small they are.
const CHECKED_BATCHES: usize = 16 * 1024;

/// One batch as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// What the index says of it.
    pub info: BatchInfo,
    /// The batch, byte for byte as it was appended.
    pub bytes: Bytes,
}

/// What a check of a part of a log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Batches that cannot be read, or are not what the index says, in order.
    pub damaged: Vec<BatchInfo>,
    /// Bytes of all batches that were looked at.
    pub bytes: u64,
    /// Where the next check goes on; none if this one reached the end.
    pub next: Option<Offset>,
}

/// Reads one partition as of one moment: a truncation that comes meanwhile changes nothing.
pub(super) struct Reader<'a> {
    db: &'a SyncedDb,
    snapshot: SnapshotWithThreadMode<'a, rocksdb::DB>,
    partition: TopicPartition,
    key: PartitionKey,
}

impl<'a> Reader<'a> {
    pub(super) fn new(db: &'a SyncedDb, partition: TopicPartition, key: PartitionKey) -> Self {
        Self {
            db,
            snapshot: db.db().snapshot(),
            partition,
            key,
        }
    }

    pub(super) fn batches(
        &self,
        from: Offset,
        up_to: Offset,
        max_bytes: usize,
    ) -> Result<Vec<StoredBatch>, Error> {
        let mut wanted = Vec::new();
        let mut total = 0usize;
        self.scan(from, up_to, |entry| {
            total = total.saturating_add(entry.info.size as usize);
            if !wanted.is_empty() && total > max_bytes {
                return false;
            }
            wanted.push(entry.info);
            total < max_bytes
        })?;
        let mut batches = Vec::with_capacity(wanted.len());
        for infos in wanted.chunks(LOOKUP_BATCHES) {
            for (info, found) in infos.iter().zip(self.look_up(infos, true)) {
                match self.verified(info, found) {
                    Ok(batch) => batches.push(batch),
                    // What came before the damage is whole and may be served.
                    Err(_) if !batches.is_empty() => return Ok(batches),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(batches)
    }

    /// Reads and verifies batches and keeps none of them.
    pub(super) fn check(
        &self,
        from: Offset,
        up_to: Offset,
        max_bytes: u64,
    ) -> Result<Checked, Error> {
        let (mut wanted, mut bytes, mut next) = (Vec::new(), 0, None);
        self.scan(from, up_to, |entry| {
            if bytes >= max_bytes || wanted.len() == CHECKED_BATCHES {
                next = Some(entry.info.base_offset);
                return false;
            }
            bytes += u64::from(entry.info.size);
            wanted.push(entry.info);
            true
        })?;
        let mut damaged = Vec::new();
        for infos in wanted.chunks(LOOKUP_BATCHES) {
            for (info, found) in infos.iter().zip(self.look_up(infos, false)) {
                match self.verified(info, found) {
                    Ok(_whole) => {}
                    Err(error @ Error::DamagedBatch { .. }) => {
                        tracing::error!(%error, "a check found damage");
                        damaged.push(*info);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Checked {
            damaged,
            bytes,
            next,
        })
    }

    pub(super) fn entries(
        &self,
        from: Offset,
        up_to: Offset,
        limit: usize,
    ) -> Result<Vec<BatchInfo>, Error> {
        let mut entries = Vec::new();
        if limit > 0 {
            self.scan(from, up_to, |entry| {
                entries.push(entry.info);
                entries.len() < limit
            })?;
        }
        Ok(entries)
    }

    pub(super) fn bytes(&self) -> Result<u64, Error> {
        let mut total = 0;
        self.scan(Offset::ZERO, Offset(i64::MAX), |entry| {
            total += u64::from(entry.info.size);
            true
        })?;
        Ok(total)
    }

    /// Calls `visit` for each entry from the one that holds `from` on, until it says false.
    fn scan(
        &self,
        from: Offset,
        up_to: Offset,
        mut visit: impl FnMut(&IndexEntry) -> bool,
    ) -> Result<(), Error> {
        let from = from.max(Offset::ZERO);
        let mut options = self.options();
        options.set_iterate_lower_bound(self.key.first());
        options.set_iterate_upper_bound(self.key.behind());
        let index = self.db.family(families::INDEX);
        let mut entries = self.db.db().raw_iterator_cf_opt(index, options);
        entries.seek_for_prev(self.key.at(from));
        if !entries.valid() {
            entries
                .status()
                .map_err(|error| self.damaged_index(error.to_string()))?;
            entries.seek(self.key.at(from));
        }
        while let Some((key, value)) = entries.item() {
            let entry = RecordKey::decode(key)
                .and_then(|key| IndexEntry::decode(key.base, value))
                .map_err(|error| self.damaged_index(error.to_string()))?;
            if entry.info.base_offset >= up_to {
                break;
            }
            // The entry before `from` counts only if its batch reaches over it.
            if entry.info.last_offset >= from && !visit(&entry) {
                break;
            }
            entries.next();
        }
        entries
            .status()
            .map_err(|error| self.damaged_index(error.to_string()))
    }

    /// `keep`: what is read is likely to be read again.
    fn look_up(
        &self,
        infos: &[BatchInfo],
        keep: bool,
    ) -> Vec<Result<Option<DBPinnableSlice<'_>>, rocksdb::Error>> {
        let keys: Vec<_> = infos
            .iter()
            .map(|info| self.key.at(info.base_offset))
            .collect();
        let log = self.db.family(families::LOG);
        let mut options = self.options();
        options.fill_cache(keep);
        self.db
            .db()
            .batched_multi_get_cf_opt(log, &keys, true, &options)
    }

    fn verified(
        &self,
        info: &BatchInfo,
        found: Result<Option<DBPinnableSlice<'_>>, rocksdb::Error>,
    ) -> Result<StoredBatch, Error> {
        let damaged = |reason: String| Error::DamagedBatch {
            partition: self.partition,
            base_offset: info.base_offset,
            reason,
        };
        let value = match found {
            Ok(Some(value)) => value,
            Ok(None) => return Err(damaged("the index names a batch that is not there".into())),
            Err(error) if matches!(error.kind(), ErrorKind::Corruption | ErrorKind::IOError) => {
                return Err(damaged(error.to_string()));
            }
            Err(error) => return Err(Error::rocks("read a batch")(error)),
        };
        batch_header::verify(&value, info).map_err(|what| damaged(format!("{what} is wrong")))?;
        Ok(StoredBatch {
            info: *info,
            bytes: Bytes::copy_from_slice(&value),
        })
    }

    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.snapshot);
        options.set_verify_checksums(true);
        options
    }

    fn damaged_index(&self, reason: String) -> Error {
        Error::DamagedIndex {
            partition: self.partition,
            reason,
        }
    }
}
