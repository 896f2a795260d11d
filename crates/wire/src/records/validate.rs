//! Strict validation of a batch, in bounded memory whatever its codec.

use std::io::{BufRead, BufReader};

use holdfast_model::TimestampType;

use super::scan::{Fault, Scan};
use super::{Error, SHORTEST_RECORD};
use crate::batch::{self, BatchHeader, HEADER_BYTES};
use crate::codec::{self, Codec};

/// Bytes of decompressed records held at a time.
const WINDOW_BYTES: usize = 16 * 1024;

/// What validation learned of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The batch header, as parsed.
    pub header: BatchHeader,
    /// Largest timestamp of the records, milliseconds since 1970; -1 for none. For a batch with
    /// append time, that of the header.
    pub max_timestamp: i64,
    /// Offset of the first record with that timestamp, relative to the batch.
    pub max_timestamp_offset_delta: i32,
    /// Smallest timestamp of the records that have one, milliseconds since 1970; -1 for none.
    pub min_timestamp: i64,
    /// Records without a key, which a compacted topic refuses.
    pub null_keys: i32,
}

/// Validates what a producer sent for one partition: exactly one whole batch of format 2, its
/// checksum, everything that [`validate`] checks, and that it is a batch a client may send: at
/// least one record, no control records, no append time, a sequence number with every producer id.
pub fn validate_produced(blob: &[u8]) -> Result<Summary, Error> {
    if blob.is_empty() {
        return Err(batch::Error::NotSingle { bytes: 0 }.into());
    }
    let header = BatchHeader::parse_whole(blob)?;
    batch::verify_crc(blob)?;
    let refused = |what| Err(Error::Refused { what });
    if header.record_count == 0 {
        return refused("without records");
    }
    if header.attributes.is_control() {
        return refused("of control records");
    }
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(Error::TimestampType);
    }
    if header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return refused("with a producer id but without sequence number or epoch");
    }
    if header.attributes.is_transactional() && header.producer_id < 0 {
        return refused("of a transaction without a producer id");
    }
    validate(blob)
}

/// Validates the records of one whole batch: as many as the header says, offsets without gaps from
/// 0, every length inside its record, nothing left over, compressed data intact and within
/// [`codec::output_cap`]. The checksum is not verified here.
pub fn validate(batch: &[u8]) -> Result<Summary, Error> {
    let header = BatchHeader::parse_whole(batch)?;
    let payload = batch.get(HEADER_BYTES..).unwrap_or_default();
    let codec = header.attributes.codec()?;
    if codec == Codec::None {
        let shortest = (header.record_count as usize).saturating_mul(SHORTEST_RECORD);
        if payload.len() < shortest {
            return Err(Error::Truncated { index: 0 });
        }
        // A slice cannot fail to be read.
        let no_io = |_: &[u8], _: &std::io::Error| Error::Truncated { index: 0 };
        return scan(header, Scan::new(payload), |input, error| {
            no_io(input, error)
        });
    }
    let reader = codec::reader(codec, payload, codec::output_cap(payload.len()))?;
    let input = BufReader::with_capacity(WINDOW_BYTES, reader);
    scan(header, Scan::new(input), |input, error| {
        Error::Codec(input.get_ref().error(error))
    })
}

fn scan<R: BufRead>(
    header: BatchHeader,
    mut scan: Scan<R>,
    from_io: impl Fn(&R, &std::io::Error) -> Error,
) -> Result<Summary, Error> {
    let count = header.record_count;
    if header.last_offset_delta != count.saturating_sub(1) {
        return Err(batch::Error::Field {
            field: "record count",
            value: i64::from(count),
        }
        .into());
    }
    let mut summary = Summary {
        header,
        max_timestamp: -1,
        max_timestamp_offset_delta: 0,
        min_timestamp: -1,
        null_keys: 0,
    };
    for index in 0..count {
        let fault = |scan: &Scan<R>, fault: Fault| fault.at(index, |e| from_io(scan.input(), e));
        let record = scan.record().map_err(|error| fault(&scan, error))?;
        if record.offset_delta != index {
            return Err(Error::Field {
                index,
                field: "offset delta",
            });
        }
        let timestamp = header
            .base_timestamp
            .checked_add(record.timestamp_delta)
            .ok_or(Error::Field {
                index,
                field: "timestamp delta",
            })?;
        summary.add(index, timestamp, record.has_key);
    }
    let at_end = scan
        .at_end()
        .map_err(|fault| fault.at(count, |e| from_io(scan.input(), e)))?;
    if !at_end {
        return Err(Error::Leftover { count });
    }
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        summary.max_timestamp = header.max_timestamp;
        summary.min_timestamp = header.max_timestamp;
        summary.max_timestamp_offset_delta = 0;
    }
    Ok(summary)
}

impl Summary {
    fn add(&mut self, index: i32, timestamp: i64, has_key: bool) {
        if timestamp > self.max_timestamp {
            self.max_timestamp = timestamp;
            self.max_timestamp_offset_delta = index;
        }
        if timestamp >= 0 && (self.min_timestamp < 0 || timestamp < self.min_timestamp) {
            self.min_timestamp = timestamp;
        }
        if !has_key {
            self.null_keys = self.null_keys.saturating_add(1);
        }
    }
}
