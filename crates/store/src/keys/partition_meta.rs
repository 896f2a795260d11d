//! Which partition a partition key stands for, and what its owner wants to remember about it.

use holdfast_model::{TopicId, TopicPartition, limits};
use uuid::Uuid;

use super::DecodeError;
use super::fields::Fields;

const VERSION: u8 = 1;

/// The identity of a stored partition. Enough to rebuild the cluster's metadata from the logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionMeta {
    pub(crate) partition: TopicPartition,
    /// The topic's name when the partition was created.
    pub(crate) topic_name: String,
    /// Bytes that only the owner understands; they carry a version of their own.
    pub(crate) owner: Vec<u8>,
}

impl PartitionMeta {
    /// The value's bytes: version, topic id, partition, length of the name, name, owner's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let name = self.topic_name.as_bytes();
        let length = u16::try_from(name.len()).expect("the name was checked when it came in");
        let mut bytes = Vec::with_capacity(23 + name.len() + self.owner.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(self.partition.topic.0.as_bytes());
        bytes.extend_from_slice(&self.partition.partition.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&self.owner);
        bytes
    }

    /// Reads a value.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::versioned("partition meta", bytes, VERSION)?;
        let topic = TopicId(Uuid::from_bytes(fields.array()?));
        let partition = fields.i32()?;
        let length = usize::from(fields.u16()?);
        if length > limits::TOPIC_NAME_LENGTH || partition < 0 {
            return Err(fields.garbage("impossible name or partition"));
        }
        let name = fields.bytes(length)?;
        let topic_name = std::str::from_utf8(name)
            .map_err(|_| fields.garbage("topic name is not UTF-8"))?
            .to_owned();
        let owner = fields.remaining().to_vec();
        Ok(Self {
            partition: TopicPartition { topic, partition },
            topic_name,
            owner,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_survive_encoding(
            topic in any::<u128>(),
            partition in 0..i32::MAX,
            topic_name in "[a-zA-Z0-9._-]{0,249}",
            owner in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let topic = TopicId(Uuid::from_u128(topic));
            let partition = TopicPartition { topic, partition };
            let meta = PartitionMeta { partition, topic_name, owner };
            prop_assert_eq!(PartitionMeta::decode(&meta.encode()), Ok(meta));
        }

        #[test]
        fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..23)) {
            prop_assert!(PartitionMeta::decode(&bytes).is_err());
        }
    }

    #[test]
    fn a_name_longer_than_the_value_is_refused() {
        let topic = TopicId(Uuid::from_u128(1));
        let partition = TopicPartition {
            topic,
            partition: 0,
        };
        let meta = PartitionMeta {
            partition,
            topic_name: "abc".into(),
            owner: vec![],
        };
        let bytes = meta.encode();
        for cut in 0..bytes.len() {
            assert!(PartitionMeta::decode(&bytes[..cut]).is_err());
        }
    }
}
