//! What can go wrong between a client and a cluster.

use std::time::Duration;

use holdfast_model::ErrorCode;
use holdfast_wire::Api;

/// What can go wrong between a client and a cluster.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No connection came about.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Host and port.
        address: String,
        /// The system's reason.
        reason: String,
    },
    /// The connection ended, or was given up, with requests in flight.
    #[error("the connection to {address} closed: {reason}")]
    Closed {
        /// Host and port.
        address: String,
        /// Why.
        reason: String,
    },
    /// An answer or an operation took too long.
    #[error("{what} took longer than {} ms", limit.as_millis())]
    Timeout {
        /// What was waited for.
        what: String,
        /// The limit.
        limit: Duration,
    },
    /// A frame or message is malformed, or does not answer what was asked.
    #[error("protocol error with {address}: {reason}")]
    Protocol {
        /// Host and port.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// The broker serves no version of an API that this client speaks.
    #[error("{address} serves no version of {api} that this client speaks")]
    Unsupported {
        /// Host and port.
        address: String,
        /// The API.
        api: Api,
    },
    /// The cluster answered with an error.
    #[error("{what}: {code}{}", detail.as_deref().map(|d| format!(" ({d})")).unwrap_or_default())]
    Server {
        /// What was asked for.
        what: String,
        /// The error.
        code: ErrorCode,
        /// The cluster's own words.
        detail: Option<String>,
    },
    /// The cluster answered with an error that this client does not know.
    #[error("{what}: error {code}")]
    UnknownCode {
        /// What was asked for.
        what: String,
        /// The number.
        code: i16,
    },
    /// A partition has no leader that can be reached at the moment.
    #[error("{topic}/{partition} has no leader now")]
    NoLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// No address of the bootstrap list is usable.
    #[error("bootstrap address {address:?} is not host:port")]
    Address {
        /// The address as given.
        address: String,
    },
    /// A record or batch cannot be built, sent or read.
    #[error("invalid record: {reason}")]
    Record {
        /// Why.
        reason: String,
    },
    /// More than this client keeps track of.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// The producer's service has ended.
    #[error("the producer is closed")]
    ProducerClosed,
}

impl Error {
    /// Whether trying again, perhaps at another broker, can help.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Closed { .. }
            | Self::Timeout { .. }
            | Self::NoLeader { .. } => true,
            Self::Server { code, .. } => code.is_retriable(),
            Self::Protocol { .. }
            | Self::Unsupported { .. }
            | Self::UnknownCode { .. }
            | Self::Address { .. }
            | Self::Record { .. }
            | Self::TooMany { .. }
            | Self::ProducerClosed => false,
        }
    }

    /// The cluster's error, if it is one that this client knows.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Server { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Turns a code of an answer into a result.
    pub(crate) fn check(
        code: i16,
        detail: Option<&str>,
        what: impl FnOnce() -> String,
    ) -> Result<(), Self> {
        match ErrorCode::from_code(code) {
            Some(ErrorCode::None) => Ok(()),
            Some(code) => Err(Self::Server {
                what: what(),
                code,
                detail: detail.map(str::to_owned),
            }),
            None => Err(Self::UnknownCode { what: what(), code }),
        }
    }
}
