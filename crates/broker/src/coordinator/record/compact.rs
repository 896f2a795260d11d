//! Texts, lists and tags of Kafka's newer, flexible encoding.

use std::sync::Arc;

use holdfast_wire::cursor::Cursor;

use super::Error;
use super::fields::CutShort;

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Lengths and counts are written plus one: zero is null.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize) -> Result<(), Error> {
    let count = u32::try_from(count)
        .ok()
        .and_then(|count| count.checked_add(1));
    put_varint(out, count.ok_or(Error::TooLong(usize::MAX))?);
    Ok(())
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    put_count(out, text.len())?;
    out.extend(text.as_bytes());
    Ok(())
}

pub(super) fn put_optional(out: &mut Vec<u8>, text: Option<&str>) -> Result<(), Error> {
    if let Some(text) = text {
        return put_text(out, text);
    }
    put_varint(out, 0);
    Ok(())
}

/// No fields beyond those of the version.
pub(super) fn put_no_tags(out: &mut Vec<u8>) {
    put_varint(out, 0);
}

/// One field beyond those of the version.
pub(super) fn put_tag(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) -> Result<(), Error> {
    let length = u32::try_from(bytes.len()).map_err(|_| Error::TooLong(bytes.len()))?;
    put_varint(out, 1);
    put_varint(out, tag);
    put_varint(out, length);
    out.extend(bytes);
    Ok(())
}

/// How many there are; none for null. Each takes a byte at least, which bounds the number.
fn count(cursor: &mut Cursor<'_>) -> Result<Option<usize>, CutShort> {
    let written = cursor.unsigned_varint().ok_or(CutShort)?;
    let written = usize::try_from(written).map_err(|_| CutShort)?;
    match written.checked_sub(1) {
        Some(count) if count > cursor.remaining() => Err(CutShort),
        count => Ok(count),
    }
}

/// How many there are of what may not be null.
pub(super) fn some(cursor: &mut Cursor<'_>) -> Option<usize> {
    count(cursor).ok()?
}

/// A text that may be null.
pub(super) fn optional(cursor: &mut Cursor<'_>) -> Result<Option<Arc<str>>, CutShort> {
    let Some(length) = count(cursor)? else {
        return Ok(None);
    };
    let bytes = cursor.take(length).ok_or(CutShort)?;
    let text = std::str::from_utf8(bytes).map_err(|_| CutShort)?;
    Ok(Some(Arc::from(text)))
}

pub(super) fn text(cursor: &mut Cursor<'_>) -> Option<Arc<str>> {
    optional(cursor).ok()?
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    put_count(out, bytes.len())?;
    out.extend(bytes);
    Ok(())
}

pub(super) fn bytes<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = some(cursor)?;
    cursor.take(length)
}

/// Tagged fields, each with its number; those that nobody asks for are skipped.
pub(super) fn tags<'a>(cursor: &mut Cursor<'a>) -> Option<Vec<(u32, &'a [u8])>> {
    let count = cursor.unsigned_varint()?;
    let mut tags = Vec::new();
    for _ in 0..count {
        let tag = cursor.unsigned_varint()?;
        let length = usize::try_from(cursor.unsigned_varint()?).ok()?;
        tags.push((tag, cursor.take(length)?));
    }
    Some(tags)
}
