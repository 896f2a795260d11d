//! Committed offsets.

use std::sync::Arc;

use holdfast_kernel::group::CommittedOffset;
use holdfast_model::TopicId;
use holdfast_wire::cursor::Cursor;
use uuid::Uuid;

use super::fields::{put_i16, put_text, text};
use super::{Error, compact};

const WHAT: &str = "a committed offset";

/// It expires at a time of its own.
const EXPIRES: i16 = 1;
/// It has the leader epoch of the last record read.
const EPOCH: i16 = 3;
/// It has the topic's id.
const TOPIC_ID: i16 = 4;

/// The tagged field with the topic's id.
const TOPIC_ID_TAG: u32 = 0;

pub(super) fn encode(value: &CommittedOffset) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    if let Some(expires) = value.expires_ms {
        put_i16(&mut out, EXPIRES);
        out.extend(value.offset.to_be_bytes());
        put_text(&mut out, &value.metadata)?;
        out.extend(value.committed_ms.to_be_bytes());
        out.extend(expires.to_be_bytes());
        return Ok(out);
    }
    let id = value.topic_id.0;
    put_i16(&mut out, if id.is_nil() { EPOCH } else { TOPIC_ID });
    out.extend(value.offset.to_be_bytes());
    out.extend(value.leader_epoch.to_be_bytes());
    if id.is_nil() {
        put_text(&mut out, &value.metadata)?;
        out.extend(value.committed_ms.to_be_bytes());
        return Ok(out);
    }
    compact::put_text(&mut out, &value.metadata)?;
    out.extend(value.committed_ms.to_be_bytes());
    compact::put_tag(&mut out, TOPIC_ID_TAG, id.as_bytes())?;
    Ok(out)
}

pub(super) fn decode(bytes: &[u8]) -> Result<CommittedOffset, Error> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.i16().ok_or(Error::Value(WHAT))?;
    if !(0..=TOPIC_ID).contains(&version) {
        let what = WHAT;
        return Err(Error::Version { what, version });
    }
    body(&mut cursor, version).ok_or(Error::Value(WHAT))
}

fn body(cursor: &mut Cursor<'_>, version: i16) -> Option<CommittedOffset> {
    let offset = cursor.i64()?;
    let leader_epoch = if version >= EPOCH { cursor.i32()? } else { -1 };
    let metadata: Arc<str> = if version >= TOPIC_ID {
        compact::text(cursor)?
    } else {
        text(cursor)?
    };
    let committed_ms = cursor.i64()?;
    let expires_ms = if version == EXPIRES {
        Some(cursor.i64()?).filter(|expires| *expires >= 0)
    } else {
        None
    };
    let topic_id = if version >= TOPIC_ID {
        topic_id(cursor)?
    } else {
        Uuid::nil()
    };
    Some(CommittedOffset {
        offset,
        leader_epoch,
        metadata,
        committed_ms,
        expires_ms,
        topic_id: TopicId(topic_id),
    })
}

fn topic_id(cursor: &mut Cursor<'_>) -> Option<Uuid> {
    let mut id = Uuid::nil();
    for (tag, field) in compact::tags(cursor)? {
        if tag == TOPIC_ID_TAG {
            id = Uuid::from_slice(field).ok()?;
        }
    }
    Some(id)
}
