use bytes::{Bytes, BytesMut};
use holdfast_model::{LeaderEpoch, Offset, TimestampType};
use proptest::prelude::*;

use super::*;
use crate::build::{BatchBuilder, Record};
use crate::codec::Codec;

fn batch(records: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None).producer(7, 3, 40);
    for index in 0..records {
        builder
            .push(&Record {
                timestamp: 1000 + index,
                ..Record::value(b"value")
            })
            .unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn the_view_reads_what_was_built() {
    let bytes = batch(3);
    let header = BatchHeader::parse_whole(&bytes).unwrap();
    assert_eq!(header.size, bytes.len());
    assert_eq!(header.base_offset, Offset(0));
    assert_eq!(header.last_offset_delta, 2);
    assert_eq!(header.record_count, 3);
    assert_eq!(header.leader_epoch, LeaderEpoch::UNKNOWN);
    assert_eq!((header.base_timestamp, header.max_timestamp), (1000, 1002));
    assert_eq!(
        (
            header.producer_id,
            header.producer_epoch,
            header.base_sequence
        ),
        (7, 3, 40)
    );
    verify_crc(&bytes).unwrap();
    let info = to_info(&bytes).unwrap();
    assert_eq!(info.size as usize, bytes.len());
    assert_eq!(info.last_sequence(), 42);
    assert_eq!(info.crc, header.crc);
}

#[test]
fn offset_and_epoch_need_no_new_checksum() {
    let mut bytes = BytesMut::from(&batch(3)[..]);
    patch_base_offset(&mut bytes, Offset(1 << 40)).unwrap();
    patch_leader_epoch(&mut bytes, LeaderEpoch(9)).unwrap();
    verify_crc(&bytes).unwrap();
    let info = to_info(&bytes).unwrap();
    assert_eq!(info.base_offset, Offset(1 << 40));
    assert_eq!(info.last_offset, Offset((1 << 40) + 2));
    assert_eq!(info.leader_epoch, LeaderEpoch(9));
}

#[test]
fn append_time_sets_bit_timestamp_and_checksum() {
    let mut bytes = BytesMut::from(&batch(3)[..]);
    let before = BatchHeader::parse(&bytes).unwrap();
    patch_max_timestamp_log_append(&mut bytes, 5_000).unwrap();
    let after = BatchHeader::parse(&bytes).unwrap();
    assert_eq!(
        after.attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert_eq!(after.max_timestamp, 5_000);
    assert_ne!(after.crc, before.crc);
    verify_crc(&bytes).unwrap();
    set_max_timestamp(&mut bytes, TimestampType::CreateTime, before.max_timestamp).unwrap();
    assert_eq!(BatchHeader::parse(&bytes).unwrap(), before);
}

#[test]
fn every_flipped_bit_behind_the_checksum_is_found() {
    let good = batch(2);
    for bit in CRC_START * 8..good.len() * 8 {
        let mut bad = good.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_crc(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn blobs_are_cut_into_whole_batches() {
    let one = batch(1);
    let mut blob = BytesMut::new();
    for _ in 0..3 {
        blob.extend_from_slice(&one);
    }
    let blob = blob.freeze();
    let cut: Vec<_> = batches(blob.clone()).collect::<Result<_, _>>().unwrap();
    assert_eq!(cut, vec![one.clone(); 3]);
    assert_eq!(
        cut[1].as_ptr(),
        blob[one.len()..].as_ptr(),
        "nothing is copied"
    );
    let short: Vec<_> = batches(blob.slice(..blob.len() - 1)).collect();
    assert_eq!(short.len(), 3);
    let need = one.len();
    assert_eq!(
        short[2],
        Err(Error::Truncated {
            have: need - 1,
            need
        })
    );
    assert_eq!(
        single_batch(&blob),
        Err(Error::NotSingle { bytes: 2 * need })
    );
    assert_eq!(
        single_batch(&Bytes::new()),
        Err(Error::NotSingle { bytes: 0 })
    );
    assert!(single_batch(&one).is_ok());
}

#[test]
fn old_and_unknown_formats_have_their_own_errors() {
    let good = batch(1);
    for magic in [0i8, 1, 3, -1] {
        let mut bad = good.to_vec();
        bad[16] = magic as u8;
        let error = BatchHeader::parse(&bad).unwrap_err();
        if magic == 0 || magic == 1 {
            assert_eq!(error, Error::OldMagic { magic });
            assert_eq!(error.code(), ErrorCode::InvalidRecord);
        } else {
            assert_eq!(error, Error::UnknownMagic { magic });
        }
    }
}

#[test]
fn absurd_header_fields_are_refused() {
    let good = batch(1);
    let cases: [(usize, &[u8]); 9] = [
        (0, &i64::MAX.to_be_bytes()),
        (0, &(-1i64).to_be_bytes()),
        (8, &i32::MAX.to_be_bytes()),
        (8, &(-1i32).to_be_bytes()),
        (8, &48i32.to_be_bytes()),
        (23, &(-1i32).to_be_bytes()),
        (57, &(-1i32).to_be_bytes()),
        (57, &2i32.to_be_bytes()),
        (43, &(-2i64).to_be_bytes()),
    ];
    for (at, value) in cases {
        let mut bad = good.to_vec();
        bad[at..at + value.len()].copy_from_slice(value);
        let error = BatchHeader::parse(&bad).unwrap_err();
        assert!(
            matches!(error, Error::Field { .. } | Error::Length { .. }),
            "{at}: {error}"
        );
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = to_info(&bytes);
        let _ = verify_crc(&bytes);
        if let Some(magic) = bytes.get_mut(16) {
            *magic = 2;
        }
        let _ = patch_base_offset(&mut bytes, Offset(1));
        let _ = patch_max_timestamp_log_append(&mut bytes, 1);
        let _ = to_info(&bytes);
        for batch in batches(Bytes::from(bytes)) {
            let _ = batch;
        }
    }
}
