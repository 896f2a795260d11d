//! Groups of the consumer protocol: Kafka's records of kind 3 and 5 to 8.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_kernel::group::{
    ClassicPart, ClassicProtocol, Current, GroupId, MemberState, MemberValue, ModernKey,
    ModernValue, Partitions, Subscription,
};
use holdfast_model::TopicId;
use holdfast_wire::cursor::Cursor;
use uuid::Uuid;

use super::Error;
use super::compact;
use super::fields::{put_i16, put_text, text};

const GROUP: i16 = 3;
const MEMBER: i16 = 5;
const TARGET_EPOCH: i16 = 6;
const TARGET: i16 = 7;
const CURRENT: i16 = 8;

const WHAT: &str = "a group of the consumer protocol";

/// The only version of every one of these values.
const VERSION: i16 = 0;

/// The tag of the hash of a group's topics.
const HASH: u32 = 0;

/// The tag of what a member says that speaks the classic protocol. Left out it would mean one without
/// a session, so that it is said to be null, as Kafka does.
const CLASSIC: u32 = 0;
const NULL: u8 = 0;
const PRESENT: u8 = 1;

pub(super) fn put_key(out: &mut Vec<u8>, group: &str, key: &ModernKey) -> Result<(), Error> {
    let (kind, member) = match key {
        ModernKey::Group => (GROUP, None),
        ModernKey::Member(id) => (MEMBER, Some(id)),
        ModernKey::TargetEpoch => (TARGET_EPOCH, None),
        ModernKey::Target(id) => (TARGET, Some(id)),
        ModernKey::Current(id) => (CURRENT, Some(id)),
    };
    put_i16(out, kind);
    put_text(out, group)?;
    member.map_or(Ok(()), |id| put_text(out, id))
}

/// The rest of a key of a kind; none if the kind is not one of these.
pub(super) fn key(
    kind: i16,
    cursor: &mut Cursor<'_>,
) -> Option<Result<(GroupId, ModernKey), Error>> {
    if !matches!(kind, GROUP | MEMBER..=CURRENT) {
        return None;
    }
    let mut read = || -> Option<(GroupId, ModernKey)> {
        let group = text(cursor)?;
        let key = match kind {
            GROUP => ModernKey::Group,
            TARGET_EPOCH => ModernKey::TargetEpoch,
            MEMBER => ModernKey::Member(text(cursor)?),
            TARGET => ModernKey::Target(text(cursor)?),
            _ => ModernKey::Current(text(cursor)?),
        };
        Some((group, key))
    };
    Some(read().ok_or(Error::Key))
}

pub(super) fn encode(value: &ModernValue) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    put_i16(&mut out, VERSION);
    match value {
        ModernValue::Group { epoch, topics_hash } => {
            out.extend(epoch.to_be_bytes());
            if *topics_hash == 0 {
                compact::put_no_tags(&mut out);
            } else {
                compact::put_tag(&mut out, HASH, &topics_hash.to_be_bytes())?;
            }
            return Ok(out);
        }
        ModernValue::Member(member) => {
            put_member(&mut out, member)?;
            let classic = classic_bytes(member.classic.as_ref())?;
            compact::put_tag(&mut out, CLASSIC, &classic)?;
            return Ok(out);
        }
        ModernValue::TargetEpoch(epoch) => out.extend(epoch.to_be_bytes()),
        ModernValue::Target(partitions) => put_partitions(&mut out, partitions)?,
        ModernValue::Current(current) => {
            out.extend(current.epoch.to_be_bytes());
            out.extend(current.previous_epoch.to_be_bytes());
            out.push(match current.state {
                MemberState::Stable => 0,
                MemberState::Unrevoked => 1,
                MemberState::Unreleased => 2,
            });
            put_partitions(&mut out, &current.assigned)?;
            put_partitions(&mut out, &current.revoking)?;
        }
    }
    compact::put_no_tags(&mut out);
    Ok(out)
}

fn put_member(out: &mut Vec<u8>, member: &MemberValue) -> Result<(), Error> {
    compact::put_optional(out, member.instance.as_deref())?;
    compact::put_optional(out, member.rack.as_deref())?;
    compact::put_text(out, &member.client_id)?;
    compact::put_text(out, &member.client_host)?;
    compact::put_count(out, member.subscription.topics.len())?;
    for topic in &*member.subscription.topics {
        compact::put_text(out, topic)?;
    }
    compact::put_optional(out, member.subscription.regex.as_deref())?;
    out.extend(member.rebalance_timeout_ms.to_be_bytes());
    compact::put_optional(out, member.assignor.as_deref())
}

fn classic_bytes(classic: Option<&ClassicPart>) -> Result<Vec<u8>, Error> {
    let Some(classic) = classic else {
        return Ok(vec![NULL]);
    };
    let mut out = vec![PRESENT];
    out.extend(classic.session_timeout_ms.to_be_bytes());
    compact::put_count(&mut out, classic.protocols.len())?;
    for protocol in &*classic.protocols {
        compact::put_text(&mut out, &protocol.name)?;
        compact::put_bytes(&mut out, &protocol.metadata)?;
        compact::put_no_tags(&mut out);
    }
    compact::put_no_tags(&mut out);
    Ok(out)
}

