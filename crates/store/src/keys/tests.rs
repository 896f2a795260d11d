//! Every key and value against bytes that nobody wrote.

use holdfast_model::{
    BatchInfo, EpochStart, LeaderEpoch, LogCheckpoint, Offset, ProducerBatch, ProducerEntry,
    Segment, TopicId, TopicPartition,
};
use uuid::Uuid;

use super::*;
use crate::batch_header::{BatchHeader, HEADER_BYTES, verify};
use crate::claim::Claim;
use crate::mutate;

/// Where the batch of every index entry begins.
const BASE: Offset = Offset(7);

fn entry() -> IndexEntry {
    let info = BatchInfo {
        base_offset: BASE,
        last_offset: Offset(9),
        leader_epoch: LeaderEpoch(3),
        max_timestamp: 1_700_000_000_000,
        producer_id: 5,
        producer_epoch: 1,
        base_sequence: 0,
        record_count: 3,
        attributes: 4,
        crc: 0xdead_beef,
        size: 100,
    };
    IndexEntry {
        info,
        high_watermark: Offset(8),
    }
}

fn checkpoint() -> LogCheckpoint {
    let batch = ProducerBatch {
        base_sequence: 4,
        last_sequence: 8,
        base_offset: Offset(30),
        last_offset: Offset(34),
        timestamp: 1_700_000_000_000,
    };
    let producer = ProducerEntry {
        producer_id: 5,
        epoch: 1,
        last_timestamp: -1,
        batches: vec![batch; 2],
    };
    let segment = |base: i64| Segment {
        base: Offset(base),
        end: Offset(base + 30),
        bytes: 1 << 30,
        max_timestamp: -1,
        first_timestamp: 5,
    };
    LogCheckpoint {
        log_start: Offset(3),
        log_end: Offset(90),
        high_watermark: Offset(91),
        leader_epoch: LeaderEpoch(7),
        epochs: vec![EpochStart {
            epoch: LeaderEpoch(7),
            start: Offset(3),
        }],
        producers: vec![producer; 2],
        segments: vec![segment(0), segment(30), segment(60)],
    }
}

/// A batch header and a body, as far as the store looks at them.
fn batch() -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[16] = 2;
    bytes.extend_from_slice(b"records");
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let partition = PartitionKey(6);
    let kind = StateKind::Checkpoint;
    let claim = Claim {
        group: 9,
        synced_through: 8,
    };
    let meta = PartitionMeta {
        partition: TopicPartition {
            topic: TopicId(Uuid::from_u128(77)),
            partition: 3,
        },
        topic_name: "topic".to_owned(),
        owner: vec![1, 1, 65],
    };
    vec![
        partition.at(BASE).to_vec(),
        StateKey { kind, partition }.encode().to_vec(),
        encode_counter(u64::MAX).to_vec(),
        encode_dirty(BASE).to_vec(),
        encode_position(0).to_vec(),
        claim.encode().to_vec(),
        entry().encode(),
        meta.encode(),
        encode_checkpoint(&checkpoint()),
        batch(),
    ]
}

/// Every decoder gets every input; what is accepted must be written as the same bytes again.
fn meet(data: &[u8]) {
    if let Ok(key) = RecordKey::decode(data) {
        assert_eq!(key.encode()[..], *data);
    }
    if let Ok(key) = StateKey::decode(data) {
        assert_eq!(key.encode()[..], *data);
    }
    if let Ok(value) = decode_counter(data) {
        assert_eq!(encode_counter(value)[..], *data);
    }
    if let Ok(offset) = decode_dirty(data) {
        assert_eq!(encode_dirty(offset)[..], *data);
    }
    if let Ok(value) = decode_position(data) {
        assert_eq!(encode_position(value)[..], *data);
    }
    if let Some(claim) = Claim::decode(data) {
        assert_eq!(claim.encode()[..], *data);
    }
    if let Ok(entry) = IndexEntry::decode(BASE, data) {
        assert_eq!(entry.encode(), data);
        assert!(entry.known_high_watermark() <= entry.info.end_offset());
    }
    if let Ok(meta) = PartitionMeta::decode(data) {
        assert_eq!(meta.encode(), data);
    }
    // MessagePack has several ways to write a number: the value must come back, not the bytes.
    if let Ok(checkpoint) = decode_checkpoint(data) {
        let again = decode_checkpoint(&encode_checkpoint(&checkpoint));
        assert_eq!(again, Ok(checkpoint));
    }
    if BatchHeader::read(data).is_none() {
        assert!(verify(data, &entry().info).is_err());
    }
}

#[test]
fn hostile_bytes_never_panic_a_decoder() {
    mutate::each(&seeds(), 10_000, meet);
}
