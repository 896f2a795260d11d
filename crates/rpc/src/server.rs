//! The server side: one tuned builder, one way to serve.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tonic::transport::server::{Router, TcpIncoming};

use crate::Options;
use crate::options::{FRAME_BYTES, WINDOW_BYTES};

/// How many HTTP/2 header bytes a peer may send; ours send a few hundred.
const HEADER_BYTES: u32 = 16 * 1024;

/// How long open calls have to end after the shutdown began. Streams end by themselves then; what is left
/// waits for a peer that may be gone, and a broker that stops must not wait for it.
const FAREWELL: Duration = Duration::from_secs(2);

/// Builds the server that other brokers call.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A builder with the settings that match [`crate::Channels`]; add services to it. TLS will be
    /// set here.
    pub fn builder(options: &Options) -> tonic::transport::Server {
        tonic::transport::Server::builder()
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES)
            .max_concurrent_streams(options.streams_per_connection)
            .http2_max_header_list_size(HEADER_BYTES)
            .http2_keepalive_interval(Some(options.keepalive_interval))
            .http2_keepalive_timeout(Some(options.keepalive_timeout))
    }
}

/// Serves the calls of other brokers on a bound listener until `shutdown` is ready; open streams
/// should end by themselves then, and are not waited for longer than a moment.
///
/// # Errors
/// The transport's, when the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let (asked, told) = asked_once(shutdown);
    let serving = router.serve_with_incoming_shutdown(incoming, asked);
    within_farewell(serving, told).await
}

/// A shutdown that also tells the second.
pub(crate) fn asked_once(
    shutdown: impl Future<Output = ()>,
) -> (impl Future<Output = ()>, Arc<Notify>) {
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let asked = async move {
        shutdown.await;
        tell.notify_one();
    };
    (asked, told)
}

/// What serves, until a moment after the shutdown began.
pub(crate) async fn within_farewell<E>(
    serving: impl Future<Output = Result<(), E>>,
    told: Arc<Notify>,
) -> Result<(), E> {
    tokio::select! {
        biased;
        served = serving => served,
        () = async {
            told.notified().await;
            tokio::time::sleep(FAREWELL).await;
        } => {
            tracing::info!("calls were still open when the listener closed");
            Ok(())
        }
    }
}
