//! Visiting the records of a batch as slices.

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;

use holdfast_model::{Offset, TimestampType};

use super::Error;
use crate::batch::{BatchHeader, HEADER_BYTES};
use crate::codec::{self, CappedReader, Codec};
use crate::cursor::Cursor;

const WINDOW_BYTES: usize = 16 * 1024;

/// One record, borrowed from its batch or from the decompressed piece of it.
#[derive(Debug, Clone)]
pub struct RecordView<'a> {
    /// Its offset.
    pub offset: Offset,
    /// Its offset, relative to that of the batch.
    pub offset_delta: i32,
    /// Its timestamp, milliseconds since 1970: the append time where the batch has one.
    pub timestamp: i64,
    /// Its key; `None` for null.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` for null.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order, duplicates included.
    pub headers: Headers<'a>,
}

/// The headers of a record, as pairs of key and value. They were checked when the record was read.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    cursor: Cursor<'a>,
    left: u32,
}

impl Headers<'_> {
    /// How many headers are left.
    pub fn count_left(&self) -> u32 {
        self.left
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let key = field(&mut self.cursor).ok()??;
        let value = field(&mut self.cursor).ok()?;
        Some((key, value))
    }
}

/// Whether a visitor wants to see more.
pub type Visit = ControlFlow<()>;

/// Shows each record of one whole batch to a visitor, in order, until it breaks. Takes batches with
/// gaps between offsets too, as compaction leaves them. Memory: one record at a time where the
/// batch is compressed, nothing otherwise.
pub fn for_each_record(
    batch: &[u8],
    mut visit: impl FnMut(RecordView<'_>) -> Visit,
) -> Result<(), Error> {
    let header = BatchHeader::parse_whole(batch)?;
    let payload = batch.get(HEADER_BYTES..).unwrap_or_default();
    let codec = header.attributes.codec()?;
    if codec == Codec::None {
        return visit_slice(&header, payload, &mut visit);
    }
    let reader = codec::reader(codec, payload, codec::output_cap(payload.len()))?;
    visit_stream(
        &header,
        BufReader::with_capacity(WINDOW_BYTES, reader),
        &mut visit,
    )
}

fn visit_slice(
    header: &BatchHeader,
    payload: &[u8],
    visit: &mut impl FnMut(RecordView<'_>) -> Visit,
) -> Result<(), Error> {
    let mut cursor = Cursor::new(payload);
    let mut previous = -1;
    for index in 0..header.record_count {
        let length = cursor.varint().ok_or(Error::Truncated { index })?;
        let length = usize::try_from(length).map_err(|_| Error::Field {
            index,
            field: "length",
        })?;
        let body = cursor.take(length).ok_or(Error::Truncated { index })?;
        let record = parse(header, index, body, &mut previous)?;
        if visit(record).is_break() {
            return Ok(());
        }
    }
    if cursor.remaining() != 0 {
        return Err(Error::Leftover {
            count: header.record_count,
        });
    }
    Ok(())
}

fn visit_stream(
    header: &BatchHeader,
    mut input: BufReader<CappedReader<'_>>,
    visit: &mut impl FnMut(RecordView<'_>) -> Visit,
) -> Result<(), Error> {
    let mut body = Vec::new();
    let mut previous = -1;
    for index in 0..header.record_count {
        let length = read_length(&mut input, index)?;
        body.clear();
        // Grows with the bytes that come, not with the length that is claimed.
        let read = input.by_ref().take(length).read_to_end(&mut body);
        let read = read.map_err(|error| Error::Codec(input.get_ref().error(&error)))?;
        if (read as u64) < length {
            return Err(Error::Truncated { index });
        }
        let record = parse(header, index, &body, &mut previous)?;
        if visit(record).is_break() {
            return Ok(());
        }
    }
    let at_end = input.fill_buf().map(<[u8]>::is_empty);
    match at_end {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Leftover {
            count: header.record_count,
        }),
        Err(error) => Err(Error::Codec(input.get_ref().error(&error))),
    }
}

fn read_length(input: &mut BufReader<CappedReader<'_>>, index: i32) -> Result<u64, Error> {
    let mut prefix = [0u8; 5];
    let mut used = 0usize;
    for slot in &mut prefix {
        let mut one = [0u8; 1];
        match input.read(&mut one) {
            Ok(1) => {}
            Ok(_) => return Err(Error::Truncated { index }),
            Err(error) => return Err(Error::Codec(input.get_ref().error(&error))),
        }
        let [byte] = one;
        *slot = byte;
        used += 1;
        if byte < 0x80 {
            break;
        }
    }
    let bytes = prefix.get(..used).unwrap_or_default();
    Cursor::new(bytes)
        .varint()
        .and_then(|length| u64::try_from(length).ok())
        .ok_or(Error::Field {
            index,
            field: "length",
        })
}

/// Parses the bytes of one record behind its length. Offsets must grow and stay within the batch.
fn parse<'a>(
    header: &BatchHeader,
    index: i32,
    body: &'a [u8],
    previous: &mut i32,
) -> Result<RecordView<'a>, Error> {
    let fault = |field| Error::Field { index, field };
    let mut cursor = Cursor::new(body);
    cursor.u8().ok_or(fault("attributes"))?;
    let timestamp_delta = cursor.varlong().ok_or(fault("timestamp delta"))?;
    let offset_delta = cursor.varint().ok_or(fault("offset delta"))?;
    if offset_delta <= *previous || offset_delta > header.last_offset_delta {
        return Err(fault("offset delta"));
    }
    *previous = offset_delta;
    let timestamp = match header.attributes.timestamp_type() {
        TimestampType::LogAppendTime => header.max_timestamp,
        TimestampType::CreateTime => header
            .base_timestamp
            .checked_add(timestamp_delta)
            .ok_or(fault("timestamp delta"))?,
    };
    let key = field(&mut cursor).map_err(|_| fault("key length"))?;
    let value = field(&mut cursor).map_err(|_| fault("value length"))?;
    let headers = headers(&mut cursor).ok_or(fault("headers"))?;
    Ok(RecordView {
        offset: Offset(header.base_offset.0.saturating_add(i64::from(offset_delta))),
        offset_delta,
        timestamp,
        key,
        value,
        headers,
    })
}

/// Checks the headers up to the end of the record.
fn headers<'a>(cursor: &mut Cursor<'a>) -> Option<Headers<'a>> {
    let left = u32::try_from(cursor.varint()?).ok()?;
    if left as usize > cursor.remaining() / 2 {
        return None;
    }
    let start = cursor.clone();
    for _ in 0..left {
        field(cursor).ok()??;
        field(cursor).ok()?;
    }
    (cursor.remaining() == 0).then_some(Headers {
        cursor: start,
        left,
    })
}

/// A length that reaches beyond the record, or is impossible.
struct Malformed;

/// A field with its length in front; -1 is null.
fn field<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Malformed> {
    match cursor.varint().ok_or(Malformed)? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| Malformed)?;
            cursor.take(length).map(Some).ok_or(Malformed)
        }
    }
}
