//! Every key and value on disk, one file each. Numbers in keys are big-endian, so that their order
//! is the order of the database; values begin with a version byte.

mod checkpoint;
mod counter;
mod dirty;
mod fields;
mod index_entry;
mod partition_meta;
mod position;
mod record_key;
mod state_key;

pub(crate) use checkpoint::{check, decode_checkpoint, encode_checkpoint};
pub(crate) use counter::{CLAIM_KEY, FORMAT_KEY, NEXT_KEY_KEY, decode_counter, encode_counter};
pub(crate) use dirty::{decode_dirty, encode_dirty};
pub(crate) use index_entry::IndexEntry;
pub(crate) use partition_meta::PartitionMeta;
pub(crate) use position::{decode_position, encode_position};
pub(crate) use record_key::{PartitionKey, RecordKey};
pub(crate) use state_key::{StateKey, StateKind};

/// Why stored bytes could not be read as what their key says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The bytes end early, go on too long, or hold impossible values.
    #[error("{what}: {reason}")]
    Garbage {
        what: &'static str,
        reason: &'static str,
    },
    /// A newer version wrote them.
    #[error("{what}: format version {found} is newer than {supported}")]
    Version {
        what: &'static str,
        found: u32,
        supported: u32,
    },
}

#[cfg(test)]
mod tests;
