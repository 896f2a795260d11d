//! The side of whoever asks.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use holdfast_security::{ClientConfig, ServerName, client};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};

use crate::dialer::{dial_at, look_up};
use crate::limits::ADMIN_BYTES;
use crate::proto::admin::admin_client::AdminClient;
use crate::{Address, Error, Options};

/// A client of the admin API of one broker. Cheap to clone.
pub type Admin = AdminClient<Channel>;

/// A client of the broker at an address, which must show a certificate with this name. It connects
/// when it is first used, and again after a failure.
///
/// # Errors
/// [`Error::BadAddress`].
pub fn connect(
    address: &Address,
    tls: Arc<ClientConfig>,
    name: ServerName<'static>,
    connect_timeout: Duration,
) -> Result<Admin, Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_invalid| {
        Error::BadAddress {
            address: address.to_string(),
        }
    })?;
    let dialer = TlsDialer {
        address: address.clone(),
        options: Options {
            connect_timeout,
            ..Options::default()
        },
        tls,
        name,
    };
    let channel = endpoint
        .http2_keep_alive_interval(dialer.options.keepalive_interval)
        .keep_alive_timeout(dialer.options.keepalive_timeout)
        .connect_with_connector_lazy(dialer);
    Ok(AdminClient::new(channel)
        .max_decoding_message_size(ADMIN_BYTES)
        .max_encoding_message_size(ADMIN_BYTES))
}

#[derive(Clone)]
struct TlsDialer {
    address: Address,
    options: Options,
    tls: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsDialer {
    async fn connect(self) -> io::Result<TokioIo<client::TlsStream<TcpStream>>> {
        let stream = dial_at(look_up(&self.address), &self.options).await?;
        let deadline = self.options.connect_timeout;
        let secured = holdfast_security::connect(stream, &self.tls, self.name, deadline).await;
        secured.map(TokioIo::new).map_err(io::Error::other)
    }
}

impl Service<Uri> for TlsDialer {
    type Response = TokioIo<client::TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}
