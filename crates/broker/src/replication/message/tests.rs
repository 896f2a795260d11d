use holdfast_model::{EpochStart, ProducerEntry};
use proptest::prelude::*;

use super::*;
use crate::mutate;

fn at() -> TopicPartition {
    TopicPartition {
        topic: TopicId(Uuid::from_u128(77)),
        partition: 3,
    }
}

fn items() -> Vec<Item> {
    let replica = ReplicaId {
        broker: BrokerId(2),
        incarnation: Incarnation(u64::MAX),
    };
    let session = SessionId(9);
    let header = AppendHeader {
        session,
        leader_epoch: LeaderEpoch(4),
        previous_end: Offset(100),
        previous_epoch: LeaderEpoch(-1),
        high_watermark: Offset(90),
        log_start: Offset(1),
    };
    vec![
        Item::Ping,
        Item::Open(
            at(),
            Open {
                leader_epoch: LeaderEpoch(4),
                session,
            },
        ),
        Item::Start(
            at(),
            Start {
                session,
                leader_epoch: LeaderEpoch(4),
                broker_epoch: BrokerEpoch(6),
                from: Offset(80),
                reset: true,
                producers: vec![ProducerEntry {
                    producer_id: 5,
                    epoch: 1,
                    last_timestamp: 7,
                    batches: Vec::new(),
                }],
                high_watermark: Offset(80),
                log_start: Offset(80),
                log_end: Offset(200),
            },
        ),
        Item::Append(
            at(),
            header,
            vec![Bytes::from_static(b"one"), Bytes::from_static(b"two!")],
        ),
        Item::Append(at(), header, Vec::new()),
        opened(session, replica),
        Item::Acked(
            at(),
            Acked {
                session,
                leader_epoch: LeaderEpoch(4),
                replica,
                broker_epoch: BrokerEpoch(12),
                log_end: Offset(100),
                synced_end: Offset(99),
                log_start: Offset(3),
            },
        ),
        Item::Refused(
            at(),
            Refused {
                session,
                reason: RefusedReason::BelowKnownHighWatermark(Offset(5)),
            },
        ),
    ]
}

fn opened(session: SessionId, replica: ReplicaId) -> Item {
    Item::Opened(
        at(),
        Opened {
            session,
            leader_epoch: LeaderEpoch(4),
            replica,
            broker_epoch: BrokerEpoch(12),
            log_start: Offset(0),
            log_end: Offset(100),
            synced_end: Offset(99),
            epochs: vec![EpochStart {
                epoch: LeaderEpoch(3),
                start: Offset(0),
            }],
        },
    )
}

fn message(items: &[Item]) -> Bytes {
    let mut out = BytesMut::new();
    for item in items {
        encode(item, &mut out);
    }
    out.freeze()
}

#[test]
fn every_item_comes_back() {
    let mut bytes = message(&items());
    for expected in items() {
        assert_eq!(decode(&mut bytes), Ok(Some(expected)));
    }
    assert_eq!(decode(&mut bytes), Ok(None));
}

#[test]
fn a_message_larger_than_a_frame_is_put_together_again() {
    let large = Bytes::from(vec![7u8; 3 * FRAME_BYTES + 5]);
    let frames: Vec<Bytes> = into_frames(large.clone()).collect();
    assert_eq!(frames.len(), 4);
    let mut assembler = Assembler::default();
    for frame in &frames[..3] {
        assert_eq!(assembler.push(frame.clone()), Ok(None));
    }
    assert_eq!(assembler.push(frames[3].clone()), Ok(Some(large)));
}

#[test]
fn a_message_without_end_is_refused_before_it_fills_the_memory() {
    let frame = Bytes::from([&[1u8][..], &vec![0u8; FRAME_BYTES]].concat());
    let mut assembler = Assembler::default();
    let refused = (0..200)
        .map(|_| assembler.push(frame.clone()))
        .find(Result::is_err);
    assert_eq!(refused, Some(Err(Error::TooLarge)));
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut message = Bytes::from(bytes);
        for _ in 0..300 {
            if !matches!(decode(&mut message), Ok(Some(_))) {
                break;
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_an_error_or_another_item(position in 0usize..500, bit in 0u8..8) {
        let mut bytes = message(&items()).to_vec();
        let position = position % bytes.len();
        bytes[position] ^= 1 << bit;
        let mut message = Bytes::from(bytes);
        for _ in 0..300 {
            if !matches!(decode(&mut message), Ok(Some(_))) {
                break;
            }
        }
    }
}

/// Reads a message up to its end or first error. Each item must be written and read back as the same,
/// and reserve no more than the message could fill.
fn meet(bytes: &[u8]) {
    let mut message = Bytes::copy_from_slice(bytes);
    while let Ok(Some(item)) = decode(&mut message) {
        if let Item::Append(_, _, batches) = &item {
            assert!(batches.capacity() <= bytes.len());
        }
        let mut written = BytesMut::new();
        encode(&item, &mut written);
        let mut written = written.freeze();
        assert_eq!(decode(&mut written), Ok(Some(item)));
        assert!(written.is_empty());
    }
}

#[test]
fn hostile_bytes_never_panic_a_decoder() {
    let mut seeds: Vec<Vec<u8>> = items()
        .into_iter()
        .map(|item| message(&[item]).to_vec())
        .collect();
    seeds.push(message(&items()).to_vec());
    mutate::each(&seeds, 10_000, meet);
}

#[test]
fn hostile_frames_make_no_message_larger_than_they_are() {
    const FRAME: usize = 17;
    let whole = message(&items());
    let mut stream = Vec::new();
    for part in whole.chunks(FRAME - 1) {
        stream.push(u8::from(part.len() == FRAME - 1));
        stream.extend_from_slice(part);
    }
    mutate::each(&[stream, vec![0], vec![1; 2 * FRAME]], 5_000, |bytes| {
        let mut assembler = Assembler::default();
        let mut came = 0;
        for frame in bytes.chunks(FRAME) {
            came += frame.len();
            let pushed = assembler.push(Bytes::copy_from_slice(frame));
            if let Ok(Some(whole)) = pushed {
                assert!(whole.len() < came);
                meet(&whole);
                came = 0;
            }
        }
    });
}
