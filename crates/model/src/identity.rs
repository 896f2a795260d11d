//! Who is who: clusters, brokers, the lives of their disks and processes, topics.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The stable number of a broker, Kafka's `node.id`. Survives restarts and replaced disks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BrokerId(pub i32);

/// The life of one disk: drawn at random by `holdfast format`, never reused. Zero is never drawn.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

/// How often a process started on this disk; synced before the process answers anybody.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StartNumber(pub u64);

/// How often a cluster was recovered from the loss of its voters' majority. Disks of different
/// generations are foreign to each other: the loss may have been less than whoever recovered knew.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RecoveryGeneration(pub u64);

/// Names one registration of one process with the controller: a counter in the cluster image that
/// grows with every registration of any broker.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BrokerEpoch(pub u64);

/// One replica's disk: what ISR, eligible lists, acks and votes name (`protocol-safety` rule 4).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ReplicaId {
    /// The broker.
    pub broker: BrokerId,
    /// The life of its disk.
    pub incarnation: Incarnation,
}

/// The identity of a cluster, drawn once, in the formation document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(pub Uuid);

/// The identity of a topic; a topic deleted and created again under its name gets another.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TopicId(pub Uuid);

/// One partition of one topic.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicId,
    /// The partition's index in it, from 0.
    pub partition: i32,
}

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for StartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for RecoveryGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for BrokerEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.broker, self.incarnation)
    }
}

impl FromStr for ReplicaId {
    type Err = String;

    /// Reads what `Display` writes: `2@5ffeff0285257a55`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no disk; expected its broker and incarnation, as 2@5ffeff0285257a55"
            )
        };
        let (broker, incarnation) = text.split_once('@').ok_or_else(wrong)?;
        let digits = |text: &str, most| text.len() <= most && !text.starts_with(['+', '-']);
        if !digits(broker, 10) || !digits(incarnation, 16) {
            return Err(wrong());
        }
        Ok(Self {
            broker: BrokerId(broker.parse().map_err(|_no| wrong())?),
            incarnation: u64::from_str_radix(incarnation, 16)
                .ok()
                .filter(|drawn| *drawn != 0)
                .map(Incarnation)
                .ok_or_else(wrong)?,
        })
    }
}

/// Kafka prints its identifiers as 22 characters of URL-safe base64 without padding.
fn base64_url(bytes: [u8; 16]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = u128::from_be_bytes(bytes);
    // 128 bits are 21 characters of six bits and a last one of two, shifted to the left.
    let mut text = String::with_capacity(22);
    for index in 0..22u32 {
        let sextet = if index == 21 {
            (value << 4) & 0x3f
        } else {
            (value >> (122 - 6 * index)) & 0x3f
        };
        text.push(char::from(ALPHABET[sextet as usize]));
    }
    text
}

/// Reads what [`base64_url`] writes, and nothing else: spare bits in the last character would make
/// two texts mean one identifier.
fn from_base64_url(text: &str) -> Option<u128> {
    if text.len() != 22 {
        return None;
    }
    let mut value: u128 = 0;
    for (index, byte) in text.bytes().enumerate() {
        let sextet = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        // The last character carries two bits.
        value = if index == 21 {
            if sextet & 0xf != 0 {
                return None;
            }
            (value << 2) | u128::from(sextet >> 4)
        } else {
            (value << 6) | u128::from(sextet)
        };
    }
    Some(value)
}

impl ClusterId {
    /// The id with these bits.
    pub fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }
}

impl FromStr for ClusterId {
    type Err = String;

    /// Kafka's 22 characters, as brokers print the id, or a UUID, as the formation document holds it.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self(id));
        }
        from_base64_url(text)
            .map(Self::from_u128)
            .ok_or_else(|| "expected a cluster id of 22 characters, or a UUID".to_owned())
    }
}
impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64_url(*self.0.as_bytes()))
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64_url(*self.0.as_bytes()))
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_reads_back_as_it_prints() {
        let disk = ReplicaId {
            broker: BrokerId(2),
            incarnation: Incarnation(0x0ffe_ff02_8525_7a55),
        };
        assert_eq!(disk.to_string(), "2@0ffeff0285257a55");
        assert_eq!(disk.to_string().parse(), Ok(disk));
        for wrong in [
            "",
            "2",
            "@1",
            "2@",
            "2@0",
            "-1@5",
            "2@+5",
            "2@g",
            "2@10000000000000000",
        ] {
            assert!(wrong.parse::<ReplicaId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_cluster_id_reads_back_as_it_prints() {
        for value in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let id = ClusterId(Uuid::from_u128(value));
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.0.to_string().parse(), Ok(id));
        }
        for wrong in [
            "",
            "abc",
            "AAAAAAAAAAAAAAAAAAAAA!",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAA+A",
        ] {
            wrong.parse::<ClusterId>().unwrap_err();
        }
    }

    #[test]
    fn identifiers_print_as_kafka_prints_them() {
        // The pair comes from Kafka's own Uuid class: bytes 0..16 and their toString().
        let bytes: [u8; 16] = core::array::from_fn(|i| i as u8);
        assert_eq!(
            TopicId(Uuid::from_bytes(bytes)).to_string(),
            "AAECAwQFBgcICQoLDA0ODw"
        );
        assert_eq!(
            TopicId(Uuid::from_bytes([0xff; 16])).to_string(),
            "_____________________w"
        );
    }
}
