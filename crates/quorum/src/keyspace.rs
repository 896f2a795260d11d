//! The little that the quorum asks of a disk.

use std::fmt;

use holdfast_store::{MetaDb, MetaOp};

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOp {
    /// Sets a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Removes a key.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
    /// Removes every key from `from` on, below `until`.
    DeleteRange {
        /// The first key removed.
        from: Vec<u8>,
        /// The first key kept.
        until: Vec<u8>,
    },
}

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// A disk's answer that ends the process: nothing written after it can be trusted.
#[derive(Debug, thiserror::Error)]
#[error("metadata database failed: {0}")]
pub struct KeyspaceError(pub String);

/// An ordered map of byte keys whose writes are atomic and on disk when they return. All calls
/// block. [`holdfast_store`]'s metadata database is one; the storage tests have another that loses
/// what was not synced.
pub trait Keyspace: fmt::Debug + Send + Sync + 'static {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KeyspaceError>;

    /// The first `limit` keys from `from` on, below `until`, in order.
    fn scan(&self, from: &[u8], until: &[u8], limit: usize)
    -> Result<Vec<KeyValue>, KeyspaceError>;

    /// The last key from `from` on, below `until`.
    fn last_in(&self, from: &[u8], until: &[u8]) -> Result<Option<KeyValue>, KeyspaceError>;

    /// Applies a batch as a whole, and returns once it is synced.
    fn write(&self, ops: Vec<KeyOp>) -> Result<(), KeyspaceError>;
}

impl From<holdfast_store::Error> for KeyspaceError {
    fn from(error: holdfast_store::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<KeyOp> for MetaOp {
    fn from(op: KeyOp) -> Self {
        match op {
            KeyOp::Put { key, value } => Self::Put { key, value },
            KeyOp::Delete { key } => Self::Delete { key },
            KeyOp::DeleteRange { from, until } => Self::DeleteRange { from, to: until },
        }
    }
}

impl Keyspace for MetaDb {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KeyspaceError> {
        Ok(Self::get(self, key)?)
    }

    fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<KeyValue>, KeyspaceError> {
        Ok(Self::scan(self, from, until, limit)?)
    }

    fn last_in(&self, from: &[u8], until: &[u8]) -> Result<Option<KeyValue>, KeyspaceError> {
        Ok(Self::last_in(self, from, until)?)
    }

    fn write(&self, ops: Vec<KeyOp>) -> Result<(), KeyspaceError> {
        let ops: Vec<MetaOp> = ops.into_iter().map(MetaOp::from).collect();
        Ok(Self::write(self, &ops)?)
    }
}
