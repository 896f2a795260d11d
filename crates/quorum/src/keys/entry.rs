//! A log entry, by its index in big-endian order.

use crate::keyspace::{KeyOp, Keyspace};
use crate::node::Entry;
use crate::record;
use crate::storage::Error;

const PREFIX: &[u8] = b"raft/entry/";

fn key(index: u64) -> Vec<u8> {
    [PREFIX, &index.to_be_bytes()].concat()
}

/// Above every entry's key.
fn end() -> Vec<u8> {
    let mut end = PREFIX.to_vec();
    end.extend_from_slice(&[0xff; 9]);
    end
}

/// The write that stores an entry.
pub(crate) fn put(entry: &Entry) -> Result<KeyOp, Error> {
    let key = key(entry.log_id.index);
    let value = record::encode(&key, entry)?;
    Ok(KeyOp::Put { key, value })
}

/// The write that removes every entry from an index on.
pub(crate) fn delete_from(index: u64) -> KeyOp {
    KeyOp::DeleteRange {
        from: key(index),
        until: end(),
    }
}

/// The write that removes every entry up to an index and including it.
pub(crate) fn delete_through(index: u64) -> KeyOp {
    KeyOp::DeleteRange {
        from: key(0),
        until: key(index.saturating_add(1)),
    }
}

/// An entry read, and the bytes that it takes.
pub(crate) struct Stored {
    pub(crate) entry: Entry,
    pub(crate) bytes: usize,
}

/// Up to `limit` entries from an index on; all must be there, one after the other, from `index` or
/// from wherever the log begins above it.
pub(crate) fn scan(
    keyspace: &dyn Keyspace,
    index: u64,
    limit: usize,
) -> Result<Vec<Stored>, Error> {
    let mut stored = Vec::new();
    for (key, value) in keyspace.scan(&key(index), &end(), limit)? {
        stored.push(decode(&key, &value)?);
    }
    for pair in stored.windows(2) {
        let (before, after) = (pair[0].entry.log_id.index, pair[1].entry.log_id.index);
        if before + 1 != after {
            let detail = format!("entry {before} is followed by {after}");
            return Err(Error::damaged("log", detail));
        }
    }
    Ok(stored)
}

fn decode(stored_key: &[u8], value: &[u8]) -> Result<Stored, Error> {
    let index = stored_key
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.try_into().ok());
    let Some(index) = index.map(u64::from_be_bytes) else {
        return Err(Error::damaged("log", format!("bad key {stored_key:?}")));
    };
    let what = format!("log entry {index}");
    let entry: Entry = record::decode(&what, stored_key, value)?;
    if entry.log_id.index != index {
        return Err(Error::damaged(
            what,
            format!("holds entry {}", entry.log_id),
        ));
    }
    Ok(Stored {
        entry,
        bytes: value.len(),
    })
}
