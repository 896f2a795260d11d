//! The operator's window into a process: `/metrics`, `/livez`, `/readyz` over HTTP.
//!
//! Bounded by connections and by the life of each, so that clients who never read or never finish
//! a request cannot lock the probes out for long.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::{Metrics, Probes, metrics};

/// Enough for several scrapers, the kubelet and a curious human; 64 x 16 KiB of buffers.
const CONNECTIONS: usize = 64;

/// A scraper that keeps its connection simply opens another one after this.
const CONNECTION_LIFE: Duration = Duration::from_mins(1);

/// After a failed accept (out of descriptors): a pause instead of a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone, Debug)]
struct Window {
    metrics: Metrics,
    probes: Probes,
}

/// Serves until `shutdown` is cancelled.
///
/// # Errors
/// The listener's.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    probes: Probes,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(scrape))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .with_state(Window { metrics, probes });
    let listener = BoundedListener {
        listener,
        free: Arc::new(Semaphore::new(CONNECTIONS)),
    };
    // The graceful end would wait for idle scrapers: probes are of no use then, so just stop.
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(()),
        result = async { axum::serve(listener, router).await } => result,
    }
}

async fn scrape(State(window): State<Window>) -> Response {
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        window.metrics.encode(),
    )
        .into_response()
}

async fn live(State(window): State<Window>) -> Response {
    answer(window.probes.liveness())
}

async fn ready(State(window): State<Window>) -> Response {
    answer(window.probes.readiness())
}

fn answer(answer: crate::probes::Answer) -> Response {
    let status = if answer.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, answer.text).into_response()
}

/// Accepts only while fewer than [`CONNECTIONS`] are open.
struct BoundedListener {
    listener: TcpListener,
    free: Arc<Semaphore>,
}

impl axum::serve::Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let permit = Arc::clone(&self.free)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let life = Box::pin(tokio::time::sleep(CONNECTION_LIFE));
                    return (
                        BoundedStream {
                            stream,
                            life,
                            _permit: permit,
                        },
                        peer,
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "admin listener cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that ends after [`CONNECTION_LIFE`], whatever its peer does.
struct BoundedStream {
    stream: TcpStream,
    life: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl BoundedStream {
    fn check_life(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.life.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_life(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_life(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_model::ManualClock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{Class, Tasks};

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn the_three_pages_answer() {
        let metrics = Metrics::new();
        let tasks = Tasks::new(&metrics);
        let clock = Arc::new(ManualClock::at(0));
        let probes = Probes::new(clock.clone());
        let heartbeat = probes.heartbeat("writer", Duration::from_secs(1));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = serve(listener, metrics, probes.clone(), tasks.shutdown_token());
        tasks.spawn(
            "admin",
            Class::Critical,
            async move { server.await.unwrap() },
        );

        let page = get(address, "/metrics").await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("holdfast_tasks_running 1"));
        assert!(page.contains("openmetrics-text"));
        let page = get(address, "/readyz").await;
        assert!(page.starts_with("HTTP/1.1 503") && page.ends_with("not ready: starting\n"));
        probes.set_ready();
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(get(address, "/livez").await.ends_with("live\n"));
        clock.advance(Duration::from_secs(2));
        let page = get(address, "/livez").await;
        assert!(page.starts_with("HTTP/1.1 503") && page.contains("writer: stuck"));
        drop(heartbeat);
        assert!(get(address, "/nothing").await.starts_with("HTTP/1.1 404"));
        tasks.drain(Duration::from_secs(5)).await.unwrap();
    }

    #[tokio::test]
    async fn idle_connections_do_not_lock_the_probes_out_of_the_process() {
        let free = Arc::new(Semaphore::new(1));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut bounded = BoundedListener { listener, free };
        let _first = TcpStream::connect(address).await.unwrap();
        let (held, _) = axum::serve::Listener::accept(&mut bounded).await;
        let _second = TcpStream::connect(address).await.unwrap();
        let wait = Duration::from_millis(50);
        let accept = axum::serve::Listener::accept(&mut bounded);
        assert!(tokio::time::timeout(wait, accept).await.is_err());
        drop(held);
        axum::serve::Listener::accept(&mut bounded).await;
    }
}
