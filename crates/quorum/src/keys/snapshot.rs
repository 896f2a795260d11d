//! Snapshots of the image: chunks by generation, and a head that names the generation that counts.

use serde::{Deserialize, Serialize};

use crate::keyspace::{KeyOp, Keyspace};
use crate::node::SnapshotMeta;
use crate::record;
use crate::storage::Error;

const HEAD: &[u8] = b"raft/snapshot";
const CHUNKS: &[u8] = b"raft/snapshot-chunk/";

/// Bytes of one chunk; a batch holds one, so that no write stalls the disk for long.
pub(crate) const CHUNK_BYTES: usize = 1024 * 1024;

/// Says which chunks are the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) generation: u64,
    pub(crate) bytes: u64,
    pub(crate) meta: SnapshotMeta,
}

fn chunk_key(generation: u64, chunk: u32) -> Vec<u8> {
    [CHUNKS, &generation.to_be_bytes(), &chunk.to_be_bytes()].concat()
}

/// The first key of a generation.
fn generation_key(generation: u64) -> Vec<u8> {
    [CHUNKS, &generation.to_be_bytes()[..]].concat()
}

/// Above every chunk's key.
fn end() -> Vec<u8> {
    let mut end = CHUNKS.to_vec();
    end.extend_from_slice(&[0xff; 13]);
    end
}

/// The write that stores a chunk.
pub(crate) fn put_chunk(generation: u64, chunk: u32, data: &[u8]) -> KeyOp {
    let key = chunk_key(generation, chunk);
    let value = record::seal(&key, data);
    KeyOp::Put { key, value }
}

/// The writes that make a generation the snapshot and remove the chunks of every other.
pub(crate) fn publish(head: &Head) -> Result<Vec<KeyOp>, Error> {
    Ok(vec![
        KeyOp::Put {
            key: HEAD.to_vec(),
            value: record::encode(HEAD, head)?,
        },
        KeyOp::DeleteRange {
            from: CHUNKS.to_vec(),
            until: generation_key(head.generation),
        },
        KeyOp::DeleteRange {
            from: generation_key(head.generation + 1),
            until: end(),
        },
    ])
}

/// The write that removes every chunk above a generation: what a crash left unpublished.
pub(crate) fn delete_above(generation: u64) -> KeyOp {
    KeyOp::DeleteRange {
        from: generation_key(generation + 1),
        until: end(),
    }
}

/// The stored head.
pub(crate) fn head(keyspace: &dyn Keyspace) -> Result<Option<Head>, Error> {
    let value = keyspace.get(HEAD)?;
    value
        .map(|value| record::decode("snapshot head", HEAD, &value))
        .transpose()
}

/// Appends a chunk's bytes to `data`.
pub(crate) fn read_chunk(
    keyspace: &dyn Keyspace,
    generation: u64,
    chunk: u32,
    data: &mut Vec<u8>,
) -> Result<(), Error> {
    let what = format!("snapshot chunk {generation}/{chunk}");
    let key = chunk_key(generation, chunk);
    let Some(value) = keyspace.get(&key)? else {
        return Err(Error::damaged(what, "missing"));
    };
    data.extend_from_slice(record::open(&what, &key, &value)?);
    Ok(())
}
