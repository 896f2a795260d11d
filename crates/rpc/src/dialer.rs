//! Opens the TCP connections below the channels, with pauses after failures.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use holdfast_model::{Clock, Monotonic};
use http::Uri;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpSocket, TcpStream};
use tonic::codegen::Service;

use crate::names::Names;
use crate::{Address, Options};

/// How long a newer answer about a peer's name is waited for when an older one is known.
const PATIENCE: Duration = Duration::from_millis(50);

/// Connects to one address. TLS will wrap the stream here.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    address: Address,
    options: Options,
    names: Names,
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
    pub(crate) fn new(
        address: Address,
        options: Options,
        names: Names,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            address,
            options,
            names,
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
        match dial(&self.names, &self.address, &self.options).await {
            Ok(stream) => {
                *self.pause.lock() = None;
                Ok(TokioIo::new(stream))
            }
            Err(error) => {
                self.names.doubt(&self.address.host);
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

/// One TCP connect, to where a peer is; and to where it was, if no newer answer comes in a moment.
async fn dial(names: &Names, peer: &Address, options: &Options) -> io::Result<TcpStream> {
    let connect = async {
        let mut now = pin!(names.resolve_now(peer));
        let Some(before) = names.before(peer) else {
            return connect(&now.await?, options.source).await;
        };
        let mut earlier = pin!(async {
            tokio::time::sleep(PATIENCE).await;
            connect(&before, options.source).await
        });
        tokio::select! {
            biased;
            found = &mut now => match found {
                Ok(found) => connect(&found, options.source).await,
                // Only an answer of this moment proves anything.
                Err(unknown) => earlier.await.map_err(|_refused| unknown),
            },
            connected = &mut earlier => match connected {
                Ok(stream) => Ok(stream),
                Err(_moved) => connect(&now.await?, options.source).await,
            },
        }
    };
    in_time(connect, options).await
}

/// One TCP connect, to where a peer is at this moment.
pub(crate) async fn dial_at(
    found: impl Future<Output = io::Result<Vec<SocketAddr>>>,
    options: &Options,
) -> io::Result<TcpStream> {
    let connect = async { connect(&found.await?, options.source).await };
    in_time(connect, options).await
}

async fn in_time(
    connect: impl Future<Output = io::Result<TcpStream>>,
    options: &Options,
) -> io::Result<TcpStream> {
    let stream = match tokio::time::timeout(options.connect_timeout, connect).await {
        Ok(connected) => connected?,
        Err(_elapsed) => return Err(io::ErrorKind::TimedOut.into()),
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// To the first of a peer's addresses that answers.
async fn connect(targets: &[SocketAddr], source: Option<IpAddr>) -> io::Result<TcpStream> {
    match source {
        None => TcpStream::connect(targets).await,
        Some(source) => connect_from(source, targets).await,
    }
}

/// What the system's resolver says now.
pub(crate) async fn look_up(address: &Address) -> io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await?;
    Ok(found.collect())
}

/// Tries the peer's addresses of the source's family in turn.
async fn connect_from(source: IpAddr, targets: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for target in targets {
        if target.is_ipv4() != source.is_ipv4() {
            continue;
        }
        let socket = if target.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.bind((source, 0).into())?;
        match socket.connect(*target).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use holdfast_model::ManualClock;
    use tokio::net::TcpListener;

    use super::*;
    use crate::names::FRESH;

    #[tokio::test]
    async fn a_peer_sees_the_source_that_was_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
        let source: IpAddr = "127.0.0.77".parse().unwrap();
        let options = Options {
            source: Some(source),
            ..Options::default()
        };
        let _stream = dial_at(look_up(&address), &options).await.unwrap();
        let (_stream, caller) = listener.accept().await.unwrap();
        assert_eq!(caller.ip(), source);
        // A source of the other family has no way to this peer.
        let options = Options {
            source: Some("::1".parse().unwrap()),
            ..options
        };
        let error = dial_at(look_up(&address), &options).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    /// Names that mean these addresses one after the other, each after a while; then nothing.
    fn names(answers: &[(Duration, &str)], clock: &Arc<ManualClock>) -> Names {
        let answers: Vec<(Duration, IpAddr)> = answers
            .iter()
            .map(|(after, address)| (*after, address.parse().unwrap()))
            .collect();
        let asked = AtomicUsize::new(0);
        Names::of(10, Arc::clone(clock) as Arc<dyn Clock>, move |_host| {
            let answer = answers.get(asked.fetch_add(1, Ordering::SeqCst)).copied();
            Box::pin(async move {
                let Some((after, address)) = answer else {
                    return std::future::pending().await;
                };
                tokio::time::sleep(after).await;
                Ok(vec![address])
            })
        })
    }

    #[tokio::test]
    async fn a_peer_is_found_though_the_name_servers_fell_silent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Address::new("b", listener.local_addr().unwrap().port());
        let clock = Arc::new(ManualClock::default());
        let names = names(&[(Duration::ZERO, "127.0.0.1")], &clock);
        let options = Options::default();
        dial(&names, &peer, &options).await.unwrap();
        clock.advance(FRESH);
        dial(&names, &peer, &options).await.unwrap();
        // Nobody knows a peer that was never asked for, and evidence is never old.
        let other = Address::new("c", peer.port);
        let error = dial(&names, &other, &options).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let now = names.resolve_now(&peer);
        let error = dial_at(now, &options).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_moved_is_found_though_the_name_servers_are_slow() {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let peer = Address::new("b", listener.local_addr().unwrap().port());
        let clock = Arc::new(ManualClock::default());
        let slowly = PATIENCE * 2;
        let names = names(
            &[(Duration::ZERO, "127.0.0.1"), (slowly, "127.0.0.2")],
            &clock,
        );
        let options = Options::default();
        let error = dial(&names, &peer, &options).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        clock.advance(FRESH);
        dial(&names, &peer, &options).await.unwrap();
    }
}
