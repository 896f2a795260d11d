use std::ops::ControlFlow;

use bytes::{Bytes, BytesMut};
use holdfast_model::{ErrorCode, Offset};
use kafka_protocol::records::RecordBatchDecoder;
use proptest::prelude::*;

use super::*;
use crate::batch::{BatchHeader, checksum, patch_base_offset, patch_max_timestamp_log_append};
use crate::build::{BatchBuilder, Record};
use crate::codec::{Codec, compress};

#[derive(Debug, Clone, PartialEq)]
struct Owned {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    timestamp: i64,
}

fn build(codec: Codec, records: &[Owned]) -> Bytes {
    let mut builder = BatchBuilder::new(codec).producer(5, 1, 9);
    for record in records {
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(k, v)| (k.as_slice(), v.as_deref()))
            .collect();
        let key = record.key.as_deref();
        let value = record.value.as_deref();
        let timestamp = record.timestamp;
        builder
            .push(&Record {
                key,
                value,
                headers: &headers,
                timestamp,
            })
            .unwrap();
    }
    builder.finish().unwrap()
}

fn collect(batch: &[u8]) -> Result<Vec<Owned>, Error> {
    let mut out = Vec::new();
    for_each_record(batch, |record| {
        assert_eq!(record.offset.0 as usize, out.len());
        let headers = record
            .headers
            .clone()
            .map(|(k, v)| (k.to_vec(), v.map(<[u8]>::to_vec)))
            .collect();
        out.push(Owned {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers,
            timestamp: record.timestamp,
        });
        ControlFlow::Continue(())
    })?;
    Ok(out)
}

fn simple(timestamps: &[i64]) -> Vec<Owned> {
    timestamps
        .iter()
        .map(|timestamp| Owned {
            key: None,
            value: Some(b"v".to_vec()),
            headers: Vec::new(),
            timestamp: *timestamp,
        })
        .collect()
}

