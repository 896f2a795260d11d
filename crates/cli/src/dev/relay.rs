//! Carries what peers send to a broker, and drops it while one of both is cut off.
//!
//! A cut looks to the brokers as a network that loses every packet: connections do not end, they
//! fall silent, and nobody is refused. Only a broker without a process refuses connections, as a
//! real machine would; then its relay is closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_runtime::{Class, Tasks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::cuts::{Cuts, Gate};
use super::layout::broker_at;

/// Connections of one relay: each peer keeps a few for each kind of traffic.
const CONNECTIONS: usize = 512;

/// Connections that the system completes before the relay takes them.
const BACKLOG: u32 = 256;

/// Bytes on their way in one direction of a connection.
const BUFFER_BYTES: usize = 64 << 10;

/// How long a connection to this machine may take: far more than it ever does.
const PATIENCE: Duration = Duration::from_millis(100);

/// A pause after a failed accept, out of descriptors for instance.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An open relay; closes, and so refuses connections, when dropped. Connections that it carried
/// live on until one of their ends closes them.
#[derive(Debug)]
pub(super) struct Relay {
    stop: CancellationToken,
}

/// What a relay needs to know.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// The broker behind it.
    pub(super) broker: u16,
    /// Where peers connect.
    pub(super) listen: SocketAddr,
    /// Where the broker listens.
    pub(super) target: SocketAddr,
}

impl Relay {
    /// Opens the relay of a broker.
    pub(super) fn open(route: Route, cuts: &Cuts, tasks: &Tasks) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(route.listen)?;
        let listener = socket.listen(BACKLOG)?;
        let stop = CancellationToken::new();
        let name = format!("relay-{}", route.broker);
        let accepting = accept_all(listener, route, cuts.clone(), tasks.clone(), stop.clone());
        tasks.spawn(name, Class::Job, accepting);
        Ok(Self { stop })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept_all(
    listener: TcpListener,
    route: Route,
    cuts: Cuts,
    tasks: Tasks,
    stop: CancellationToken,
) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let mut gate = cuts.between([route.broker]);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = gate.closed() => {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = stay_silent(&listener, route.listen, &mut gate) => continue,
                }
            }
            accepted = accept(&listener, &free) => accepted,
        };
        let (stream, peer, permit) = accepted;
        // Callers that are no brokers have no end that could be cut.
        let ends = [Some(route.broker), broker_at(peer.ip())];
        let gate = cuts.between(ends.into_iter().flatten());
        let target = route.target;
        tasks.spawn("relayed", Class::Connection, async move {
            // How a connection ends is for its ends to know.
            let _ended = carry(stream, target, gate).await;
            drop(permit);
        });
    }
}

async fn accept(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit) {
    loop {
        let permit = Arc::clone(free).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "the relay cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Makes the listener answer no connection at all while the broker is cut off: a full queue of
/// completed connections is what makes the system drop further ones without a word.
async fn stay_silent(listener: &TcpListener, address: SocketAddr, gate: &mut Gate) {
    if let Err(error) = rustix::net::listen(listener, 0) {
        tracing::warn!(%error, "connections to a broker that is cut off will be taken and stall");
    }
    let mut filling = Vec::new();
    while filling.len() < BACKLOG as usize {
        match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => filling.push(stream),
            // No answer: the queue is full.
            Ok(Err(_)) | Err(_) => break,
        }
    }
    gate.open().await;
    if let Err(error) = rustix::net::listen(listener, BACKLOG.cast_signed()) {
        tracing::error!(%error, "the relay cannot take connections again");
    }
}

async fn carry(peer: TcpStream, target: SocketAddr, mut gate: Gate) -> io::Result<()> {
    gate.open().await;
    let broker = TcpStream::connect(target).await?;
    peer.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (from_peer, to_peer) = peer.into_split();
    let (from_broker, to_broker) = broker.into_split();
    // An error of one direction ends both; a clean end of one leaves the other open.
    tokio::try_join!(
        one_way(from_peer, to_broker, gate.clone()),
        one_way(from_broker, to_peer, gate),
    )?;
    Ok(())
}

/// Whatever was read, an end and an error too, waits for the gate: a cut hides all of it.
async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut gate: Gate,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await;
        gate.open().await;
        let length = read?;
        if length == 0 {
            return to.shutdown().await;
        }
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let written = to.write(rest).await?;
            rest = &rest[written..];
            gate.open().await;
        }
    }
}

#[cfg(test)]
mod tests;
