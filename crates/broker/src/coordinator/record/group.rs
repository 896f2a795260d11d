//! Groups of the classic protocol.

use holdfast_kernel::group::{GroupValue, StoredMember};
use holdfast_wire::cursor::Cursor;

use super::super::topics_of;
use super::Error;
use super::fields::{blob, optional, put_blob, put_i16, put_optional, put_text, text};

const WHAT: &str = "a group";

/// Members have rebalance time-outs since.
const REBALANCE: i16 = 1;
/// The time of the state is told since.
const CHANGED: i16 = 2;
/// Members may have names since.
const INSTANCE: i16 = 3;

pub(super) fn encode(value: &GroupValue) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    put_i16(&mut out, INSTANCE);
    put_text(&mut out, &value.protocol_type)?;
    out.extend(value.generation.to_be_bytes());
    put_optional(&mut out, value.protocol.as_deref())?;
    put_optional(&mut out, value.leader.as_deref())?;
    out.extend(value.changed_ms.to_be_bytes());
    let count = value.members.len();
    let count = i32::try_from(count).map_err(|_many| Error::TooLong(count))?;
    out.extend(count.to_be_bytes());
    for member in &value.members {
        put_text(&mut out, &member.id)?;
        put_optional(&mut out, member.instance.as_deref())?;
        put_text(&mut out, &member.client_id)?;
        put_text(&mut out, &member.client_host)?;
        out.extend(member.rebalance_timeout_ms.to_be_bytes());
        out.extend(member.session_timeout_ms.to_be_bytes());
        put_blob(&mut out, &member.subscription)?;
        put_blob(&mut out, &member.assignment)?;
    }
    Ok(out)
}

pub(super) fn decode(bytes: &[u8]) -> Result<GroupValue, Error> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.i16().ok_or(Error::Value(WHAT))?;
    if !(0..=INSTANCE).contains(&version) {
        let what = WHAT;
        return Err(Error::Version { what, version });
    }
    body(&mut cursor, version).ok_or(Error::Value(WHAT))
}

fn body(cursor: &mut Cursor<'_>, version: i16) -> Option<GroupValue> {
    let protocol_type = text(cursor)?;
    let generation = cursor.i32()?;
    let protocol = optional(cursor).ok()?;
    let leader = optional(cursor).ok()?;
    let changed_ms = if version >= CHANGED {
        cursor.i64()?
    } else {
        -1
    };
    let count = usize::try_from(cursor.i32()?).ok()?;
    // A member takes more bytes than this.
    if count > cursor.remaining() {
        return None;
    }
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(member(cursor, version, &protocol_type)?);
    }
    Some(GroupValue {
        protocol_type,
        generation,
        protocol,
        leader,
        changed_ms,
        members,
    })
}

fn member(cursor: &mut Cursor<'_>, version: i16, kind: &str) -> Option<StoredMember> {
    let id = text(cursor)?;
    let instance = if version >= INSTANCE {
        optional(cursor).ok()?
    } else {
        None
    };
    let client_id = text(cursor)?;
    let client_host = text(cursor)?;
    let rebalance = if version >= REBALANCE {
        Some(cursor.i32()?)
    } else {
        None
    };
    let session_timeout_ms = cursor.i32()?;
    let subscription = blob(cursor)?;
    let topics = topics_of(kind, &subscription);
    Some(StoredMember {
        id,
        instance,
        client_id,
        client_host,
        // The first version had one time-out for both.
        rebalance_timeout_ms: rebalance.unwrap_or(session_timeout_ms),
        session_timeout_ms,
        subscription,
        topics,
        assignment: blob(cursor)?,
    })
}
