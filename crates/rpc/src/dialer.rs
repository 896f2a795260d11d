//! Opens the TCP connections below the channels, with pauses after failures.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use holdfast_model::{Clock, Monotonic};
use http::Uri;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tonic::codegen::Service;

use crate::{Address, Options};

/// Connects to one address. TLS will wrap the stream here.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    address: Address,
    options: Options,
    clock: Arc<dyn Clock>,
    pause: Arc<Mutex<Option<Pause>>>,
}

/// After a failed connect.
#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Monotonic,
    length: Duration,
    reason: io::ErrorKind,
}

impl Dialer {
    pub(crate) fn new(address: Address, options: Options, clock: Arc<dyn Clock>) -> Self {
        Self {
            address,
            options,
            clock,
            pause: Arc::new(Mutex::new(None)),
        }
    }

    async fn connect(self) -> io::Result<TokioIo<TcpStream>> {
        let paused = *self.pause.lock();
        if let Some(pause) = paused
            && self.clock.monotonic() < pause.until
        {
            // The peer was asked moments ago: a refusal then is evidence as good as a new one.
            return Err(pause.reason.into());
        }
        match dial(&self.address, self.options.connect_timeout).await {
            Ok(stream) => {
                *self.pause.lock() = None;
                Ok(TokioIo::new(stream))
            }
            Err(error) => {
                let length = paused.map_or(self.options.backoff_min, |pause| {
                    (pause.length * 2).min(self.options.backoff_max)
                });
                let until = self.clock.monotonic().plus(length);
                *self.pause.lock() = Some(Pause {
                    until,
                    length,
                    reason: error.kind(),
                });
                Err(error)
            }
        }
    }
}

/// One TCP connect.
pub(crate) async fn dial(address: &Address, timeout: Duration) -> io::Result<TcpStream> {
    let connect = TcpStream::connect((address.host.as_str(), address.port));
    let stream = match tokio::time::timeout(timeout, connect).await {
        Ok(connected) => connected?,
        Err(_elapsed) => return Err(io::ErrorKind::TimedOut.into()),
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}
