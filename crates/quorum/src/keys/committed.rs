//! The newest log id known as committed. It may lag behind: it is written along with other writes.

use crate::keyspace::{KeyOp, Keyspace};
use crate::node::LogId;
use crate::record;
use crate::storage::Error;

const KEY: &[u8] = b"raft/committed";

/// The write that sets it.
pub(crate) fn put(value: &LogId) -> Result<KeyOp, Error> {
    Ok(KeyOp::Put {
        key: KEY.to_vec(),
        value: record::encode(KEY, value)?,
    })
}

/// The stored one.
pub(crate) fn get(keyspace: &dyn Keyspace) -> Result<Option<LogId>, Error> {
    let value = keyspace.get(KEY)?;
    value
        .map(|value| record::decode("committed", KEY, &value))
        .transpose()
}
