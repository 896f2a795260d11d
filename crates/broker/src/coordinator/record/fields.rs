//! Texts and blobs of Kafka's older, fixed-length encoding.

use std::sync::Arc;

use holdfast_wire::cursor::Cursor;

use super::Error;

pub(super) fn put_i16(out: &mut Vec<u8>, value: i16) {
    out.extend(value.to_be_bytes());
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    let length = i16::try_from(text.len()).map_err(|_long| Error::TooLong(text.len()))?;
    put_i16(out, length);
    out.extend(text.as_bytes());
    Ok(())
}

pub(super) fn put_optional(out: &mut Vec<u8>, text: Option<&str>) -> Result<(), Error> {
    let Some(text) = text else {
        put_i16(out, -1);
        return Ok(());
    };
    put_text(out, text)
}

pub(super) fn put_blob(out: &mut Vec<u8>, blob: &[u8]) -> Result<(), Error> {
    let length = i32::try_from(blob.len()).map_err(|_long| Error::TooLong(blob.len()))?;
    out.extend(length.to_be_bytes());
    out.extend(blob);
    Ok(())
}

pub(super) fn text(cursor: &mut Cursor<'_>) -> Option<Arc<str>> {
    let length = usize::try_from(cursor.i16()?).ok()?;
    text_of(cursor, length)
}

fn text_of(cursor: &mut Cursor<'_>, length: usize) -> Option<Arc<str>> {
    let bytes = cursor.take(length)?;
    std::str::from_utf8(bytes).ok().map(Arc::from)
}

/// A text is cut short.
pub(super) struct CutShort;

/// A text that may be null.
pub(super) fn optional(cursor: &mut Cursor<'_>) -> Result<Option<Arc<str>>, CutShort> {
    match cursor.i16().ok_or(CutShort)? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_negative| CutShort)?;
            text_of(cursor, length).map(Some).ok_or(CutShort)
        }
    }
}

pub(super) fn blob(cursor: &mut Cursor<'_>) -> Option<Arc<[u8]>> {
    let length = usize::try_from(cursor.i32()?).ok()?;
    cursor.take(length).map(Arc::from)
}
