//! The last vote of this disk.

use crate::keyspace::{KeyOp, Keyspace};
use crate::node::Vote;
use crate::record;
use crate::storage::Error;

const KEY: &[u8] = b"raft/vote";

/// The write that sets it.
pub(crate) fn put(value: &Vote) -> Result<KeyOp, Error> {
    Ok(KeyOp::Put {
        key: KEY.to_vec(),
        value: record::encode(KEY, value)?,
    })
}

/// The stored one.
pub(crate) fn get(keyspace: &dyn Keyspace) -> Result<Option<Vote>, Error> {
    let value = keyspace.get(KEY)?;
    value
        .map(|value| record::decode("vote", KEY, &value))
        .transpose()
}
