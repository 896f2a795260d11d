//! Asks one broker for batches.

use std::time::Duration;

use bytes::Bytes;
use holdfast_model::{BatchInfo, Offset, TopicPartition};
use holdfast_rpc::proto::{FetchBatchesReply, FetchBatchesRequest};
use holdfast_rpc::{Channels, Class, Error, Identity, Request, call, limits};

use super::name;
use crate::replication::PeerTarget;

/// How long one answer may take: a few batches, read from a disk that may be busy.
const ANSWER: Duration = Duration::from_secs(10);

/// What a replica said of the batches that it was asked for.
#[derive(Debug)]
pub(super) struct Answered {
    /// The first offset of its log.
    pub(super) log_start: Offset,
    /// For each batch asked for, in order, as far as the answer went: its bytes, or that it is not there, or
    /// nothing.
    pub(super) batches: Vec<Held>,
}

/// One batch of an answer; not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Batch(Bytes),
    Absent,
    Unknown,
}

/// Asks a broker for batches of a partition.
///
/// # Errors
/// Why nothing came of it, in words.
pub(super) async fn ask(
    channels: &Channels,
    identity: &Identity,
    peer: &PeerTarget,
    at: TopicPartition,
    batches: &[BatchInfo],
) -> Result<Answered, String> {
    let request = FetchBatchesRequest {
        envelope: Some(identity.envelope()),
        topic_id: Bytes::copy_from_slice(at.topic.0.as_bytes()),
        partition: at.partition,
        names: batches.iter().map(name).collect(),
    };
    let channel = channels
        .get(&peer.address, Class::CatchUp)
        .map_err(|error| error.to_string())?;
    let mut client = limits::repair_client(channel);
    let asked = client.fetch_batches(Request::new(request));
    let reply = call(ANSWER, asked)
        .await
        .map_err(|error: Error| error.to_string())?;
    let sender = identity
        .check(reply.envelope.as_ref())
        .map_err(|status| status.message().to_owned())?;
    if sender.replica != peer.replica {
        channels.forget(&peer.address);
        return Err(format!("disk {} answers there", sender.replica));
    }
    read(reply, batches.len())
}

fn read(reply: FetchBatchesReply, asked: usize) -> Result<Answered, String> {
    if !reply.replica {
        return Err("it has no replica of it".to_owned());
    }
    let batches =
        reply
            .batches
            .into_iter()
            .take(asked)
            .map(|one| match (one.batch.is_empty(), one.absent) {
                (false, _) => Held::Batch(one.batch),
                (true, true) => Held::Absent,
                (true, false) => Held::Unknown,
            });
    Ok(Answered {
        log_start: Offset(reply.log_start.max(0)),
        batches: batches.collect(),
    })
}
