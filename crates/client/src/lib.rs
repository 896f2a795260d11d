//! A small asynchronous Kafka client: connections, metadata, a producer, a consumer of assigned
//! partitions, and admin calls. For the tool and the tests; not a public library.
//!
//! Knows nothing about how a broker works. Its only tasks read answers and fetch; each belongs to a
//! connection or a consumer and ends with it. The one loop that must run on its own
//! ([`ProducerService`]) is a future that the owner gives to a supervisor.
//!
//! Invariants:
//! - A partition has at most one produce request in flight, and a batch is retried as the same
//!   bytes with the same sequence numbers: retries neither reorder nor duplicate.
//! - What is outstanding is bounded in bytes (records waiting) and in number (requests on a
//!   connection, topics known).
//! - A response is checked before it is used; a batch's CRC before its records are.

pub mod admin;
mod backoff;
mod client;
mod connection;
mod consumer;
mod error;
mod group;
mod metadata;
#[cfg(test)]
#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;
mod producer;

pub use admin::Admin;
pub use client::{Client, Options};
pub use connection::Connection;
pub use consumer::{ConsumedRecord, Consumer, ConsumerOptions, Start};
pub use error::Error;
pub use group::GroupConsumer;
pub use metadata::{Broker, Cluster, Partition, Topic};
pub use producer::{
    Acks, Delivery, Outcome, ProduceRecord, Producer, ProducerOptions, ProducerService,
};
