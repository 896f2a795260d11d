//! What a log entry carries, and what applying it answers.

use std::fmt;

use bytes::Bytes;
use holdfast_kernel::image::{CHANGE_FORMAT, ChangeBatch};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::storage;

/// A batch of changes in its written form. It stays bytes until it is applied: a broker stores and
/// forwards entries of a newer format than it can apply.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command(Bytes);

/// What became of a proposed batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the changes took effect; false if they were decided on another image version.
    pub applied: bool,
    /// The image version afterwards.
    pub version: u64,
}

/// A command that cannot be applied here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("changes of format {found} in the log, this version knows up to {CHANGE_FORMAT}")]
    Newer { found: u16 },
    #[error("changes cannot be read: {0}")]
    Unreadable(#[from] rmp_serde::decode::Error),
}

impl Error {
    /// What it means for the log that holds the command.
    pub(crate) fn in_the_log(self, what: String) -> storage::Error {
        match self {
            Self::Newer { found } => storage::Error::Newer { what, found },
            Self::Unreadable(error) => storage::Error::damaged(what, error.to_string()),
        }
    }
}

/// Read first: the changes of a newer format need not parse.
#[derive(Deserialize)]
struct Head {
    format: u16,
}

impl Command {
    pub(crate) fn encode(batch: &ChangeBatch) -> Result<Self, rmp_serde::encode::Error> {
        Ok(Self(rmp_serde::to_vec_named(batch)?.into()))
    }

    pub(crate) fn decode(&self) -> Result<ChangeBatch, Error> {
        let head: Head = rmp_serde::from_slice(&self.0)?;
        if head.format > CHANGE_FORMAT {
            return Err(Error::Newer { found: head.format });
        }
        Ok(rmp_serde::from_slice(&self.0)?)
    }

    /// Its size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} bytes)", self.0.len())
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Command;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Command, E> {
        Ok(Command(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Command, E> {
        Ok(Command(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use holdfast_kernel::image::Change;
    use holdfast_model::{BrokerId, TopicId};
    use uuid::Uuid;

    use super::*;
    use crate::mutate;

    #[test]
    fn a_newer_format_is_named_and_garbage_refused() {
        let changes = vec![Change::SetFeatureLevel(1)];
        let batch = ChangeBatch {
            format: CHANGE_FORMAT,
            decided_on: 3,
            changes,
        };
        let command = Command::encode(&batch).expect("encode");
        assert_eq!(command.decode().expect("decode"), batch);

        let newer = ChangeBatch {
            format: CHANGE_FORMAT + 1,
            ..batch
        };
        let newer = Command::encode(&newer).expect("encode");
        assert!(matches!(newer.decode(), Err(Error::Newer { .. })));

        for cut in 0..command.0.len() {
            assert!(
                Command(command.0.slice(..cut)).decode().is_err(),
                "cut at {cut}"
            );
        }
    }
    #[test]
    fn hostile_changes_are_read_or_refused_and_never_panic() {
        let changes = |format: u16, changes: Vec<Change>| {
            let batch = ChangeBatch {
                format,
                decided_on: 3,
                changes,
            };
            Command::encode(&batch).expect("encode").0.to_vec()
        };
        let setting = Change::SetBrokerConfig {
            broker: BrokerId(1),
            key: "key".to_owned(),
            value: Some("value".to_owned()),
        };
        let topic = Change::PutTopic {
            id: TopicId(Uuid::from_u128(7)),
            name: "topic".to_owned(),
            configs: [("retention.ms".to_owned(), "1".to_owned())].into(),
        };
        let seeds = [
            changes(CHANGE_FORMAT, vec![]),
            changes(CHANGE_FORMAT, vec![setting, topic]),
            changes(CHANGE_FORMAT + 1, vec![Change::SetFeatureLevel(1)]),
        ];
        mutate::each(&seeds, 10_000, |bytes| {
            let Ok(batch) = Command(Bytes::copy_from_slice(bytes)).decode() else {
                return;
            };
            let again = Command::encode(&batch).expect("encode").decode();
            assert_eq!(again.expect("decode"), batch);
        });
    }
}
