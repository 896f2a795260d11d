//! What forms a batch, when it is due, and which sequence numbers it gets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_model::Monotonic;
use holdfast_wire::Codec;
use holdfast_wire::batch::{BatchHeader, verify_crc};
use tokio::sync::{Semaphore, oneshot};

use super::accumulator::{Accumulator, Batch, Identity, Rules};
use super::{Delivery, ProduceRecord, Producer, ProducerOptions, Queued};
use crate::{Client, Error, Options};

const ID: Identity = Identity { id: 7, epoch: 1 };

fn ms(ms: u64) -> Monotonic {
    Monotonic(ms * 1_000_000)
}

fn accumulator() -> Accumulator {
    Accumulator::new(Rules {
        linger: Duration::from_millis(10),
        batch_bytes: 1000,
        codec: Codec::None,
    })
}

/// A record of a given size in the accounts, and where its outcome arrives.
fn record(partition: i32, size: usize) -> (Queued, Delivery) {
    let memory = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let (answer, receiver) = oneshot::channel();
    let record = ProduceRecord {
        topic: "t".to_owned(),
        value: Some(Bytes::from(vec![b'x'; 10])),
        ..ProduceRecord::default()
    };
    let queued = Queued {
        record,
        partition,
        timestamp: 5,
        size,
        answer,
        _memory: memory,
    };
    let delivery = Delivery {
        partition,
        receiver,
    };
    (queued, delivery)
}

fn push(accumulator: &mut Accumulator, partition: i32, size: usize, at: u64) {
    accumulator.push(record(partition, size).0, ms(at));
}

fn header(batch: &Batch) -> BatchHeader {
    verify_crc(&batch.bytes).unwrap();
    BatchHeader::parse_whole(&batch.bytes).unwrap()
}

#[test]
fn a_batch_is_due_when_it_is_old_or_full_or_somebody_hurries() {
    let mut a = accumulator();
    push(&mut a, 0, 100, 0);
    assert_eq!(a.next_due(ms(4), false), Some(Duration::from_millis(6)));
    assert!(a.take_due(ms(9), false, false).is_empty());
    assert_eq!(a.take_due(ms(10), false, false).len(), 1);
    a.finish("t", 0);
    push(&mut a, 0, 100, 20);
    assert_eq!(a.take_due(ms(20), true, false).len(), 1);
    a.finish("t", 0);
    push(&mut a, 0, 500, 30);
    push(&mut a, 0, 500, 30);
    assert_eq!(a.take_due(ms(30), false, false)[0].records.len(), 2);
    a.finish("t", 0);
    assert!(a.is_idle());
}

#[test]
fn a_partition_has_one_batch_in_flight_and_the_others_do_not_wait() {
    let mut a = accumulator();
    for partition in [0, 0, 0, 1] {
        push(&mut a, partition, 600, 0);
    }
    a.identify(ID);
    let sent = a.take_due(ms(10), false, true);
    let partitions: Vec<i32> = sent.iter().map(|batch| batch.partition).collect();
    assert_eq!(partitions, [0, 1]);
    assert!(a.take_due(ms(50), true, true).is_empty());
    assert_eq!(a.next_due(ms(50), true), None);
    a.finish("t", 0);
    assert_eq!(a.take_due(ms(50), false, true).len(), 1);
    assert!(!a.is_idle());
}

#[test]
fn sequences_follow_each_other_and_begin_again_under_a_new_identity() {
    let mut a = accumulator();
    for at in 0..5 {
        push(&mut a, 0, 400, at);
    }
    assert!(a.lacks_identity());
    assert!(a.take_due(ms(99), true, true).is_empty());
    a.identify(ID);
    let mut sequences = Vec::new();
    for _ in 0..2 {
        let batch = a.take_due(ms(99), false, true).remove(0);
        let header = header(&batch);
        sequences.push((
            header.producer_id,
            header.base_sequence,
            header.record_count,
        ));
        a.finish("t", 0);
    }
    assert_eq!(sequences, [(7, 0, 2), (7, 2, 2)]);
    // The last batch times out: nobody knows whether it was written.
    let last = a.take_due(ms(99), false, true).remove(0);
    assert_eq!(header(&last).base_sequence, 4);
    push(&mut a, 0, 400, 99);
    push(&mut a, 1, 400, 99);
    a.finish_and_reset("t", 0);
    assert!(a.take_due(ms(999), true, true).is_empty());
    a.identify(Identity { id: 8, epoch: 0 });
    for batch in a.take_due(ms(999), true, true) {
        let header = header(&batch);
        assert_eq!(
            (
                header.producer_id,
                header.producer_epoch,
                header.base_sequence
            ),
            (8, 0, 0)
        );
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_built_is_answered_and_takes_no_sequence() {
    let mut a = accumulator();
    a.identify(ID);
    let far = |timestamp: i64| {
        let (mut queued, delivery) = record(0, 100);
        queued.timestamp = timestamp;
        (queued, delivery)
    };
    // Timestamps so far apart that their distance is not a number.
    let (one, first) = far(i64::MAX);
    let (two, second) = far(i64::MIN);
    a.push(one, ms(0));
    a.push(two, ms(0));
    a.identify(ID);
    assert!(a.take_due(ms(10), false, true).is_empty());
    for delivery in [first, second] {
        assert!(matches!(
            delivery.outcome().await,
            Err(Error::Record { .. })
        ));
    }
    push(&mut a, 0, 100, 20);
    let batch = a.take_due(ms(99), false, true).remove(0);
    assert_eq!(header(&batch).base_sequence, 0);
}

#[tokio::test]
async fn without_an_identity_the_waiting_records_get_the_error() {
    let mut a = accumulator();
    let (queued, delivery) = record(0, 100);
    a.push(queued, ms(0));
    a.fail_unidentified(&Error::ProducerClosed);
    assert!(matches!(
        delivery.outcome().await,
        Err(Error::ProducerClosed)
    ));
    assert!(a.is_idle() && !a.lacks_identity());
}

#[tokio::test]
async fn records_without_a_key_stay_in_a_partition_for_one_batch() {
    let client = Client::new("localhost:1", Options::default()).unwrap();
    let options = ProducerOptions {
        batch_bytes: 300,
        ..ProducerOptions::default()
    };
    let (producer, service) = Producer::new(client, options);
    let chosen: Vec<i32> = (0..9)
        .map(|_| producer.sticky_partition("t", 100, 3))
        .collect();
    for batch in chosen.chunks(3) {
        assert!(
            batch.iter().all(|partition| *partition == batch[0]),
            "{chosen:?}"
        );
    }
    let mut used = vec![chosen[0], chosen[3], chosen[6]];
    used.sort_unstable();
    assert_eq!(used, [0, 1, 2]);
    // The service ends once nobody can give it anything, and then says so.
    drop(producer);
    tokio::time::timeout(Duration::from_secs(5), service.run())
        .await
        .unwrap();
}
