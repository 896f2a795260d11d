//! The server side: one tuned builder, one way to serve.

use std::future::Future;

use tokio::net::TcpListener;
use tonic::transport::server::{Router, TcpIncoming};

use crate::Options;
use crate::options::{FRAME_BYTES, WINDOW_BYTES};

/// How many HTTP/2 header bytes a peer may send; ours send a few hundred.
const HEADER_BYTES: u32 = 16 * 1024;

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
/// must end by themselves then.
///
/// # Errors
/// The transport's, when the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    router
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await
}
