//! The hash by which Kafka's clients choose a record's partition.

/// Kafka's 32-bit murmur2 of a key.
pub fn hash(key: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ key.len() as u32;
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        k ^= k >> 24;
        hash = hash.wrapping_mul(FACTOR) ^ k.wrapping_mul(FACTOR);
    }
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^= hash >> 15;
    hash as i32
}

/// The partition of a key among `partitions`, as the default partitioner of Kafka's Java client
/// chooses it; 0 if there is none to choose from.
pub fn partition(key: &[u8], partitions: i32) -> i32 {
    (hash(key) & 0x7fff_ffff)
        .checked_rem(partitions)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafkas_clients() {
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ];
        for (key, expected) in vectors {
            assert_eq!(hash(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn every_key_has_a_partition() {
        assert_eq!(partition(b"abc", 10), 7);
        assert_eq!(partition(b"abc", 0), 0);
        for key in 0..1000u32 {
            assert!((0..7).contains(&partition(&key.to_be_bytes(), 7)));
        }
    }
}
