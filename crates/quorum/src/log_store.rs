//! The Raft log and vote on the metadata database.
//!
//! INV-VOTE-SYNCED: a vote or an entry is answered only after the write that holds it was synced.
//! All writes go through one thread in the order of the calls. What cannot be read back exactly as
//! it was written stops the process: a log that lost an entry silently could elect a leader that
//! lacks what others count on.

mod reader;
mod recent;
mod writer;

use std::sync::Arc;

use openraft::RaftLogId;
use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use parking_lot::Mutex;

use crate::keys;
use crate::keyspace::{KeyOp, Keyspace};
use crate::node::{Entry, LogId, RaftTypes, StorageError, Vote};
use crate::storage::Error;
use recent::Recent;
use writer::Writer;

/// Entries read from disk at a time.
const SCAN: usize = 256;

/// The log; clones are readers and writers of the same one.
#[derive(Clone, Debug)]
pub(crate) struct LogStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    keyspace: Arc<dyn Keyspace>,
    writer: Writer,
    append_bytes: usize,
    /// Refuse an entry that does not follow the last one. Off only under openraft's own checks of a
    /// store, which leave holes.
    demands_runs: bool,
    /// A planted bug: a vote is answered before its sync. Only the tests of this module switch it
    /// on, to prove that they would notice.
    answers_votes_early: bool,
    state: Mutex<State>,
}

/// What the disk holds, known without asking it.
#[derive(Debug, Default)]
struct State {
    vote: Option<Vote>,
    purged: Option<LogId>,
    /// The first index held, once there are entries.
    start: u64,
    last: Option<LogId>,
    committed: Option<LogId>,
    /// `committed` is newer than what the disk holds.
    committed_unsaved: bool,
    recent: Recent,
}

impl LogStore {
    /// Opens the log and reads it whole: every checksum, every index. Blocks.
    pub(crate) fn open(keyspace: Arc<dyn Keyspace>, append_bytes: usize) -> Result<Self, Error> {
        let purged = keys::purged::get(&*keyspace)?;
        let mut state = State {
            vote: keys::vote::get(&*keyspace)?,
            committed: keys::committed::get(&*keyspace)?,
            purged,
            start: purged.map_or(0, |id| id.index + 1),
            last: purged,
            ..State::default()
        };
        let mut next = state.start;
        loop {
            let stored = keys::entry::scan(&*keyspace, next, SCAN)?;
            let Some(first) = stored.first() else { break };
            if first.entry.log_id.index != next {
                let detail = format!("entry {next} is missing before {}", first.entry.log_id);
                return Err(Error::damaged("log", detail));
            }
            for stored in stored {
                let id = stored.entry.log_id;
                if Some(id) <= state.last {
                    let detail = format!("entry {id} after {:?}", state.last);
                    return Err(Error::damaged("log", detail));
                }
                state.last = Some(id);
                next = id.index + 1;
                state.recent.push(stored.entry, stored.bytes);
            }
        }
        let writer = Writer::start(Arc::clone(&keyspace))?;
        let state = Mutex::new(state);
        let inner = Inner {
            keyspace,
            writer,
            append_bytes,
            demands_runs: true,
            answers_votes_early: false,
            state,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Whether nothing of any cluster was ever written here.
    pub(crate) fn is_blank(&self) -> bool {
        let state = self.inner.state.lock();
        state.vote.is_none() && state.last.is_none()
    }

    /// The size of the log: the first index held, and the one after the last.
    pub(crate) fn range(&self) -> std::ops::Range<u64> {
        let state = self.inner.state.lock();
        state.start..state.last.map_or(0, |id| id.index + 1)
    }

    async fn write(&self, mut ops: Vec<KeyOp>) -> Result<(), Error> {
        // The committed id costs a sync of its own if it is written alone; it may be older than
        // the truth, so it travels with the next write.
        let committed = {
            let state = self.inner.state.lock();
            state.committed.filter(|_| state.committed_unsaved)
        };
        if let Some(committed) = &committed {
            ops.push(keys::committed::put(committed)?);
        }
        self.inner.writer.write(ops).await?;
        let mut state = self.inner.state.lock();
        if state.committed == committed {
            state.committed_unsaved = false;
        }
        Ok(())
    }

    async fn store_vote(&self, vote: Vote) -> Result<(), Error> {
        let ops = vec![keys::vote::put(&vote)?];
        if self.inner.answers_votes_early {
            drop(self.inner.writer.submit(ops)?);
        } else {
            self.write(ops).await?;
        }
        self.inner.state.lock().vote = Some(vote);
        Ok(())
    }

    async fn store_entries(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let mut last = self.inner.state.lock().last;
        let mut ops = Vec::with_capacity(entries.len() + 1);
        let mut sizes = Vec::with_capacity(entries.len());
        for entry in &entries {
            let follows = last.is_none_or(|last| last.index + 1 == entry.log_id.index);
            if !follows && self.inner.demands_runs {
                let text = format!("entry {} after {last:?}", entry.log_id);
                return Err(Error::Unwritable(text));
            }
            last = Some(*entry.get_log_id());
            let op = keys::entry::put(entry)?;
            let KeyOp::Put { value, .. } = &op else {
                return Err(Error::Unwritable("entry is no put".to_owned()));
            };
            sizes.push(value.len());
            ops.push(op);
        }
        self.write(ops).await?;
        let mut state = self.inner.state.lock();
        // Raft begins at 0; openraft's checks of a store begin anywhere.
        if state.last.is_none() {
            state.start = entries.first().map_or(0, |first| first.log_id.index);
        }
        for (entry, bytes) in entries.into_iter().zip(sizes) {
            state.recent.push(entry, bytes);
        }
        state.last = last;
        Ok(())
    }

    async fn remove_from(&self, log_id: LogId) -> Result<(), Error> {
        let before = match log_id.index.checked_sub(1) {
            Some(index) => self.id_at(index).await?,
            None => None,
        };
        self.write(vec![keys::entry::delete_from(log_id.index)])
            .await?;
        let mut state = self.inner.state.lock();
        state.recent.truncate(log_id.index);
        state.last = before.max(state.purged);
        Ok(())
    }

    async fn remove_through(&self, log_id: LogId) -> Result<(), Error> {
        let ops = vec![
            keys::entry::delete_through(log_id.index),
            keys::purged::put(&log_id)?,
        ];
        self.write(ops).await?;
        let mut state = self.inner.state.lock();
        state.recent.purge(log_id.index);
        state.purged = Some(log_id);
        state.start = log_id.index + 1;
        state.last = state.last.max(Some(log_id));
        Ok(())
    }
}

impl RaftLogStorage<RaftTypes> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<RaftTypes>, StorageError> {
        let state = self.inner.state.lock();
        Ok(LogState {
            last_purged_log_id: state.purged,
            last_log_id: state.last,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.store_vote(*vote).await.map_err(Error::writing)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.inner.state.lock().vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let mut state = self.inner.state.lock();
        if state.committed != committed {
            state.committed = committed;
            state.committed_unsaved = true;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.inner.state.lock().committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<RaftTypes>,
    ) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let entries = entries.into_iter().collect();
        match self.store_entries(entries).await {
            Ok(()) => {
                callback.log_io_completed(Ok(()));
                Ok(())
            }
            Err(error) => {
                callback.log_io_completed(Err(std::io::Error::other(error.to_string())));
                Err(error.writing())
            }
        }
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.remove_from(log_id).await.map_err(Error::writing)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.remove_through(log_id).await.map_err(Error::writing)
    }
}

#[cfg(test)]
mod tests;
