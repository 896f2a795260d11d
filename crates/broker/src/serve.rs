//! One broker process, from its disk to its last answer.

mod foundation;
mod start;
mod stop;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use holdfast_model::{BrokerId, ClusterId, Incarnation, RecoveryGeneration, StartNumber};
use holdfast_runtime::config::Config;
use holdfast_store::{DataDir, Formation, Identity};

/// What `holdfast format` writes for a new cluster.
pub use holdfast_quorum::{Document, Voter};
pub use holdfast_store::end_process;
pub use start::Broker;

/// The formation document that `format` leaves on the disk.
pub(crate) const DOCUMENT_FILE: &str = "formation.toml";

/// Why a broker does not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The disk.
    #[error("{0}")]
    Store(#[from] holdfast_store::Error),
    /// The formation document.
    #[error("{0}")]
    Document(#[from] holdfast_quorum::formation::DocumentError),
    /// The metadata quorum.
    #[error("{0}")]
    Quorum(#[from] holdfast_quorum::Error),
    /// A recovery of the cluster was interrupted on this disk.
    #[error("{0}")]
    Recovery(crate::recovery::Error),
    /// An address cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Anything else of the system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The configuration names another broker than the disk.
    #[error("the configuration is of broker {configured}, the disk of broker {found}")]
    WrongBroker {
        /// What the file says.
        configured: i32,
        /// What the disk says.
        found: BrokerId,
    },
    /// Another process has this broker's place.
    #[error("stopped: {0}")]
    Replaced(String),
}

/// How a broker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It led nothing any more.
    Gracefully,
    /// Some partitions had nobody else to lead them, or nobody decided in time.
    WithLeaderships,
}

/// Gives an empty directory its identity: an incarnation is drawn at random. With a formation
/// document that names this broker, the disk takes part in forming the cluster; otherwise it waits
/// to be admitted by `cluster`, which was recovered `recovery` times.
///
/// # Errors
/// The directory was formatted before, or the document does not fit.
pub fn format(
    path: &Path,
    broker: BrokerId,
    document: Option<&str>,
    cluster: Option<ClusterId>,
    recovery: RecoveryGeneration,
) -> Result<Identity, StartError> {
    let document = document.map(Document::parse).transpose()?;
    let voters: Vec<BrokerId> = document
        .iter()
        .flat_map(Document::voters)
        .map(|voter| voter.broker)
        .collect();
    let cluster = document
        .as_ref()
        .map(Document::cluster_id)
        .or(cluster)
        .ok_or_else(|| {
            holdfast_quorum::formation::DocumentError::Wrong(
                "neither a formation document nor a cluster id is given".to_owned(),
            )
        })?;
    let formation = if voters.contains(&broker) {
        Formation::Named { voters }
    } else {
        Formation::Waiting
    };
    let identity = Identity {
        cluster,
        broker,
        incarnation: Incarnation(draw()),
        start: StartNumber(0),
        formation,
        recovery,
    };
    std::fs::create_dir_all(path).map_err(|source| StartError::File {
        action: "create",
        path: path.display().to_string(),
        source,
    })?;
    // Before anything is written: the document of a disk that is in use stays what it is.
    match DataDir::read(path) {
        Err(holdfast_store::Error::NotFormatted { .. }) => {}
        _formatted => {
            let path = path.to_owned();
            return Err(holdfast_store::Error::AlreadyFormatted { path }.into());
        }
    }
    if let Some(document) = document {
        let file = path.join(DOCUMENT_FILE);
        let text = document.render()?;
        // The identity, written after it, makes the directory's entry lasting as well.
        let written = File::create(&file).and_then(|mut opened| {
            opened.write_all(text.as_bytes())?;
            opened.sync_all()
        });
        written.map_err(|source| StartError::File {
            action: "write",
            path: file.display().to_string(),
            source,
        })?;
    }
    DataDir::format(path, &identity)?;
    Ok(identity)
}

/// 64 of the 122 random bits of a version 4 UUID; never zero.
pub(crate) fn draw() -> u64 {
    loop {
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        // The version and variant bits are fixed: both halves together leave none of them alone.
        let drawn = high.rotate_left(17) ^ low;
        if drawn != 0 {
            return drawn;
        }
    }
}

/// Runs a broker until a signal stops it.
///
/// # Errors
/// It cannot start, or another process took its place.
pub async fn run(config: Config) -> Result<Stopped, StartError> {
    let broker = Broker::start(config).await?;
    broker.run_until_stopped().await
}
