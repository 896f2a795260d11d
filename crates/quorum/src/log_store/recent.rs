//! The newest log entries in memory, so that replication reads no disk.

use std::collections::VecDeque;

use crate::node::Entry;

/// Most entries kept.
const ENTRIES: usize = 4096;

/// Most bytes kept, as written; one entry is kept whatever its size.
const BYTES: usize = 16 * 1024 * 1024;

/// A run of entries without holes that ends at the end of the log.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    entries: VecDeque<(Entry, usize)>,
    bytes: usize,
}

impl Recent {
    pub(crate) fn push(&mut self, entry: Entry, bytes: usize) {
        let next = self.entries.back().map(|(last, _)| last.log_id.index + 1);
        if next.is_some_and(|next| next != entry.log_id.index) {
            self.entries.clear();
            self.bytes = 0;
        }
        self.entries.push_back((entry, bytes));
        self.bytes += bytes;
        while self.entries.len() > ENTRIES || (self.bytes > BYTES && self.entries.len() > 1) {
            self.pop_front();
        }
    }

    /// Forgets every entry from an index on.
    pub(crate) fn truncate(&mut self, from: u64) {
        while self
            .entries
            .back()
            .is_some_and(|(entry, _)| entry.log_id.index >= from)
        {
            if let Some((_, bytes)) = self.entries.pop_back() {
                self.bytes -= bytes;
            }
        }
    }

    /// Forgets every entry up to an index and including it.
    pub(crate) fn purge(&mut self, through: u64) {
        while self
            .entries
            .front()
            .is_some_and(|(entry, _)| entry.log_id.index <= through)
        {
            self.pop_front();
        }
    }

    /// Entries from `start` on, below `end`, as many as `max_bytes` hold and at least one; none if
    /// the run does not reach back to `start`.
    pub(crate) fn read(&self, start: u64, end: u64, max_bytes: usize) -> Option<Vec<Entry>> {
        let first = self.entries.front()?.0.log_id.index;
        let skip = usize::try_from(start.checked_sub(first)?).ok()?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (entry, length) in self.entries.iter().skip(skip) {
            bytes += length;
            let full = bytes > max_bytes && !entries.is_empty();
            if entry.log_id.index >= end || full {
                break;
            }
            entries.push(entry.clone());
        }
        Some(entries)
    }

    fn pop_front(&mut self) {
        if let Some((_, bytes)) = self.entries.pop_front() {
            self.bytes -= bytes;
        }
    }
}
