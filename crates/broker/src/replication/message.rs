//! The bytes of replication messages.
//!
//! A frame is one byte, 0 for the end of a message or 1 if it goes on in the next frame, and a part
//! of the message. A message is a run of items: one byte for the kind, then
//! - Append: partition, header, number of batches, each batch with its length before it;
//! - Acked: partition and positions;
//! - Open, Start, Opened, Refused: a length and the fields by name (MessagePack), which may grow;
//! - Ping: nothing.
//!
//! Numbers are big-endian. Everything is bounded by what was received before it is allocated.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use holdfast_kernel::replica::{Acked, AppendHeader, Opened, RefusedReason, SessionId, Start};
use holdfast_model::{
    BrokerEpoch, BrokerId, Incarnation, LeaderEpoch, Offset, ReplicaId, TopicId, TopicPartition,
    limits,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A frame is filled up to this size; one batch may exceed it and is then cut into several.
pub const FRAME_BYTES: usize = 1024 * 1024;

/// The largest message: one largest batch and what goes before it.
const MESSAGE_BYTES: usize = limits::BATCH_BYTES + FRAME_BYTES;

/// One thing said about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The connection works.
    Ping,
    /// Leader: a conversation begins.
    Open(TopicPartition, Open),
    /// Leader: from where the follower goes on.
    Start(TopicPartition, Start),
    /// Leader: batches, or a high watermark alone.
    Append(TopicPartition, AppendHeader, Vec<Bytes>),
    /// Follower: where its log stands.
    Opened(TopicPartition, Opened),
    /// Follower: how far it has come.
    Acked(TopicPartition, Acked),
    /// Follower: why it does not follow.
    Refused(TopicPartition, Refused),
}

/// A conversation that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The leadership.
    pub leader_epoch: LeaderEpoch,
    /// The conversation.
    pub session: SessionId,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The conversation.
    pub session: SessionId,
    /// Why.
    pub reason: RefusedReason,
}

/// Why a message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end before the item does.
    #[error("replication message is cut short")]
    Truncated,
    /// An item of a kind that this version does not know.
    #[error("replication item of unknown kind {0}")]
    UnknownKind(u8),
    /// The fields of an item cannot be read.
    #[error("malformed replication item: {0}")]
    Malformed(String),
    /// More than any message may hold.
    #[error("replication message of more than {MESSAGE_BYTES} bytes")]
    TooLarge,
}

const PING: u8 = 0;
const OPEN: u8 = 1;
const START: u8 = 2;
const APPEND: u8 = 3;
const OPENED: u8 = 4;
const ACKED: u8 = 5;
const REFUSED: u8 = 6;

/// Writes an item at the end of a message.
pub fn encode(item: &Item, out: &mut BytesMut) {
    match item {
        Item::Ping => out.put_u8(PING),
        Item::Open(at, open) => put_fields(out, OPEN, *at, open),
        Item::Start(at, start) => put_fields(out, START, *at, start),
        Item::Opened(at, opened) => put_fields(out, OPENED, *at, opened),
        Item::Refused(at, refused) => put_fields(out, REFUSED, *at, refused),
        Item::Append(at, header, batches) => {
            put_append(out, *at, header, batches.iter().map(|batch| &batch[..]));
        }
        Item::Acked(at, acked) => {
            out.put_u8(ACKED);
            put_partition(out, *at);
            out.put_u64(acked.session.0);
            out.put_i32(acked.leader_epoch.0);
            out.put_i32(acked.replica.broker.0);
            out.put_u64(acked.replica.incarnation.0);
            out.put_u64(acked.broker_epoch.0);
            out.put_i64(acked.log_end.0);
            out.put_i64(acked.synced_end.0);
            out.put_i64(acked.log_start.0);
        }
    }
}

/// More than an Append has beside its batches.
const APPEND_BYTES: usize = 128;

/// Writes an Append without owning its batches.
pub fn put_append<'a>(
    out: &mut BytesMut,
    at: TopicPartition,
    header: &AppendHeader,
    batches: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
) {
    // Growing by halves would copy the batches again and again.
    let bytes: usize = batches
        .clone()
        .map(|batch| batch.len() + size_of::<u32>())
        .sum();
    out.reserve(bytes + APPEND_BYTES);
    out.put_u8(APPEND);
    put_partition(out, at);
    out.put_u64(header.session.0);
    out.put_i32(header.leader_epoch.0);
    out.put_i64(header.previous_end.0);
    out.put_i32(header.previous_epoch.0);
    out.put_i64(header.high_watermark.0);
    out.put_i64(header.log_start.0);
    out.put_u32(batches.len() as u32);
    for batch in batches {
        out.put_u32(batch.len() as u32);
        out.put_slice(batch);
    }
}

fn put_partition(out: &mut BytesMut, at: TopicPartition) {
    out.put_slice(at.topic.0.as_bytes());
    out.put_i32(at.partition);
}

