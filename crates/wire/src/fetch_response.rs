//! The answer to a Fetch, written without copying records: pieces of metadata and stored batches in
//! turn, for one vectored write.

mod encode;

use bytes::Bytes;
use uuid::Uuid;

use crate::StrBytes;

pub use encode::encode;

/// Why a Fetch response cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The version is not served.
    #[error("unsupported fetch version {version}")]
    Version {
        /// The version.
        version: i16,
    },
    /// The response, or a length in it, exceeds what the protocol can express.
    #[error("fetch response field of {length} bytes is too large")]
    TooLarge {
        /// Bytes or elements.
        length: usize,
    },
}

/// A response to Fetch, versions 4 to 18. Fields that a version does not have are left out.
#[derive(Debug, Clone, Default)]
pub struct FetchResponse {
    /// For how long the client was or should be slowed down, milliseconds.
    pub throttle_time_ms: i32,
    /// The error of the whole request.
    pub error_code: i16,
    /// The fetch session, or 0.
    pub session_id: i32,
    /// The topics.
    pub topics: Vec<FetchedTopic>,
    /// Where the leaders named in partitions are found (version 16 on).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// A topic of the response.
#[derive(Debug, Clone, Default)]
pub struct FetchedTopic {
    /// Its name, for versions up to 12.
    pub name: StrBytes,
    /// Its id, for versions from 13 on.
    pub topic_id: Uuid,
    /// Its partitions.
    pub partitions: Vec<FetchedPartition>,
}

/// A partition of the response.
#[derive(Debug, Clone)]
pub struct FetchedPartition {
    /// Its index.
    pub index: i32,
    /// Its error, or 0.
    pub error_code: i16,
    /// The high watermark, or -1.
    pub high_watermark: i64,
    /// The last stable offset, or -1.
    pub last_stable_offset: i64,
    /// The first offset of the log, or -1.
    pub log_start_offset: i64,
    /// Where the log of the asker diverges from ours (version 12 on).
    pub diverging_epoch: Option<EpochEnd>,
    /// Who leads, when it is not us (version 12 on).
    pub current_leader: Option<CurrentLeader>,
    /// Aborted transactions; `None` where the isolation level asks for none.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The replica to fetch from instead, or -1 (version 11 on).
    pub preferred_read_replica: i32,
    /// The batches, in order.
    pub records: Vec<Bytes>,
}

impl Default for FetchedPartition {
    fn default() -> Self {
        Self {
            index: 0,
            error_code: 0,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: None,
            current_leader: None,
            aborted_transactions: None,
            preferred_read_replica: -1,
            records: Vec::new(),
        }
    }
}

/// The end of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch.
    pub epoch: i32,
    /// Its end offset.
    pub end_offset: i64,
}

/// Who leads a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentLeader {
    /// The broker, or -1.
    pub leader_id: i32,
    /// The epoch of its leadership, or -1.
    pub leader_epoch: i32,
}

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Its producer.
    pub producer_id: i64,
    /// Its first offset in the partition.
    pub first_offset: i64,
}

/// Where a broker is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// The broker.
    pub node_id: i32,
    /// Its host.
    pub host: StrBytes,
    /// Its port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<StrBytes>,
}

impl FetchedPartition {
    /// Bytes of its records.
    pub fn record_bytes(&self) -> usize {
        self.records
            .iter()
            .map(Bytes::len)
            .fold(0, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests;
