//! The side of the broker.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use holdfast_model::ClusterId;
use holdfast_security::{PeerRole, Reloading, accept, peer_role, server};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::server::Connected;

use super::{AdminServer, AdminService};
use crate::limits::ADMIN_BYTES;
use crate::server::{asked_once, within_farewell};
use crate::{Options, Server};

/// Operators, a few people, monitoring.
const CONNECTIONS: usize = 64;

/// Handshakes under way.
const HANDSHAKES: usize = 16;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// After a failed accept (out of descriptors): a pause instead of a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Who calls, as the certificate says; among the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What it is.
    pub role: PeerRole,
}

/// Serves the admin API until `shutdown` is ready. New connections use the newest certificates.
///
/// # Errors
/// The transport's, when the listener fails.
pub async fn serve<T: AdminService>(
    listener: TcpListener,
    tls: Arc<Reloading>,
    cluster: ClusterId,
    service: T,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let service = AdminServer::new(service)
        .max_decoding_message_size(ADMIN_BYTES)
        .max_encoding_message_size(ADMIN_BYTES);
    let (asked, told) = asked_once(shutdown);
    let serving = Server::builder(&Options::default())
        .add_service(service)
        .serve_with_incoming_shutdown(incoming(listener, tls, cluster), asked);
    within_farewell(serving, told).await
}

/// The connections that showed a certificate with a role.
fn incoming(
    listener: TcpListener,
    tls: Arc<Reloading>,
    cluster: ClusterId,
) -> impl Stream<Item = io::Result<AdminStream>> {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    TcpListenerStream::new(listener)
        .map(move |tcp| {
            let (tls, free) = (Arc::clone(&tls), Arc::clone(&free));
            async move { let_in(tcp, &tls, free, cluster).await }
        })
        .buffer_unordered(HANDSHAKES)
        .filter_map(|entered| async move { entered.map(Ok) })
}

async fn let_in(
    tcp: io::Result<TcpStream>,
    tls: &Reloading,
    free: Arc<Semaphore>,
    cluster: ClusterId,
) -> Option<AdminStream> {
    let tcp = match tcp {
        Ok(tcp) => tcp,
        Err(error) => {
            tracing::warn!(%error, "the admin API cannot accept");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return None;
        }
    };
    let Ok(place) = free.try_acquire_owned() else {
        tracing::warn!(most = CONNECTIONS, "too many connections to the admin API");
        return None;
    };
    let _best_effort = tcp.set_nodelay(true);
    let peer = tcp.peer_addr();
    let stream = match accept(tcp, &tls.current().server, HANDSHAKE).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::info!(%error, ?peer, "refused a connection to the admin API");
            return None;
        }
    };
    let Some(role) = peer_role(stream.get_ref().1, cluster) else {
        tracing::info!(?peer, "refused a connection to the admin API: no role here");
        return None;
    };
    Some(AdminStream {
        stream,
        caller: Caller { role },
        _place: place,
    })
}

/// A connection to the admin API.
#[derive(Debug)]
struct AdminStream {
    stream: server::TlsStream<TcpStream>,
    caller: Caller,
    _place: OwnedSemaphorePermit,
}

impl Connected for AdminStream {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller
    }
}

impl AsyncRead for AdminStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for AdminStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
