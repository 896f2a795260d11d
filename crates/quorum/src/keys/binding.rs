//! The one formation attempt to which this disk gave its word.

use serde::{Deserialize, Serialize};

use crate::keyspace::{KeyOp, Keyspace};
use crate::record;
use crate::storage::Error;

const KEY: &[u8] = b"raft/binding";

/// A word once given: never changed, gone only with the disk's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Binding {
    /// The cluster's identity, as big-endian bytes.
    pub(crate) cluster: [u8; 16],
    /// The attempt, drawn at random by the initiator.
    pub(crate) attempt: [u8; 16],
    /// The broker that initiates.
    pub(crate) initiator: i32,
}

/// Writes it, synced.
pub(crate) fn save(keyspace: &dyn Keyspace, binding: &Binding) -> Result<(), Error> {
    let value = record::encode(KEY, binding)?;
    Ok(keyspace.write(vec![KeyOp::Put {
        key: KEY.to_vec(),
        value,
    }])?)
}

/// The stored one.
pub(crate) fn get(keyspace: &dyn Keyspace) -> Result<Option<Binding>, Error> {
    let value = keyspace.get(KEY)?;
    value
        .map(|value| record::decode("formation binding", KEY, &value))
        .transpose()
}
