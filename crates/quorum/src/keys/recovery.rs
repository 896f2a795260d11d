//! The last recovery that was installed on this disk.

use serde::{Deserialize, Serialize};

use crate::keyspace::{KeyOp, Keyspace};
use crate::node::LogId;
use crate::record;
use crate::storage::Error;

const KEY: &[u8] = b"raft/recovery";

/// Written together with the metadata that the recovery installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    /// The recovery generation of the disk from then on.
    pub(crate) generation: u64,
    /// Where the metadata log began anew.
    pub(crate) begins_after: LogId,
}

/// The write that sets it.
pub(crate) fn put(value: &Marker) -> Result<KeyOp, Error> {
    Ok(KeyOp::Put {
        key: KEY.to_vec(),
        value: record::encode(KEY, value)?,
    })
}

/// The stored one.
pub(crate) fn get(keyspace: &dyn Keyspace) -> Result<Option<Marker>, Error> {
    let value = keyspace.get(KEY)?;
    value
        .map(|value| record::decode("recovery", KEY, &value))
        .transpose()
}
