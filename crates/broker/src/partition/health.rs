//! What a broker remembers about a replica beside its log: whether its data is sound.
//!
//! Damage must outlive a restart: a replica with a known hole that forgot it would catch up at its
//! end, join the ISR and could lead.

use bytes::{BufMut, Bytes, BytesMut};

/// The version of these bytes on disk.
const FORMAT: u8 = 1;

const DAMAGED: u8 = 1;

/// Longest reason kept, in bytes.
const REASON_BYTES: usize = 1024;

/// Whether a replica's data is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// As far as anybody knows.
    Sound,
    /// Something that was synced cannot be read; why, in words for a person.
    Damaged(String),
}

impl Health {
    /// The bytes kept with the partition.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_u8(FORMAT);
        if let Self::Damaged(reason) = self {
            bytes.put_u8(DAMAGED);
            bytes.put_slice(&reason.as_bytes()[..reason.len().min(REASON_BYTES)]);
        }
        bytes.freeze()
    }

    /// Reads the bytes. What cannot be read is no proof of soundness.
    pub fn decode(bytes: &[u8]) -> Self {
        match bytes {
            [FORMAT] => Self::Sound,
            [FORMAT, DAMAGED, reason @ ..] => {
                Self::Damaged(String::from_utf8_lossy(reason).into_owned())
            }
            _ => Self::Damaged("its state is of a format that this version does not know".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutate;

    #[test]
    fn health_is_read_as_it_was_written() {
        for health in [
            Health::Sound,
            Health::Damaged("a bad batch at 7".to_owned()),
        ] {
            assert_eq!(Health::decode(&health.encode()), health);
        }
        let long = Health::Damaged("x".repeat(5_000)).encode();
        assert_eq!(long.len(), REASON_BYTES + 2);
    }

    #[test]
    fn what_cannot_be_read_counts_as_damage() {
        for bytes in [&[][..], &[2], &[1, 2], &[0, 1, 65]] {
            assert!(
                matches!(Health::decode(bytes), Health::Damaged(_)),
                "{bytes:?}"
            );
        }
    }
    #[test]
    fn hostile_bytes_never_panic_and_only_one_byte_says_sound() {
        let seeds = [Health::Sound, Health::Damaged("bad".to_owned())];
        let seeds = seeds.map(|health| health.encode().to_vec());
        mutate::each(&seeds, 4_000, |bytes| {
            assert_eq!(Health::decode(bytes) == Health::Sound, *bytes == [FORMAT]);
        });
    }
}
