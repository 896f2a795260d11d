//! How the quorum's storage fails.

use holdfast_kernel::image::{ClusterImage, FEATURE_LEVEL};
use openraft::{AnyError, ErrorSubject, ErrorVerb, StorageIOError};

use crate::keyspace::KeyspaceError;
use crate::node::StorageError;

/// Why the stored state of the quorum cannot be used. Every variant ends the process: an answer
/// given from a damaged log could lose what others count on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stored value is not what was written.
    #[error("damaged metadata: {what}: {detail}")]
    Damaged {
        /// Which value.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A stored value has a format that this version does not know.
    #[error("metadata of a newer version: {what} has format {found}")]
    Newer {
        /// Which value.
        what: String,
        /// Its format.
        found: u16,
    },
    /// The cluster writes what this version may not be able to read.
    #[error(
        "the cluster is at feature level {level} and this version knows up to {FEATURE_LEVEL}: run a \
         newer version"
    )]
    Level {
        /// The level of the cluster.
        level: u32,
    },
    /// The disk failed.
    #[error(transparent)]
    Keyspace(#[from] KeyspaceError),
    /// An earlier write failed, or the process is stopping: no more writes.
    #[error("metadata writes have stopped")]
    Stopped,
    /// A value could not be encoded, or an entry arrived out of order: a bug.
    #[error("metadata cannot be written: {0}")]
    Unwritable(String),
}

impl Error {
    pub(crate) fn damaged(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Damaged {
            what: what.into(),
            detail: detail.into(),
        }
    }

    pub(crate) fn reading(self) -> StorageError {
        self.into_openraft(ErrorVerb::Read)
    }

    pub(crate) fn writing(self) -> StorageError {
        self.into_openraft(ErrorVerb::Write)
    }

    fn into_openraft(self, verb: ErrorVerb) -> StorageError {
        tracing::error!(error = %self, "metadata storage failed");
        StorageIOError::new(ErrorSubject::Store, verb, AnyError::new(&self)).into()
    }
}

/// An image of a newer level may hold what this version does not see. It must not go on with it: it
/// would vote, could become a controller that decides without what it does not see, and would drop it
/// from whatever it writes.
pub(crate) fn check_level(image: &ClusterImage) -> Result<(), Error> {
    match image.feature_level {
        level if level > FEATURE_LEVEL => Err(Error::Level { level }),
        _ => Ok(()),
    }
}

/// Runs blocking work off the network threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    // The work is lost only when the runtime shuts down, or by a panic, which was logged.
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(Error::Stopped))
}
