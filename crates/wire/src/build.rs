//! Building batches: for our own client, tools and tests.

use bytes::{BufMut, Bytes, BytesMut};

use crate::batch::{self, Attributes, HEADER_BYTES, LENGTH_OFFSET_BYTES};
use crate::codec::{self, Codec};

/// A record to be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its key; `None` for null.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` for null.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order; duplicates are kept.
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
    /// Its timestamp, milliseconds since 1970.
    pub timestamp: i64,
}

impl<'a> Record<'a> {
    /// A record with only a value.
    pub fn value(value: &'a [u8]) -> Self {
        Self {
            value: Some(value),
            ..Self::default()
        }
    }
}

/// Why a batch cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A batch needs a record.
    #[error("the batch has no records")]
    Empty,
    /// The batch would be larger than any broker takes.
    #[error("the batch exceeds {} bytes", batch::LARGEST_BYTES)]
    TooLarge,
    /// The timestamps lie too far apart.
    #[error("timestamp {timestamp} is too far from the first one")]
    Timestamp {
        /// The timestamp that does not fit, in milliseconds.
        timestamp: i64,
    },
    /// Compression failed.
    #[error(transparent)]
    Codec(#[from] codec::Error),
}

/// Collects records into one batch of format 2, as a producer sends it: offsets from 0, leader
/// epoch -1.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    attributes: Attributes,
    codec: Codec,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    count: i32,
    records: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch without a producer id.
    pub fn new(codec: Codec) -> Self {
        Self {
            attributes: Attributes::default().with_codec(codec),
            codec,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            base_timestamp: -1,
            max_timestamp: -1,
            count: 0,
            records: Vec::new(),
        }
    }

    /// Sets producer id, epoch and the sequence number of the first record.
    #[must_use]
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.producer_id = id;
        self.producer_epoch = epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// Marks the batch as part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.attributes = self.attributes.with_transactional(true);
        self
    }

    /// Marks the records as control records; clients may not send such a batch.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.attributes = self.attributes.with_control(true);
        self
    }

    /// Appends a record.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let base = if self.count == 0 {
            record.timestamp
        } else {
            self.base_timestamp
        };
        let timestamp = record.timestamp;
        let delta = timestamp
            .checked_sub(base)
            .ok_or(Error::Timestamp { timestamp })?;
        let body = body_bytes(record, delta, self.count).ok_or(Error::TooLarge)?;
        if self.records.len().saturating_add(body) > batch::LARGEST_BYTES - HEADER_BYTES {
            return Err(Error::TooLarge);
        }
        self.base_timestamp = base;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let out = &mut self.records;
        put_varlong(out, body as i64);
        out.put_i8(0);
        put_varlong(out, delta);
        put_varlong(out, i64::from(self.count));
        put_field(out, record.key);
        put_field(out, record.value);
        put_varlong(out, record.headers.len() as i64);
        for (key, value) in record.headers {
            put_field(out, Some(key));
            put_field(out, *value);
        }
        self.count = self.count.checked_add(1).ok_or(Error::TooLarge)?;
        Ok(())
    }

    /// How many records it holds.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// Bytes of the batch before compression, header included.
    pub fn size(&self) -> usize {
        HEADER_BYTES.saturating_add(self.records.len())
    }

    /// The finished batch.
    pub fn finish(self) -> Result<Bytes, Error> {
        if self.count == 0 {
            return Err(Error::Empty);
        }
        let packed = match self.codec {
            Codec::None => self.records,
            codec => codec::compress(codec, &self.records)?,
        };
        let size = HEADER_BYTES.saturating_add(packed.len());
        if size > batch::LARGEST_BYTES {
            return Err(Error::TooLarge);
        }
        let mut out = BytesMut::with_capacity(size);
        out.put_i64(0);
        out.put_i32((size - LENGTH_OFFSET_BYTES) as i32);
        out.put_i32(-1);
        out.put_i8(2);
        out.put_u32(0);
        out.put_i16(self.attributes.0);
        out.put_i32(self.count - 1);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.count);
        out.put_slice(&packed);
        let crc = batch::checksum(&out);
        batch::put_crc(&mut out, crc);
        Ok(out.freeze())
    }
}

fn put_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => put_varlong(out, -1),
        Some(bytes) => {
            put_varlong(out, bytes.len() as i64);
            out.put_slice(bytes);
        }
    }
}

fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn varlong_bytes(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    // One byte for every seven bits, and one for zero.
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

/// Bytes of a record behind its length; `None` if they exceed the largest batch.
fn body_bytes(record: &Record<'_>, timestamp_delta: i64, offset_delta: i32) -> Option<usize> {
    let field = |bytes: Option<&[u8]>| match bytes {
        None => Some(1),
        Some(bytes) => bytes
            .len()
            .checked_add(varlong_bytes(i64::try_from(bytes.len()).ok()?)),
    };
    let mut total = 1usize
        .checked_add(varlong_bytes(timestamp_delta))?
        .checked_add(varlong_bytes(i64::from(offset_delta)))?
        .checked_add(field(record.key)?)?
        .checked_add(field(record.value)?)?
        .checked_add(varlong_bytes(i64::try_from(record.headers.len()).ok()?))?;
    for (key, value) in record.headers {
        total = total
            .checked_add(field(Some(key))?)?
            .checked_add(field(*value)?)?;
    }
    (total <= batch::LARGEST_BYTES).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varlongs_take_the_bytes_that_are_counted() {
        for value in [
            0,
            1,
            -1,
            63,
            64,
            -64,
            -65,
            8191,
            8192,
            i64::MAX,
            i64::MIN,
            1 << 40,
        ] {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            assert_eq!(out.len(), varlong_bytes(value), "{value}");
            assert_eq!(crate::cursor::Cursor::new(&out).varlong(), Some(value));
        }
    }

    #[test]
    fn a_batch_needs_a_record_and_fits_the_limit() {
        assert!(matches!(
            BatchBuilder::new(Codec::None).finish(),
            Err(Error::Empty)
        ));
        let large = vec![0; batch::LARGEST_BYTES];
        let mut builder = BatchBuilder::new(Codec::None);
        assert!(matches!(
            builder.push(&Record::value(&large)),
            Err(Error::TooLarge)
        ));
        builder.push(&Record::default()).unwrap();
        let far = Record {
            timestamp: i64::MIN,
            ..Record::default()
        };
        let first = Record {
            timestamp: i64::MAX,
            ..Record::default()
        };
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(&first).unwrap();
        assert!(matches!(builder.push(&far), Err(Error::Timestamp { .. })));
    }
}
