//! A disk that stops at a chosen write, as a crash there would leave it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_quorum::{KeyOp, KeyValue, Keyspace, KeyspaceError};
use holdfast_store::MetaDb;

/// Passes writes through up to the chosen one; nothing gets through after it.
#[derive(Debug)]
pub(crate) struct CrashDisk {
    db: Arc<MetaDb>,
    writes: AtomicU64,
    last: u64,
    /// Whether the last write still reaches the disk; its caller never hears of it.
    keeps_last: bool,
}

impl CrashDisk {
    pub(crate) fn new(db: Arc<MetaDb>, last: u64, keeps_last: bool) -> Arc<Self> {
        Arc::new(Self {
            db,
            writes: AtomicU64::new(0),
            last,
            keeps_last,
        })
    }

    pub(crate) fn crashed(&self) -> bool {
        self.writes.load(Ordering::SeqCst) >= self.last
    }
}

impl Keyspace for CrashDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KeyspaceError> {
        Keyspace::get(&*self.db, key)
    }

    fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<KeyValue>, KeyspaceError> {
        Keyspace::scan(&*self.db, from, until, limit)
    }

    fn last_in(&self, from: &[u8], until: &[u8]) -> Result<Option<KeyValue>, KeyspaceError> {
        Keyspace::last_in(&*self.db, from, until)
    }

    fn write(&self, ops: Vec<KeyOp>) -> Result<(), KeyspaceError> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if number < self.last {
            return Keyspace::write(&*self.db, ops);
        }
        if number == self.last && self.keeps_last {
            Keyspace::write(&*self.db, ops)?;
        }
        Err(KeyspaceError("crashed here by the test".to_owned()))
    }
}
