//! The messages between brokers and of the admin API, against the bytes of each feature level.

#[path = "golden/level_1.rs"]
mod level_1;
#[path = "golden/level_2.rs"]
mod level_2;

use level_2 as newest;
use prost::Message;

use crate::golden_bytes::{Sample, check, write};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

fn sample<T: Message + Default>(name: &'static str, message: &T) -> Sample {
    Sample {
        name,
        written: message.encode_to_vec(),
        reread: |bytes| T::decode(bytes).expect("readable").encode_to_vec(),
        grown: 0,
    }
}

/// Writes the bytes of the newest level. Run by the last build that knows it, see
/// `tests/versions/README.md`.
#[test]
#[ignore = "writes into the source tree; only for a new feature level"]
fn write_golden() {
    write(CRATE, newest::LEVEL, &newest::samples());
}

#[test]
fn messages_of_level_1_are_read_and_still_written_so() {
    check(CRATE, 1, &level_1::samples());
}

#[test]
fn messages_that_level_2_adds_are_read_and_still_written_so() {
    check(CRATE, 2, &level_2::samples());
}

#[test]
fn a_new_field_of_a_message_is_overlooked() {
    let known = level_1::heartbeat();
    // Field 999, a number.
    let newer = [known.encode_to_vec(), vec![0xb8, 0x3e, 7]].concat();
    let read = holdfast_rpc::proto::HeartbeatRequest::decode(&newer[..]);
    assert_eq!(read.expect("readable"), known);
}