fn put_fields<T: Serialize>(out: &mut BytesMut, kind: u8, at: TopicPartition, fields: &T) {
    let body = rmp_serde::to_vec_named(fields).expect("plain fields always serialise");
    out.put_u8(kind);
    put_partition(out, at);
    out.put_u32(body.len() as u32);
    out.put_slice(&body);
}

/// Cuts a message into frames.
pub fn into_frames(message: Bytes) -> impl Iterator<Item = Bytes> {
    let mut rest = message;
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let size = rest.len().min(FRAME_BYTES);
        let part = rest.split_to(size);
        done = rest.is_empty();
        let mut frame = BytesMut::with_capacity(part.len() + 1);
        frame.put_u8(u8::from(!done));
        frame.put(part);
        Some(frame.freeze())
    })
}

/// Puts frames together into messages.
#[derive(Debug, Default)]
pub struct Assembler {
    partial: BytesMut,
}

impl Assembler {
    /// Takes a frame; a message if it was the last of one.
    ///
    /// # Errors
    /// The frame is empty, or the message exceeds every bound.
    pub fn push(&mut self, mut frame: Bytes) -> Result<Option<Bytes>, Error> {
        if frame.is_empty() {
            return Err(Error::Truncated);
        }
        let goes_on = frame.get_u8() == 1;
        if !goes_on && self.partial.is_empty() {
            return Ok(Some(frame));
        }
        if self.partial.len() + frame.len() > MESSAGE_BYTES {
            return Err(Error::TooLarge);
        }
        self.partial.put(frame);
        Ok((!goes_on).then(|| self.partial.split().freeze()))
    }
}

/// Reads the next item of a message; none at its end. Batches are slices of the message.
///
/// # Errors
/// The message is malformed; its connection is to be closed.
pub fn decode(message: &mut Bytes) -> Result<Option<Item>, Error> {
    if message.is_empty() {
        return Ok(None);
    }
    let kind = message.get_u8();
    if kind == PING {
        return Ok(Some(Item::Ping));
    }
    let topic = Uuid::from_u128(message.try_get_u128().map_err(|_| Error::Truncated)?);
    let at = TopicPartition {
        topic: TopicId(topic),
        partition: int(message)?,
    };
    let item = match kind {
        OPEN => Item::Open(at, fields(message)?),
        START => Item::Start(at, fields(message)?),
        OPENED => Item::Opened(at, fields(message)?),
        REFUSED => Item::Refused(at, fields(message)?),
        APPEND => append(message, at)?,
        ACKED => {
            let session = SessionId(unsigned(message)?);
            let leader_epoch = LeaderEpoch(int(message)?);
            let replica = ReplicaId {
                broker: BrokerId(int(message)?),
                incarnation: Incarnation(unsigned(message)?),
            };
            Item::Acked(
                at,
                Acked {
                    session,
                    leader_epoch,
                    replica,
                    broker_epoch: BrokerEpoch(unsigned(message)?),
                    log_end: offset(message)?,
                    synced_end: offset(message)?,
                    log_start: offset(message)?,
                },
            )
        }
        _ => return Err(Error::UnknownKind(kind)),
    };
    Ok(Some(item))
}

fn append(message: &mut Bytes, at: TopicPartition) -> Result<Item, Error> {
    let header = AppendHeader {
        session: SessionId(unsigned(message)?),
        leader_epoch: LeaderEpoch(int(message)?),
        previous_end: offset(message)?,
        previous_epoch: LeaderEpoch(int(message)?),
        high_watermark: offset(message)?,
        log_start: offset(message)?,
    };
    let count = message.try_get_u32().map_err(|_| Error::Truncated)? as usize;
    // Each batch has at least its length: a claimed count reserves no more than what is there.
    let mut batches = Vec::with_capacity(count.min(message.remaining() / 4));
    for _ in 0..count {
        batches.push(slice(message)?);
    }
    Ok(Item::Append(at, header, batches))
}

fn slice(message: &mut Bytes) -> Result<Bytes, Error> {
    let length = message.try_get_u32().map_err(|_| Error::Truncated)? as usize;
    if length > message.len() {
        return Err(Error::Truncated);
    }
    Ok(message.split_to(length))
}

fn fields<T: for<'a> Deserialize<'a>>(message: &mut Bytes) -> Result<T, Error> {
    let body = slice(message)?;
    rmp_serde::from_slice(&body).map_err(|error| Error::Malformed(error.to_string()))
}

fn int(message: &mut Bytes) -> Result<i32, Error> {
    message.try_get_i32().map_err(|_| Error::Truncated)
}

fn unsigned(message: &mut Bytes) -> Result<u64, Error> {
    message.try_get_u64().map_err(|_| Error::Truncated)
}

fn offset(message: &mut Bytes) -> Result<Offset, Error> {
    message
        .try_get_i64()
        .map(Offset)
        .map_err(|_| Error::Truncated)
}

#[cfg(test)]
mod tests;
