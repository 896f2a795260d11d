//! Reading the log: from memory where it reaches, else from disk.

use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::RaftLogReader;

use super::{LogStore, SCAN};
use crate::keys;
use crate::node::{Entry, LogId, RaftTypes, StorageError};
use crate::storage::{Error, blocking};

impl LogStore {
    /// The id of the entry at an index; none if it was purged before it was asked for.
    pub(super) async fn id_at(&self, index: u64) -> Result<Option<LogId>, Error> {
        if let Some(purged) = self.inner.state.lock().purged
            && index <= purged.index
        {
            return Ok((index == purged.index).then_some(purged));
        }
        let entries = self.read(index, index + 1, usize::MAX).await?;
        Ok(entries.first().map(|entry| entry.log_id))
    }

    /// The entries from `start` on, below `end`, that the log holds: at least one if there are any,
    /// further ones as long as they fit `max_bytes`.
    pub(super) async fn read(
        &self,
        start: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, Error> {
        let range = self.range();
        let start = start.max(range.start);
        let end = end.min(range.end);
        if start >= end {
            return Ok(Vec::new());
        }
        let recent = self.inner.state.lock().recent.read(start, end, max_bytes);
        if let Some(entries) = recent {
            return Ok(entries);
        }
        let keyspace = Arc::clone(&self.inner.keyspace);
        let entries = blocking(move || {
            let mut entries = Vec::new();
            let mut bytes = 0;
            let mut next = start;
            while next < end {
                let limit = usize::try_from(end - next).unwrap_or(SCAN).min(SCAN);
                let stored = keys::entry::scan(&*keyspace, next, limit)?;
                if stored
                    .first()
                    .is_none_or(|first| first.entry.log_id.index != next)
                {
                    return Ok((entries, Some(next)));
                }
                for stored in stored {
                    bytes += stored.bytes;
                    if bytes > max_bytes && !entries.is_empty() {
                        return Ok((entries, None));
                    }
                    next = stored.entry.log_id.index + 1;
                    entries.push(stored.entry);
                }
            }
            Ok((entries, None))
        });
        let (entries, missing) = entries.await?;
        // A purge or truncation may have run meanwhile; a hole in what the log still holds is not
        // explained by that.
        if let Some(missing) = missing
            && self.range().contains(&missing)
        {
            return Err(Error::damaged("log", format!("entry {missing} is missing")));
        }
        Ok(entries)
    }
}

impl RaftLogReader<RaftTypes> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let start = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        self.read(start, end, usize::MAX)
            .await
            .map_err(Error::reading)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, StorageError> {
        self.read(start, end, self.inner.append_bytes)
            .await
            .map_err(Error::reading)
    }
}
