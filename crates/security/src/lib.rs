//! Certificates of a cluster: its authority, what it issues, and TLS from files that may change.
//!
//! Knows nothing about Kubernetes, listeners, requests, or what a role may do: it says who a peer
//! is, and others decide. It starts no task: who holds a [`Reloading`] calls it from time to time.
//!
//! Invariants:
//! - Time is a parameter, in connections too: no certificate is judged by another clock than the
//!   caller's, and a clock that does not know the time accepts nobody.
//! - A role is a name below `holdfast.internal` that only [`Authority::issue`] writes, for the
//!   role that was asked for; additional names from a request never reach there.
//! - What leaves [`Authority::issue`] passed the check that peers will make, and outlives neither
//!   its request nor its authority.
//! - A server of [`Reloading`] serves nobody without a certificate of its authorities, and every
//!   connection is verified anew: no session is resumed, and TLS is 1.3.
//! - A process never presents a certificate that its own authorities would refuse: files that are
//!   broken, do not belong together or expired are refused as a whole, and what was before stays.
//! - Private keys are in no `Debug` output and in no error.

mod authority;
mod bundle;
mod configs;
mod error;
mod files;
mod handshake;
mod names;
mod pem_text;
mod reloading;
mod request;
mod role;
mod trust;
mod validity;

pub use authority::{Authority, BACKDATED};
pub use bundle::bundle;
pub use configs::Tls;
pub use error::Error;
pub use files::{MOST_FILE_BYTES, TlsFiles};
pub use handshake::{accept, connect, peer_role};
pub use names::{server_name, server_name_of_broker};
pub use reloading::Reloading;
pub use request::{Issued, Request};
pub use role::{PeerRole, Role, cluster_of_pem, is_broker, role_of};
/// What an encrypted connection knows of its peer.
pub use rustls::CommonState;
/// The settings of a connection's two sides.
pub use rustls::{ClientConfig, ServerConfig};
/// A certificate, a server's name as a client expects it, and a point of wall time.
pub use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
/// The two sides of an encrypted connection.
pub use tokio_rustls::{client, server};
pub use validity::{Validity, wall_time};
