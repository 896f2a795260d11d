//! One broker process, from its disk to its last answer.

mod api;
mod foundation;
mod options;
mod parked;
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
    #[error(transparent)]
    Store(#[from] holdfast_store::Error),
    /// The formation document.
    #[error(transparent)]
    Document(#[from] holdfast_quorum::formation::DocumentError),
    /// The metadata quorum.
    #[error(transparent)]
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
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A test asks for what it cannot have.
    #[error("{0}")]
    TestPoint(String),
    /// The configuration names another broker than the disk.
    #[error("the configuration is of broker {configured}, the disk of broker {found}")]
    WrongBroker {
        /// What the file says.
        configured: i32,
        /// What the disk says.
        found: BrokerId,
    },
    /// The disk belongs to another cluster.
    #[error("the disk belongs to cluster {found}, not {wanted}: it is not touched")]
    ForeignDisk {
        /// The cluster that it was to be of.
        wanted: ClusterId,
        /// The cluster that it is of.
        found: ClusterId,
    },
    /// The files of the admin API's certificates.
    #[error("the admin API cannot be served: {0}")]
    AdminApi(String),
    /// The receiver of clients' metrics.
    #[error("holdfast.telemetry.receiver: {0}")]
    Telemetry(String),
    /// The disk is damaged, and no other may take its place by itself.
    #[error(
        "{error}; nothing was changed. The broker would come back by itself as a new disk, but: \
         {hindrance}. What to do is in docs/recovery.md"
    )]
    Damaged {
        /// What is damaged.
        error: holdfast_store::Error,
        /// Why not.
        hindrance: String,
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

/// What a disk is to become.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its broker.
    pub broker: BrokerId,
    /// The formation document of a new cluster.
    pub document: Option<&'a str>,
    /// The cluster to join; with a document, the one that it must be about.
    pub cluster: Option<ClusterId>,
    /// How often that cluster was recovered.
    pub recovery: RecoveryGeneration,
}

/// As [`format`], but a directory that is this broker's disk in this cluster already stays as it is.
///
/// # Errors
/// It is another broker's disk, or another cluster's, or as [`format`].
pub fn format_if_needed(path: &Path, wanted: &Wanted<'_>) -> Result<Identity, StartError> {
    let found = match DataDir::read(path) {
        Ok(found) => found,
        Err(holdfast_store::Error::NotFormatted { .. }) => return format(path, wanted),
        Err(error) => return Err(error.into()),
    };
    if found.broker != wanted.broker {
        return Err(StartError::WrongBroker {
            configured: wanted.broker.0,
            found: found.broker,
        });
    }
    match wanted.cluster {
        Some(cluster) if cluster != found.cluster => Err(StartError::ForeignDisk {
            wanted: cluster,
            found: found.cluster,
        }),
        _same => Ok(found),
    }
}

/// Gives an empty directory its identity: an incarnation is drawn at random. With a formation
/// document that names this broker, the disk takes part in forming the cluster; otherwise it waits
/// to be admitted by its cluster.
///
/// # Errors
/// The directory was formatted before, or the document does not fit.
pub fn format(path: &Path, wanted: &Wanted<'_>) -> Result<Identity, StartError> {
    let &Wanted {
        broker,
        document,
        cluster,
        recovery,
    } = wanted;
    let document = document.map(Document::parse).transpose()?;
    if let (Some(document), Some(cluster)) = (&document, cluster)
        && document.cluster_id() != cluster
    {
        return Err(holdfast_quorum::formation::DocumentError::Wrong(format!(
            "it is about cluster {}, not {cluster}",
            document.cluster_id()
        ))
        .into());
    }
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
        aside: None,
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

/// Runs a broker until a signal stops it. The digest is that of the files which the configuration was
/// loaded from.
///
/// # Errors
/// It cannot start, or another process took its place.
pub async fn run(config: Config, files_digest: String) -> Result<Stopped, StartError> {
    if config.parked {
        return parked::run(config, files_digest).await;
    }
    let broker = Broker::start(config, files_digest).await?;
    broker.run_until_stopped().await
}