fn put_partitions(out: &mut Vec<u8>, partitions: &Partitions) -> Result<(), Error> {
    compact::put_count(out, partitions.len())?;
    for (topic, set) in partitions {
        out.extend(topic.0.as_bytes());
        compact::put_count(out, set.len())?;
        for partition in set {
            out.extend(partition.to_be_bytes());
        }
        compact::put_no_tags(out);
    }
    Ok(())
}

pub(super) fn decode(key: &ModernKey, bytes: &[u8]) -> Result<ModernValue, Error> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.i16().ok_or(Error::Value(WHAT))?;
    if version != VERSION {
        let what = WHAT;
        return Err(Error::Version { what, version });
    }
    whole(key, &mut cursor).ok_or(Error::Value(WHAT))
}

/// The fields of the version, and those that came later.
fn whole(key: &ModernKey, cursor: &mut Cursor<'_>) -> Option<ModernValue> {
    let mut value = body(key, cursor)?;
    for (tag, bytes) in compact::tags(cursor)? {
        match &mut value {
            ModernValue::Group { topics_hash, .. } if tag == HASH => {
                *topics_hash = i64::from_be_bytes(bytes.try_into().ok()?);
            }
            ModernValue::Member(member) if tag == CLASSIC && !is_null(bytes) => {
                member.classic = Some(classic(bytes)?);
            }
            _ => {}
        }
    }
    Some(value)
}

/// Whether a member says nothing in the classic protocol.
fn is_null(bytes: &[u8]) -> bool {
    bytes.first() == Some(&NULL)
}

/// What a member says in the classic protocol.
fn classic(bytes: &[u8]) -> Option<ClassicPart> {
    let mut cursor = Cursor::new(bytes);
    cursor.unsigned_varint()?;
    let session_timeout_ms = cursor.i32()?;
    let count = compact::some(&mut cursor)?;
    let protocols = (0..count).map(|_| {
        let name = compact::text(&mut cursor)?;
        let metadata = Arc::from(compact::bytes(&mut cursor)?);
        compact::tags(&mut cursor)?;
        Some(ClassicProtocol { name, metadata })
    });
    let protocols: Option<Vec<ClassicProtocol>> = protocols.collect();
    Some(ClassicPart {
        session_timeout_ms,
        protocols: protocols?.into(),
    })
}

fn body(key: &ModernKey, cursor: &mut Cursor<'_>) -> Option<ModernValue> {
    Some(match key {
        ModernKey::Group => ModernValue::Group {
            epoch: cursor.i32()?,
            topics_hash: 0,
        },
        ModernKey::Member(_) => ModernValue::Member(member(cursor)?),
        ModernKey::TargetEpoch => ModernValue::TargetEpoch(cursor.i32()?),
        ModernKey::Target(_) => ModernValue::Target(partitions(cursor)?),
        ModernKey::Current(_) => {
            let (epoch, previous_epoch) = (cursor.i32()?, cursor.i32()?);
            let state = match cursor.i8()? {
                0 => MemberState::Stable,
                1 => MemberState::Unrevoked,
                2 => MemberState::Unreleased,
                _ => return None,
            };
            ModernValue::Current(Current {
                epoch,
                previous_epoch,
                state,
                assigned: partitions(cursor)?,
                revoking: partitions(cursor)?,
            })
        }
    })
}

fn member(cursor: &mut Cursor<'_>) -> Option<MemberValue> {
    let instance = compact::optional(cursor).ok()?;
    let rack = compact::optional(cursor).ok()?;
    let client_id = compact::text(cursor)?;
    let client_host = compact::text(cursor)?;
    let count = compact::some(cursor)?;
    let topics: Option<Vec<Arc<str>>> = (0..count).map(|_| compact::text(cursor)).collect();
    let regex = compact::optional(cursor).ok()?;
    Some(MemberValue {
        instance,
        rack,
        client_id,
        client_host,
        subscription: Subscription {
            topics: topics?.into(),
            regex,
        },
        rebalance_timeout_ms: cursor.i32()?,
        assignor: compact::optional(cursor).ok()?,
        classic: None,
    })
}

fn partitions(cursor: &mut Cursor<'_>) -> Option<Partitions> {
    let count = compact::some(cursor)?;
    let mut all = BTreeMap::new();
    for _ in 0..count {
        let topic = TopicId(Uuid::from_slice(cursor.take(16)?).ok()?);
        let count = compact::some(cursor)?;
        let set: Option<BTreeSet<i32>> = (0..count).map(|_| cursor.i32()).collect();
        compact::tags(cursor)?;
        all.insert(topic, set?);
    }
    Some(all)
}
