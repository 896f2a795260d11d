//! What brokers say to the controller and to each other, against the bytes of each feature level.

mod level_1;
mod level_2;

use level_2 as newest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::golden_bytes::{Sample, check, write};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

fn sample(name: &'static str, written: Vec<u8>, reread: fn(&[u8]) -> Vec<u8>) -> Sample {
    Sample {
        name,
        written,
        reread,
        grown: 0,
    }
}

/// A value with its fields by name.
fn named<T: Serialize + DeserializeOwned>(name: &'static str, value: &T) -> Sample {
    let written = rmp_serde::to_vec_named(value).expect("encoded");
    sample(name, written, |bytes| {
        let value: T = rmp_serde::from_slice(bytes).expect("readable");
        rmp_serde::to_vec_named(&value).expect("encoded")
    })
}

/// Writes the bytes of the newest level. Run by the last build that knows it, see
/// `tests/versions/README.md`.
#[test]
#[ignore = "writes into the source tree; only for a new feature level"]
fn write_golden() {
    write(CRATE, newest::LEVEL, &newest::samples());
}

#[test]
fn what_level_1_said_is_understood_and_still_said_so() {
    check(CRATE, 1, &level_1::samples());
}

#[test]
fn what_level_2_adds_is_understood_and_still_said_so() {
    check(CRATE, 2, &level_2::samples());
}
