//! The stream to one follower broker.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use holdfast_model::TopicPartition;
use holdfast_rpc::{Channels, Class, Identity, Request, Streaming, limits};
use holdfast_runtime::tasks::{Class as TaskClass, Tasks};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::message::{self, Assembler, FRAME_BYTES, Item, Open};
use super::{Peer, PeerTarget};
use crate::partition::NextAppend;
use crate::partitions::Partitions;

/// Frames that wait for the transport: enough to keep it busy, few enough that nothing grows old.
const FRAMES_IN_FLIGHT: usize = 4;

/// How often things that may wait are sent, and how often an idle connection says that it works.
const LATER_INTERVAL: Duration = Duration::from_millis(20);
const PING_INTERVAL: Duration = Duration::from_millis(100);

/// How long the opening of a stream may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause between two tries to open a stream.
const RETRY: Duration = Duration::from_millis(50);

/// What the streams to all peers share.
#[derive(Clone, Debug)]
pub struct Links {
    /// The partitions of this broker.
    pub partitions: Arc<Partitions>,
    /// The connections.
    pub channels: Channels,
    /// Who we are.
    pub identity: Identity,
    /// Who watches tasks.
    pub tasks: Tasks,
}

/// Keeps a stream to a peer for as long as the process runs.
pub async fn run(peer: Arc<Peer>, links: Links) {
    let mut target = peer.target.subscribe();
    let stop = links.tasks.shutdown_token();
    while !stop.is_cancelled() {
        let Some(to) = target.borrow_and_update().clone() else {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = target.changed() => if changed.is_err() { return },
            }
            continue;
        };
        tokio::select! {
            // Cancel-safe: whatever was under way, the conversations begin anew with the next link.
            biased;
            () = stop.cancelled() => return,
            _ = target.changed() => {}
            reason = serve(&peer, &to, &links) => {
                tracing::debug!(peer = %peer.id, reason, "replication stream ended");
                tokio::time::sleep(RETRY).await;
            }
        }
        links
            .partitions
            .for_each(|partition| partition.link_lost(peer.id));
    }
}

/// Opens one stream and serves it until it breaks; says why.
async fn serve(peer: &Arc<Peer>, to: &PeerTarget, links: &Links) -> String {
    let channel = match links.channels.get(&to.address, Class::Replication) {
        Ok(channel) => channel,
        Err(error) => return error.to_string(),
    };
    let (frames, outgoing) = mpsc::channel::<Bytes>(FRAMES_IN_FLIGHT);
    let mut request = Request::new(ReceiverStream::new(outgoing));
    links.identity.introduce(request.metadata_mut());
    let mut client = limits::replication_client(channel);
    // The answer's headers come at once; a peer that is gone must not hold the loop.
    let opened = tokio::time::timeout(OPEN_TIMEOUT, client.replicate(request)).await;
    let response = match opened {
        Ok(Ok(response)) => response,
        Ok(Err(status)) => return status.message().to_owned(),
        Err(_elapsed) => return "no answer".to_owned(),
    };
    match links.identity.check_stream(response.metadata()) {
        Ok(sender) if sender.replica == to.replica => {}
        Ok(sender) => {
            // Its address is another broker's by now.
            links.channels.forget(&to.address);
            return format!("{} answered, not {}", sender.replica, to.replica);
        }
        Err(status) => return status.message().to_owned(),
    }
    let environment = links.partitions.environment();
    let link = environment.peers.next_link();
    let mut incoming = Box::pin(receive(
        Arc::clone(peer),
        links.clone(),
        response.into_inner(),
    ));
    let receiving = links
        .tasks
        .spawn("replication-acks", TaskClass::Job, async move {
            incoming.as_mut().await;
        });
    links
        .partitions
        .for_each(|partition| environment.peers.queue(peer.id, partition.at()));
    let reason = send(peer, links, link, &frames).await;
    receiving.abort();
    reason
}

