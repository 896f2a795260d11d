//! From a connection to an encrypted one.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::ClusterId;
use rustls::{ClientConfig, CommonState, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::{Error, PeerRole, role_of};

/// Takes a client's handshake. Whoever it is has a certificate of the authorities; [`peer_role`]
/// says which role.
///
/// # Errors
/// If the client breaks off, is refused, or needs longer than `deadline`.
pub async fn accept<S>(
    stream: S,
    config: &Arc<ServerConfig>,
    deadline: Duration,
) -> Result<server::TlsStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = TlsAcceptor::from(Arc::clone(config)).accept(stream);
    within(deadline, handshake).await
}

/// Opens an encrypted connection to a server that has the name. A server that refuses this side's
/// certificate does so after the handshake here has ended: the first read fails then.
///
/// # Errors
/// If the server breaks off, has not the name or no certificate of the authorities, or needs longer
/// than `deadline`.
pub async fn connect<S>(
    stream: S,
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
    deadline: Duration,
) -> Result<client::TlsStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    within(deadline, handshake).await
}

/// The role of the other side of a connection: of the second part of a stream's `get_ref`. None if
/// it is of another cluster, although of an authority that is trusted.
pub fn peer_role(connection: &CommonState, cluster: ClusterId) -> Option<PeerRole> {
    let chain = connection.peer_certificates()?;
    role_of(chain.first()?, cluster)
}

async fn within<T, F>(deadline: Duration, handshake: F) -> Result<T, Error>
where
    F: Future<Output = io::Result<T>>,
{
    match tokio::time::timeout(deadline, handshake).await {
        Ok(done) => done.map_err(Error::Handshake),
        Err(_elapsed) => Err(Error::TimedOut(deadline)),
    }
}
