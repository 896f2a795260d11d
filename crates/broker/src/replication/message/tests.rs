use holdfast_model::{EpochStart, ProducerEntry};
use proptest::prelude::*;

use super::*;

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
