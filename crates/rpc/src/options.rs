//! Settings of connections.

use std::net::IpAddr;
use std::time::Duration;

/// Settings of connections in both directions; the defaults suit brokers within one region.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The local address of outgoing connections; unset leaves the choice to the system. Peers and
    /// what stands between can tell by it who calls.
    pub source: Option<IpAddr>,
    /// How long a TCP connect may take.
    pub connect_timeout: Duration,
    /// How often an HTTP/2 ping checks a connection, idle ones too.
    pub keepalive_interval: Duration,
    /// How long its answer may take before the connection is dropped. Long enough that a peer that
    /// is stopped for a moment by its hypervisor keeps its connections.
    pub keepalive_timeout: Duration,
    /// The first pause after a failed connect; doubles up to `backoff_max`. Calls in the pause fail
    /// at once with the reason of that connect.
    pub backoff_min: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// Most channels kept; the one that was unused for longest is closed for a new one.
    pub channels: usize,
    /// Most calls and streams that one connection may have in progress at the server.
    pub streams_per_connection: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: None,
            connect_timeout: Duration::from_millis(300),
            keepalive_interval: Duration::from_millis(200),
            keepalive_timeout: Duration::from_millis(1500),
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_millis(250),
            channels: 1024,
            streams_per_connection: 256,
        }
    }
}

/// Frames carry up to 1 MiB: fewer of them, less CPU.
pub(crate) const FRAME_BYTES: u32 = 1024 * 1024;

/// How much may be under way unread, per stream and per connection.
pub(crate) const WINDOW_BYTES: u32 = 8 * 1024 * 1024;
