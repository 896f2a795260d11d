//! Followers that are too far behind for the tail: their records come from the disk, on a stream of
//! their own, so that the tail is never behind them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use holdfast_kernel::replica::AppendHeader;
use holdfast_model::{Offset, TopicPartition};
use holdfast_rpc::{Class, Request, limits};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Peer;
use super::message::{self, FRAME_BYTES};
use super::sender::Links;
use crate::partition::Partition;

/// Bytes read and sent at once for one partition. The next piece is sent once the follower has the
/// last: a catch-up costs its follower at most this much of its write queue.
const PIECE_BYTES: usize = 2 * FRAME_BYTES;

/// How long a follower may take to take in one piece.
const PIECE_TIMEOUT: Duration = Duration::from_secs(10);

/// The rate at which one follower is brought up, in bytes a second: the rest of disk and network is
/// for the tail.
const BYTES_PER_SECOND: u64 = 128 * 1024 * 1024;

const RETRY: Duration = Duration::from_millis(100);

/// Serves a peer's catch-ups for as long as the process runs.
pub async fn run(peer: Arc<Peer>, links: Links) {
    let stop = links.tasks.shutdown_token();
    loop {
        tokio::select! {
            // Cancel-safe: partitions that still need it ask again with their next conversation.
            biased;
            () = stop.cancelled() => return,
            reason = serve(&peer, &links) => {
                tracing::debug!(peer = %peer.id, reason, "catch-up stream ended");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn serve(peer: &Peer, links: &Links) -> String {
    peer.catch_up.wait().await;
    let Some(to) = peer.target.borrow().clone() else {
        return "not registered".to_owned();
    };
    let channel = match links.channels.get(&to.address, Class::CatchUp) {
        Ok(channel) => channel,
        Err(error) => return error.to_string(),
    };
    let (frames, outgoing) = mpsc::channel::<Bytes>(2);
    let mut request = Request::new(ReceiverStream::new(outgoing));
    links.identity.introduce(request.metadata_mut());
    let mut client = limits::replication_client(channel);
    let response = match tokio::time::timeout(PIECE_TIMEOUT, client.catch_up(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(status)) => return status.message().to_owned(),
        Err(_elapsed) => return "no answer".to_owned(),
    };
    // Refusals on this stream close conversations; acknowledgements come on the other.
    let mut incoming = response.into_inner();
    let drain = async { while matches!(incoming.message().await, Ok(Some(_))) {} };
    let reason = tokio::select! {
        biased;
        reason = pieces(peer, links, &frames) => reason,
        () = drain => "closed by the follower".to_owned(),
    };
    begin_again(peer, links);
    reason
}

/// The stream broke: what was on its way may not have arrived. Every partition that was being brought
/// up begins again, with a new conversation.
fn begin_again(peer: &Peer, links: &Links) {
    let _all_of_them = peer.catch_up.take();
    for partition in links.partitions.all() {
        if partition.is_catching_up(peer.id) {
            partition.link_lost(peer.id);
            let peers = &links.partitions.environment().peers;
            peers.queue_later(peer.id, partition.at());
        }
    }
}

async fn pieces(peer: &Peer, links: &Links, frames: &mpsc::Sender<Bytes>) -> String {
    loop {
        peer.catch_up.wait().await;
        for at in peer.catch_up.take() {
            let Some(partition) = links.partitions.get(at) else {
                continue;
            };
            match piece(peer, links, &partition, frames).await {
                Ok(true) => peer.catch_up.add(at),
                Ok(false) => {}
                Err(reason) => return reason,
            }
        }
    }
}

/// Sends one piece and waits until the follower has it; true if there is more.
async fn piece(
    peer: &Peer,
    links: &Links,
    partition: &Arc<Partition>,
    frames: &mpsc::Sender<Bytes>,
) -> Result<bool, String> {
    let Some((header, up_to)) = partition.catch_up_from(peer.id) else {
        return Ok(false);
    };
    let (batches, end) = read(links, partition, &header, up_to).await?;
    let size: usize = batches.iter().map(Bytes::len).sum();
    let mut out = BytesMut::with_capacity(size + 1024);
    message::put_append(
        &mut out,
        partition.at(),
        &header,
        batches.iter().map(|b| &b[..]),
    );
    for frame in message::into_frames(out.freeze()) {
        frames
            .send(frame)
            .await
            .map_err(|_| "closed by the transport".to_owned())?;
    }
    partition.caught_up_to(peer.id, &header, end);
    let pace = Duration::from_micros(size as u64 * 1_000_000 / BYTES_PER_SECOND);
    let arrived = tokio::time::timeout(PIECE_TIMEOUT, async {
        tokio::time::sleep(pace).await;
        wait_for(peer, partition, &header, end).await
    });
    match arrived.await {
        Ok(goes_on) => Ok(goes_on),
        Err(_elapsed) => Err(format!("follower did not take {} in", partition.at())),
    }
}

/// Waits until the follower's log reaches `end`; false if the conversation is over.
async fn wait_for(peer: &Peer, partition: &Partition, header: &AppendHeader, end: Offset) -> bool {
    loop {
        match partition.follower_end(peer.id) {
            Some((session, reached)) if session == header.session => {
                if reached >= end {
                    return true;
                }
            }
            _ => return false,
        }
        // A wake between the look and the wait only costs one interval.
        let woken = tokio::time::timeout(Duration::from_millis(20), peer.acked.notified());
        let _either_way = woken.await;
    }
}

async fn read(
    links: &Links,
    partition: &Arc<Partition>,
    header: &AppendHeader,
    up_to: Offset,
) -> Result<(Vec<Bytes>, Offset), String> {
    let at: TopicPartition = partition.at();
    let from = header.previous_end;
    let environment = Arc::clone(links.partitions.environment());
    let reading =
        tokio::task::spawn_blocking(move || environment.store.read(at, from, up_to, PIECE_BYTES));
    let found = reading.await.map_err(|error| error.to_string())?;
    let found = found.map_err(|error| {
        let code = partition.on_read_error(from, &error);
        format!("{error} ({code:?})")
    })?;
    let end = found.last().map(|batch| batch.info.end_offset());
    let end = end.ok_or_else(|| format!("nothing on disk at {from} of {at}"))?;
    Ok((found.into_iter().map(|batch| batch.bytes).collect(), end))
}
