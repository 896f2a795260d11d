//! Kafka's protocol: frames, the table of APIs and versions, requests and responses, record batches
//! as a zero-copy view, codecs with a cap on their output.
//!
//! Knows nothing of sockets, disks, threads, replication or what a request means: it turns bytes
//! into messages and messages into bytes.
//!
//! Invariants:
//! - No input makes it panic; every malformed input is a typed error.
//! - Nothing is allocated for a count or a length that the input only claims: memory grows with the
//!   bytes that are there, and decompressed bytes with [`codec::output_cap`].
//! - A batch leaves as it came, byte for byte, but for the fields that a leader owns (base offset,
//!   leader epoch, log append time).
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod api;
pub mod batch;
pub mod build;
pub mod codec;
pub mod cursor;
pub mod fetch_response;
pub mod frame;
pub mod murmur2;
pub mod records;
pub mod request;
pub mod response;
mod shape;

/// Kafka's messages, generated from its schemas.
pub use kafka_protocol::messages;
/// The string that messages hold: a slice of the frame it came in.
pub use kafka_protocol::protocol::StrBytes;
/// What every message can do: be encoded, be decoded, name its versions.
pub use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request};

pub use api::Api;
pub use codec::Codec;
