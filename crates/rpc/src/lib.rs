//! gRPC between brokers, and the admin API for people and operators: the messages, pooled channels to
//! the peers, the servers, and how failures are told apart.
//!
//! Knows nothing about what the messages decide: payloads of the quorum, the controller and
//! replication are bytes here.
//!
//! Invariants:
//! - Every message names its version, its cluster and its sender; one of another cluster is refused
//!   before its payload is looked at ([`Identity::check`]).
//! - Every message has a size limit on the receiving side, every unary call a deadline.
//! - "Connection refused" is told apart from silence ([`Error::Refused`]): only the former proves
//!   that no process listens there.

mod address;
pub mod admin;
mod channels;
mod dialer;
mod error;
mod identity;
pub mod limits;
mod names;
mod options;
pub mod proto;
pub mod raw_codec;
mod server;

pub use address::Address;
pub use channels::{Channels, Class, Probe};
pub use error::{Error, call};
pub use identity::{Identity, MESSAGE_VERSION, Sender};
pub use options::Options;
pub use server::{Server, serve};
/// What serves each kind of call.
/// Makes the generated service traits implementable.
pub use tonic::async_trait;
/// A connection that multiplexes calls; cheap to clone.
pub use tonic::transport::Channel;
pub use tonic::transport::server::Router;
pub use tonic::{Request, Response, Status, Streaming};