async fn send(peer: &Peer, links: &Links, link: u64, frames: &mpsc::Sender<Bytes>) -> String {
    let mut later = tokio::time::interval(LATER_INTERVAL);
    let mut ping = tokio::time::interval(PING_INTERVAL);
    loop {
        tokio::select! {
            // Cancel-safe: each arm only says that there is something to do.
            biased;
            () = peer.dirty.wait() => {}
            _ = later.tick() => peer.later.take().into_iter().for_each(|at| peer.dirty.add(at)),
            _ = ping.tick() => {
                let mut out = BytesMut::new();
                message::encode(&Item::Ping, &mut out);
                if push(frames, out).await.is_err() {
                    return "closed by the transport".to_owned();
                }
            }
        }
        if fill(peer, links, link, frames).await.is_err() {
            return "closed by the transport".to_owned();
        }
    }
}

/// Sends what the dirty partitions have, in messages of about one frame.
async fn fill(
    peer: &Peer,
    links: &Links,
    link: u64,
    frames: &mpsc::Sender<Bytes>,
) -> Result<(), ()> {
    let mut out = BytesMut::new();
    for at in peer.dirty.take() {
        append_next(peer, links, link, at, &mut out);
        if out.len() >= FRAME_BYTES / 2 {
            push(frames, std::mem::take(&mut out)).await?;
        }
    }
    if !out.is_empty() {
        push(frames, out).await?;
    }
    Ok(())
}

fn append_next(peer: &Peer, links: &Links, link: u64, at: TopicPartition, out: &mut BytesMut) {
    let Some(partition) = links.partitions.get(at) else {
        return;
    };
    match partition.next_append(peer.id, link, FRAME_BYTES / 2) {
        NextAppend::Open { epoch, session } => {
            message::encode(
                &Item::Open(
                    at,
                    Open {
                        leader_epoch: epoch,
                        session,
                    },
                ),
                out,
            );
        }
        NextAppend::Append {
            header,
            batches,
            more,
        } => {
            let slices = batches.iter().map(|batch| &batch.bytes[..]);
            message::put_append(out, at, &header, slices);
            if more {
                peer.dirty.add(at);
            }
        }
        NextAppend::Start(start) => message::encode(&Item::Start(at, *start), out),
        NextAppend::CatchUp => peer.catch_up.add(at),
        NextAppend::Nothing => {}
    }
}

async fn push(frames: &mpsc::Sender<Bytes>, message: BytesMut) -> Result<(), ()> {
    for frame in message::into_frames(message.freeze()) {
        frames.send(frame).await.map_err(|_closed| ())?;
    }
    Ok(())
}

/// Handles what the follower says, until the stream ends.
async fn receive(peer: Arc<Peer>, links: Links, mut stream: Streaming<Bytes>) {
    let mut assembler = Assembler::default();
    let environment = links.partitions.environment();
    loop {
        let Ok(Some(frame)) = stream.message().await else {
            return;
        };
        let message = match assembler.push(frame) {
            Ok(Some(message)) => message,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(peer = %peer.id, %error, "bad answer from a follower");
                return;
            }
        };
        if let Err(error) = handle(&peer, &links, message) {
            tracing::warn!(peer = %peer.id, %error, "bad answer from a follower");
            return;
        }
        peer.acked.notify_waiters();
        environment.metrics.replication_answers.inc();
    }
}

fn handle(peer: &Peer, links: &Links, mut message: Bytes) -> Result<(), message::Error> {
    let environment = links.partitions.environment();
    while let Some(item) = message::decode(&mut message)? {
        match item {
            Item::Ping => *peer.heard.lock() = Some(environment.clock.monotonic()),
            Item::Opened(at, opened) if opened.replica.broker == peer.id => {
                if let Some(partition) = links.partitions.get(at) {
                    partition.on_opened(&opened);
                }
            }
            Item::Acked(at, acked) if acked.replica.broker == peer.id => {
                if let Some(partition) = links.partitions.get(at) {
                    partition.on_acked(&acked);
                }
            }
            Item::Refused(at, refused) => {
                if let Some(partition) = links.partitions.get(at) {
                    partition.on_refused(peer.id, refused.session, refused.reason);
                }
            }
            Item::Open(..) | Item::Start(..) | Item::Append(..) => {
                return Err(message::Error::Malformed("a leader's words".to_owned()));
            }
            Item::Opened(..) | Item::Acked(..) => {
                return Err(message::Error::Malformed("about another broker".to_owned()));
            }
        }
    }
    Ok(())
}
