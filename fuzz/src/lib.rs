//! What the fuzz targets do with their input: each function takes any bytes, and panics only when
//! the product breaks a promise. The product's own tests run the same functions over the committed
//! seeds and mutations of them, without libFuzzer; `make fuzz` goes on with it, guided by coverage.

use std::ops::ControlFlow;

use bytes::Bytes;
use holdfast_wire::batch::{self, BatchHeader};
use holdfast_wire::frame::{self, FrameLimit};
use holdfast_wire::{Codec, codec, records, request};

/// The length prefix and the first look at a request.
pub fn frame(data: &[u8]) {
    let Some((prefix, rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    let limit = FrameLimit::request(frame::BEFORE_AUTHENTICATION);
    if let Ok(length) = limit.check(*prefix) {
        assert!((limit.shortest..=limit.largest).contains(&length));
    }
    if let Some(first) = rest.first_chunk::<4>() {
        let (key, _) = frame::peek(*first);
        assert!(frame::limit_for(key) >= frame::SHORTEST_REQUEST);
    }
}

/// A request frame without its length prefix: header, then body.
pub fn request_decode(data: &[u8]) {
    let mut body = Bytes::copy_from_slice(data);
    let Ok(header) = request::decode_header(&mut body) else {
        return;
    };
    assert!(header.api.serves(header.version));
    let _ = request::decode(header.api, header.version, body);
}

/// A blob of batches: whatever is cut out of it is whole and inside it.
pub fn batch_parse(data: &[u8]) {
    let mut total = 0;
    for batch in batch::batches(Bytes::copy_from_slice(data)) {
        let Ok(batch) = batch else { break };
        total += batch.len();
        let _ = batch::verify_crc(&batch);
        if let Ok(info) = batch::to_info(&batch) {
            assert_eq!(info.size as usize, batch.len());
            assert!(info.last_offset >= info.base_offset);
            let _ = info.end_offset();
            let mut patched = batch.to_vec();
            batch::patch_max_timestamp_log_append(&mut patched, 7).expect("it was parsed");
            batch::verify_crc(&patched).expect("the checksum is new");
        }
    }
    assert!(total <= data.len());
}

/// The records of a batch. Length and magic are repaired first, so that more inputs get that far.
pub fn records_validate(data: &[u8]) {
    let mut batch = data.to_vec();
    if batch.len() >= batch::HEADER_BYTES {
        let length = (batch.len() - batch::LENGTH_OFFSET_BYTES) as i32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[16] = 2;
    }
    let _ = records::validate_produced(&batch);
    let valid = records::validate(&batch);
    let mut seen = 0;
    let visited = records::for_each_record(&batch, |record| {
        seen += 1;
        for (key, value) in record.headers {
            assert!(key.len() + value.map_or(0, <[u8]>::len) <= 1 << 30);
        }
        ControlFlow::Continue(())
    });
    if let Ok(summary) = valid {
        assert!(
            visited.is_ok(),
            "valid records cannot be visited: {visited:?}"
        );
        assert_eq!(seen, summary.header.record_count);
        let again =
            records::recompress(&Bytes::from(batch), Codec::Lz4, usize::MAX).expect("it is valid");
        let again = records::validate(&again).expect("recompressed records stay valid");
        assert_eq!(again.max_timestamp, summary.max_timestamp);
    } else if let Ok(header) = BatchHeader::parse_whole(&batch) {
        assert!(seen <= header.record_count);
    }
}

/// Compressed data; the first byte names the codec.
pub fn codec_decompress(data: &[u8]) {
    const CAP: u64 = 1 << 20;
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let codec = Codec::ALL[usize::from(*first) % Codec::ALL.len()];
    if let Ok(plain) = codec::decompress(codec, rest, CAP) {
        assert!(plain.len() as u64 <= CAP);
    }
}

/// A target: its name, and what it does with any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// The targets, for tests that run them all.
pub const TARGETS: [Target; 5] = [
    ("frame", frame),
    ("request_decode", request_decode),
    ("batch_parse", batch_parse),
    ("records_validate", records_validate),
    ("codec_decompress", codec_decompress),
];
