//! Bounds that more than one crate must agree on. Each says where its number comes from.

/// Batches remembered for each idempotent producer: Kafka's clients keep at most five in flight.
pub const PRODUCER_BATCHES: usize = 5;

/// Idempotent producers remembered for each partition: 2 MiB of them, which also fits the message that
/// hands them to a replica that begins anew. A producer that is pushed out wrote before ten thousand
/// others did; its retries are over.
pub const PRODUCERS: usize = 10_000;

/// Virtual segments kept for each log: half a megabyte in each checkpoint. With the default size of a
/// segment, 10 TiB.
pub const SEGMENTS: usize = 10_000;

/// Longest topic name, Kafka's limit.
pub const TOPIC_NAME_LENGTH: usize = 249;

/// Most partitions of one topic: one `CreateTopics` may not exhaust a broker.
pub const PARTITIONS_PER_TOPIC: i32 = 100_000;

/// Most partitions that one admin request may create; keeps one quorum entry below a few MiB.
pub const PARTITIONS_PER_REQUEST: usize = 20_000;

/// Largest request frame, Kafka's `socket.request.max.bytes`.
pub const REQUEST_BYTES: usize = 100 * 1024 * 1024;

/// Largest batch in bytes, whatever `max.message.bytes` says: one replication message must hold it
/// in chunks, and one write group must fit the memory budget.
pub const BATCH_BYTES: usize = 64 * 1024 * 1024;

/// Epochs of a log that a replication handshake carries: enough for any real divergence, and one
/// handshake stays below 16 KiB.
pub const HANDSHAKE_EPOCHS: usize = 1024;
