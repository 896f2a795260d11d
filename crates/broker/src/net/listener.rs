//! Takes in connections of clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdfast_runtime::tasks::{Class, Tasks};
use tokio::net::{TcpListener, TcpStream};

use super::connection;
use crate::handlers::RequestContext;
use crate::state::BrokerState;

/// Pause after the system refused a connection (no descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One named listener.
#[derive(Debug)]
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// Its socket.
    pub socket: TcpListener,
    /// What requests are served with.
    pub broker: Arc<BrokerState>,
    /// Who watches the connections.
    pub tasks: Tasks,
    /// Connections open on all listeners together.
    pub open: Arc<AtomicUsize>,
}

impl Listener {
    /// Takes connections in until the process stops.
    pub async fn run(self) {
        let stop = self.tasks.shutdown_token();
        loop {
            let accepted = tokio::select! {
                // Cancel-safe: a connection that was not taken in is closed by the system.
                biased;
                () = stop.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, listener = &*self.name, "cannot take a connection in");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let limit = self.broker.config.max_connections;
        if self.open.fetch_add(1, Ordering::Relaxed) >= limit {
            self.open.fetch_sub(1, Ordering::Relaxed);
            tracing::debug!(%peer, limit, "too many connections, one is refused");
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let metrics = self.broker.environment().metrics.clone();
        metrics.connections.inc();
        let context = RequestContext::new(Arc::clone(&self.name), peer);
        let broker = Arc::clone(&self.broker);
        let open = Arc::clone(&self.open);
        let guard = Guard { open, metrics };
        let tasks = self.tasks.clone();
        self.tasks
            .spawn("connection", Class::Connection, async move {
                let reason = connection::serve(stream, context, broker, tasks).await;
                tracing::debug!(%peer, %reason, "connection ended");
                drop(guard);
            });
    }
}

/// Counts a connection off however its task ends.
struct Guard {
    open: Arc<AtomicUsize>,
    metrics: crate::metrics::BrokerMetrics,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.metrics.connections.dec();
    }
}
