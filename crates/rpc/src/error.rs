//! How calls fail.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::time::Duration;

use tonic::{Code, Response, Status};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer's machine answered that nothing listens at the address: no process is there. No
    /// other variant proves that.
    #[error("connection refused")]
    Refused,
    /// No connection, for any other reason.
    #[error("not reachable: {0}")]
    Unreachable(String),
    /// No answer before the deadline; the call may have had its effect.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The peer answered with an error.
    #[error("refused by the peer: {code:?}: {message}")]
    Answered {
        /// gRPC's code.
        code: Code,
        /// The peer's words.
        message: String,
    },
    /// The address cannot be used.
    #[error("bad address {address}")]
    BadAddress {
        /// The address.
        address: String,
    },
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        if let Some(kind) = io_error_kind(&status) {
            return match kind {
                io::ErrorKind::ConnectionRefused => Self::Refused,
                _ => Self::Unreachable(status.message().to_owned()),
            };
        }
        match status.code() {
            // A status that the peer sent has no source; one made here tells of the connection.
            Code::Unavailable | Code::Unknown | Code::Cancelled if status.source().is_some() => {
                Self::Unreachable(status.message().to_owned())
            }
            code => Self::Answered {
                code,
                message: status.message().to_owned(),
            },
        }
    }
}

/// The kind of the I/O error below a status, if there is one.
fn io_error_kind(status: &Status) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn StdError + 'static)> = status.source();
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

/// Awaits the answer of a unary call, at most `deadline`.
///
/// # Errors
/// Every variant but `BadAddress`.
pub async fn call<T, F>(deadline: Duration, answer: F) -> Result<T, Error>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    match tokio::time::timeout(deadline, answer).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(status.into()),
        Err(_elapsed) => Err(Error::TimedOut(deadline)),
    }
}