/// A batch whose header says what it is told, around any payload.
fn raw(codec: Codec, count: i32, payload: &[u8]) -> Vec<u8> {
    let mut batch = build(codec, &simple(&[0]))[..61].to_vec();
    batch.extend(compress(codec, payload).unwrap());
    let length = (batch.len() - 12) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    batch[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = checksum(&batch);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn owned() -> impl Strategy<Value = Owned> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    let key = proptest::collection::vec(any::<u8>(), 0..4);
    let headers = proptest::collection::vec((key, bytes()), 0..4);
    (bytes(), bytes(), headers, 0i64..2_000_000_000_000).prop_map(
        |(key, value, headers, timestamp)| Owned {
            key,
            value,
            headers,
            timestamp,
        },
    )
}

proptest! {
    #[test]
    fn what_is_built_is_valid_and_comes_back(
        records in proptest::collection::vec(owned(), 1..20),
        other in 0usize..5,
    ) {
        let latest = records.iter().map(|r| r.timestamp).max().unwrap();
        let first_latest = records.iter().position(|r| r.timestamp == latest).unwrap();
        for codec in Codec::ALL {
            let batch = build(codec, &records);
            let summary = validate_produced(&batch).unwrap();
            prop_assert_eq!(summary.max_timestamp, latest);
            prop_assert_eq!(summary.max_timestamp_offset_delta as usize, first_latest);
            prop_assert_eq!(
                summary.min_timestamp,
                records.iter().map(|r| r.timestamp).min().unwrap()
            );
            let null_keys = records.iter().filter(|r| r.key.is_none()).count();
            prop_assert_eq!(summary.null_keys as usize, null_keys);
            prop_assert_eq!(&collect(&batch).unwrap(), &records);
            let again = recompress(&batch, Codec::ALL[other], usize::MAX).unwrap();
            prop_assert_eq!(validate_produced(&again).unwrap().max_timestamp, latest);
            prop_assert_eq!(&collect(&again).unwrap(), &records);
        }
    }

    #[test]
    fn the_message_crate_reads_the_same(records in proptest::collection::vec(owned(), 1..20)) {
        // Its headers are a map of strings: give them distinct names.
        let mut records = records;
        for record in &mut records {
            for (index, header) in record.headers.iter_mut().enumerate() {
                header.0 = format!("h{index}").into_bytes();
            }
        }
        let mut batch = build(Codec::None, &records);
        let set = RecordBatchDecoder::decode(&mut batch).unwrap();
        prop_assert_eq!(set.records.len(), records.len());
        for (index, (theirs, ours)) in set.records.iter().zip(&records).enumerate() {
            prop_assert_eq!(theirs.offset, index as i64);
            prop_assert_eq!(theirs.timestamp, ours.timestamp);
            prop_assert_eq!(theirs.key.as_deref(), ours.key.as_deref());
            prop_assert_eq!(theirs.value.as_deref(), ours.value.as_deref());
            prop_assert_eq!((theirs.producer_id, theirs.producer_epoch), (5, 1));
            let headers: Vec<_> = theirs
                .headers
                .iter()
                .map(|(k, v)| (k.as_bytes().to_vec(), v.as_ref().map(|v| v.to_vec())))
                .collect();
            prop_assert_eq!(&headers, &ours.headers);
        }
    }

    #[test]
    fn damage_never_panics_and_both_readers_agree(
        records in proptest::collection::vec(owned(), 1..6),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        for codec in Codec::ALL {
            let mut batch = build(codec, &records).to_vec();
            for (index, bits) in &flips {
                // Leave offsets, length and magic alone, so that the records are reached.
                let at = 17 + index.index(batch.len() - 17);
                batch[at] ^= bits;
            }
            let valid = validate(&batch);
            let visited = for_each_record(&batch, |_| ControlFlow::Continue(()));
            if valid.is_ok() {
                prop_assert!(visited.is_ok(), "{visited:?}");
            }
        }
    }

    #[test]
    fn random_payloads_never_panic(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        count in 1i32..5,
    ) {
        for codec in Codec::ALL {
            let batch = raw(codec, count, &payload);
            let valid = validate(&batch);
            let visited = for_each_record(&batch, |_| ControlFlow::Continue(()));
            prop_assert!(valid.is_err() || visited.is_ok());
        }
    }
}

/// One record: length, attributes, timestamp delta, offset delta, null key, null value, no headers.
const RECORD: [u8; 7] = [12, 0, 0, 0, 1, 1, 0];

#[test]
fn broken_structure_is_refused_in_every_codec() {
    let mut second = RECORD;
    second[3] = 2;
    let two = [RECORD, second].concat();
    let cases: [(&str, i32, Vec<u8>); 12] = [
        ("a record too few", 2, RECORD.to_vec()),
        ("a record too many", 1, two.clone()),
        ("a byte too many", 1, [&RECORD[..], &[0]].concat()),
        ("a byte too few", 1, RECORD[..6].to_vec()),
        ("offset 0 twice", 2, [RECORD, RECORD].concat()),
        ("negative length", 1, vec![1, 0, 0, 0, 1, 1, 0]),
        (
            "length of 2 GiB",
            1,
            vec![0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 1, 0],
        ),
        ("length beyond the batch", 1, vec![14, 0, 0, 0, 1, 1, 0]),
        ("length short of the record", 1, vec![10, 0, 0, 0, 1, 1, 0]),
        ("key beyond the record", 1, vec![12, 0, 0, 0, 100, 1, 0]),
        ("key length -2", 1, vec![12, 0, 0, 0, 3, 1, 0]),
        ("header count -1", 1, vec![12, 0, 0, 0, 1, 1, 1]),
    ];
    for codec in Codec::ALL {
        validate_produced(&raw(codec, 1, &RECORD)).unwrap();
        validate_produced(&raw(codec, 2, &two)).unwrap();
        for (what, count, payload) in &cases {
            let batch = raw(codec, *count, payload);
            let error = validate_produced(&batch).expect_err(what);
            assert_eq!(error.code(), ErrorCode::InvalidRecord, "{what}: {error}");
            let visited = for_each_record(&batch, |_| ControlFlow::Continue(()));
            assert!(visited.is_err(), "{codec}: {what}");
        }
    }
}

#[test]
fn a_header_needs_a_key_and_no_more_bytes_than_the_record() {
    let record = |tail: &[u8]| {
        let mut out = vec![((6 + tail.len() - 1) * 2) as u8, 0, 0, 0, 1, 1];
        out.extend_from_slice(tail);
        out
    };
    validate(&raw(Codec::None, 1, &record(&[2, 2, b'k', 1]))).unwrap();
    for tail in [
        &[2u8, 1, 1][..],
        &[2, 4, b'k', 1],
        &[4, 2, b'k', 1],
        &[0xfe, 0xff, 3, 0],
    ] {
        assert!(
            validate(&raw(Codec::None, 1, &record(tail))).is_err(),
            "{tail:?}"
        );
    }
}

#[test]
fn what_clients_may_not_send_is_refused() {
    let code = |batch: &[u8]| validate_produced(batch).unwrap_err().code();
    let builder = |control: bool, transactional: bool, id: i64, sequence: i32| {
        let mut builder = BatchBuilder::new(Codec::None).producer(id, 0, sequence);
        if control {
            builder = builder.control();
        }
        if transactional {
            builder = builder.transactional();
        }
        builder.push(&Record::value(b"v")).unwrap();
        builder.finish().unwrap()
    };
    validate_produced(&builder(false, true, 1, 0)).unwrap();
    assert_eq!(code(&builder(true, false, 1, 0)), ErrorCode::InvalidRecord);
    assert_eq!(
        code(&builder(false, true, -1, -1)),
        ErrorCode::InvalidRecord
    );
    assert_eq!(
        code(&builder(false, false, 1, -1)),
        ErrorCode::InvalidRecord
    );
    let mut stamped = BytesMut::from(&builder(false, false, -1, -1)[..]);
    patch_max_timestamp_log_append(&mut stamped, 5).unwrap();
    assert_eq!(code(&stamped), ErrorCode::InvalidTimestamp);
    let mut torn = builder(false, false, -1, -1).to_vec();
    *torn.last_mut().unwrap() ^= 1;
    assert_eq!(code(&torn), ErrorCode::CorruptMessage);
    assert_eq!(code(&[]), ErrorCode::InvalidRecord);
    let mut empty = raw(Codec::None, 1, &[]);
    empty[57..61].copy_from_slice(&0i32.to_be_bytes());
    let crc = checksum(&empty);
    empty[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(code(&empty), ErrorCode::InvalidRecord);
    let mut unknown = raw(Codec::None, 1, &RECORD);
    unknown[22] = 5;
    let crc = checksum(&unknown);
    unknown[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(code(&unknown), ErrorCode::UnsupportedCompressionType);
}

#[test]
fn records_are_found_by_time() {
    for codec in Codec::ALL {
        let mut batch = BytesMut::from(&build(codec, &simple(&[10, 30, 20, 30]))[..]);
        patch_base_offset(&mut batch, Offset(100)).unwrap();
        let at = |t, from| {
            first_at_or_after(&batch, t, Offset(from))
                .unwrap()
                .map(|f| (f.offset.0, f.timestamp))
        };
        assert_eq!(at(0, 0), Some((100, 10)));
        assert_eq!(at(11, 0), Some((101, 30)));
        assert_eq!(at(20, 102), Some((102, 20)));
        assert_eq!(at(30, 102), Some((103, 30)));
        assert_eq!(at(31, 0), None);
        let latest = max_timestamp(&batch).unwrap().unwrap();
        assert_eq!((latest.offset.0, latest.timestamp), (101, 30));
        patch_max_timestamp_log_append(&mut batch, 77).unwrap();
        let latest = max_timestamp(&batch).unwrap().unwrap();
        assert_eq!((latest.offset.0, latest.timestamp), (100, 77));
        let found = first_at_or_after(&batch, 50, Offset(102)).unwrap().unwrap();
        assert_eq!((found.offset.0, found.timestamp), (102, 77));
    }
}

#[test]
fn batches_with_gaps_are_visited_but_not_valid_from_a_producer() {
    let mut third = RECORD;
    third[3] = 4;
    let mut batch = raw(Codec::None, 2, &[RECORD, third].concat());
    batch[23..27].copy_from_slice(&2i32.to_be_bytes());
    let mut deltas = Vec::new();
    for_each_record(&batch, |record| {
        deltas.push(record.offset_delta);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(deltas, [0, 2]);
    assert!(validate(&batch).is_err());
}

#[test]
fn recompressing_keeps_every_other_field() {
    let mut batch = BytesMut::from(&build(Codec::Gzip, &simple(&[10, 30]))[..]);
    patch_base_offset(&mut batch, Offset(1000)).unwrap();
    let batch = batch.freeze();
    let before = BatchHeader::parse(&batch).unwrap();
    let zstd = recompress(&batch, Codec::Zstd, usize::MAX).unwrap();
    let after = BatchHeader::parse(&zstd).unwrap();
    crate::batch::verify_crc(&zstd).unwrap();
    assert_eq!(after.attributes.codec().unwrap(), Codec::Zstd);
    let same = BatchHeader {
        size: before.size,
        crc: before.crc,
        attributes: before.attributes,
        ..after
    };
    assert_eq!(same, before);
    assert_eq!(
        recompress(&batch, Codec::Gzip, usize::MAX)
            .unwrap()
            .as_ptr(),
        batch.as_ptr()
    );
}

#[test]
fn a_visitor_may_stop() {
    let batch = build(Codec::Zstd, &simple(&[1, 2, 3]));
    let mut seen = 0;
    for_each_record(&batch, |_| {
        seen += 1;
        if seen == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap();
    assert_eq!(seen, 2);
}

#[test]
fn recompressing_keeps_headers_with_one_name_in_order() {
    let header = |value: &[u8]| (b"k".to_vec(), Some(value.to_vec()));
    let records = [Owned {
        key: None,
        value: None,
        headers: vec![header(b"2"), (b"a".to_vec(), None), header(b"1")],
        timestamp: 5,
    }];
    let batch = build(Codec::Gzip, &records);
    for codec in [Codec::None, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let again = recompress(&batch, codec, usize::MAX).unwrap();
        assert_eq!(collect(&again).unwrap(), records);
        let short = recompress(&batch, codec, crate::batch::HEADER_BYTES + 3).unwrap_err();
        assert_eq!(short.code(), holdfast_model::ErrorCode::MessageTooLarge);
    }
}
