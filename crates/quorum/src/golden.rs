//! What the quorum keeps on disks and says to its members, against the bytes of each feature level.

mod level_1;
mod level_2;

use level_2 as newest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::golden_bytes::{Sample, check, write};
use crate::keyspace::{KeyOp, Keyspace};
use crate::sim_disk::SimDisk;
use crate::storage::Error;
use crate::{payload, record};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

fn sample(name: &'static str, written: Vec<u8>, reread: fn(&[u8]) -> Vec<u8>) -> Sample {
    Sample {
        name,
        written,
        reread,
        grown: 0,
    }
}

/// A message between members.
fn message<T: Serialize + DeserializeOwned>(name: &'static str, value: &T) -> Sample {
    fn reread<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Vec<u8> {
        let value: T = payload::decode(bytes).expect("readable");
        payload::encode(&value).expect("encoded").to_vec()
    }
    let written = payload::encode(value).expect("encoded").to_vec();
    sample(name, written, reread::<T>)
}

/// What a write leaves on a disk: the length of the key, the key, the value.
fn stored(op: KeyOp) -> Vec<u8> {
    let KeyOp::Put { key, value } = op else {
        panic!("not a value");
    };
    let length = u8::try_from(key.len()).expect("short keys");
    [vec![length], key, value].concat()
}

/// A disk on which that lies.
fn disk(bytes: &[u8]) -> std::sync::Arc<SimDisk> {
    let (key, value) = bytes[1..].split_at(bytes[0].into());
    let disk = SimDisk::new();
    let put = KeyOp::Put {
        key: key.to_vec(),
        value: value.to_vec(),
    };
    disk.write(vec![put]).expect("written");
    disk
}

/// A value under a key of its own.
fn under_its_key<T>(
    bytes: &[u8],
    get: fn(&dyn Keyspace) -> Result<Option<T>, Error>,
    put: fn(&T) -> Result<KeyOp, Error>,
) -> Vec<u8> {
    let value = get(&*disk(bytes)).expect("readable").expect("there");
    stored(put(&value).expect("encoded"))
}

/// A value in a frame whose key its caller knows.
fn framed<T: Serialize + DeserializeOwned>(name: &'static str, value: &T) -> Sample {
    const KEY: &[u8] = b"key";
    fn reread<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Vec<u8> {
        let value: T = record::decode("value", KEY, bytes).expect("readable");
        record::encode(KEY, &value).expect("encoded")
    }
    sample(
        name,
        record::encode(KEY, value).expect("encoded"),
        reread::<T>,
    )
}

/// Writes the bytes of the newest level. Run by the last build that knows it, see
/// `tests/versions/README.md`.
#[test]
#[ignore = "writes into the source tree; only for a new feature level"]
fn write_golden() {
    write(CRATE, newest::LEVEL, &newest::samples());
}

#[test]
fn what_level_1_wrote_is_read_and_still_written_so() {
    check(CRATE, 1, &level_1::samples());
}

#[test]
fn what_level_2_adds_is_read_and_still_written_so() {
    check(CRATE, 2, &level_2::samples());
}
