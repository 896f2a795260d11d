//! What can go wrong, and what each error means for the process.

use std::io;
use std::path::{Path, PathBuf};

use holdfast_model::{Offset, TopicPartition};

/// Everything that the store refuses or fails at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The write queue has no room; the caller waits and tries again.
    #[error("write queue is full: {bytes} bytes asked")]
    Overloaded {
        /// What was asked for.
        bytes: usize,
    },
    /// Appends are refused, because the disk is down to its reserve.
    #[error("disk is down to its reserve: {available} bytes left, {reserve} are kept free")]
    DiskReserve {
        /// Bytes that may still be written.
        available: u64,
        /// Bytes that are kept for deletes, flushes and the quorum's log.
        reserve: u64,
    },
    /// The store is closed or met a fatal error before.
    #[error("store is stopped")]
    Stopped,
    /// No such partition on this disk.
    #[error("no partition {partition} on this disk")]
    UnknownPartition {
        /// The partition asked for.
        partition: TopicPartition,
    },
    /// The operation contradicts itself; nothing was written.
    #[error("bad operation on {partition}: {reason}")]
    BadOperation {
        /// The partition it names.
        partition: TopicPartition,
        /// What does not fit.
        reason: String,
    },
    /// One operation is larger than the permit it came with, or than any group may be.
    #[error("operation of {bytes} bytes is larger than its permit of {limit} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What was allowed.
        limit: usize,
    },
    /// Another process holds this data directory.
    #[error("data directory {path} is in use by another process")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory was never formatted.
    #[error("data directory {path} is not formatted")]
    NotFormatted {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory already carries an identity.
    #[error("data directory {path} is already formatted")]
    AlreadyFormatted {
        /// The directory.
        path: PathBuf,
    },
    /// The disk belongs to another cluster or broker.
    #[error("disk belongs to another {what}: it carries {found}, this process is {expected}")]
    ForeignDisk {
        /// "cluster" or "broker".
        what: &'static str,
        /// What the disk carries.
        found: String,
        /// What the process was told to be.
        expected: String,
    },
    /// Something on disk was written by a newer version.
    #[error("{what} has format version {found}, this version reads up to {supported}")]
    UnsupportedFormat {
        /// Which record.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest version that can be read.
        supported: u32,
    },
    /// A stored batch does not match its checksum, length, key or index entry.
    #[error("damaged batch at offset {base_offset} of {partition}: {reason}")]
    DamagedBatch {
        /// The partition.
        partition: TopicPartition,
        /// Offset of the batch's first record.
        base_offset: Offset,
        /// What does not fit.
        reason: String,
    },
    /// The index of one partition cannot be read.
    #[error("damaged index of {partition}: {reason}")]
    DamagedIndex {
        /// The partition.
        partition: TopicPartition,
        /// What does not fit.
        reason: String,
    },
    /// Something that the whole process depends on is damaged.
    #[error("damaged {path} at byte {position}: {reason}")]
    Damaged {
        /// The file or database.
        path: PathBuf,
        /// Position in the file, 0 where it has no meaning.
        position: u64,
        /// What does not fit.
        reason: String,
    },
    /// Synced commit groups are missing from the end of the write-ahead log.
    #[error(
        "{path} lost synced writes: it ends at group {recovered}, but group {durable} was synced"
    )]
    LostSyncedWrites {
        /// The database.
        path: PathBuf,
        /// The last group found.
        recovered: u64,
        /// The last group known to have been synced.
        durable: u64,
    },
    /// RocksDB reports an error.
    #[error("rocksdb failed to {action}: {source}")]
    Rocks {
        /// What was being done.
        action: &'static str,
        /// The cause.
        source: rocksdb::Error,
    },
    /// RocksDB met an error in the background.
    #[error(
        "rocksdb stopped in the background: {errors} errors, writes stopped: {stopped}, cause: {}",
        cause.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string)
    )]
    Background {
        /// How many errors it counts.
        errors: u64,
        /// Whether it refuses writes.
        stopped: bool,
        /// What a write is refused with since.
        cause: Option<rocksdb::Error>,
    },
    /// A call to the operating system failed.
    #[error("failed to {action} {path}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The caller and the store disagree about the state of a log.
    #[error("invariant broken: {name}: {detail}")]
    Invariant {
        /// The invariant's name, as in `docs/replication.md`.
        name: &'static str,
        /// What was seen.
        detail: String,
    },
}

/// What an error means for the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The caller asked for something impossible; nothing happened.
    Caller,
    /// The same call may succeed later.
    Retry,
    /// One partition's data is damaged: its replica goes offline, the process goes on.
    PartitionDamaged,
    /// The process must stop; nothing that it says can be trusted any more.
    Fatal,
}

impl Error {
    /// What the error means for the process.
    pub fn class(&self) -> Class {
        match self {
            Self::Overloaded { .. } | Self::DiskReserve { .. } => Class::Retry,
            Self::UnknownPartition { .. } | Self::BadOperation { .. } | Self::TooLarge { .. } => {
                Class::Caller
            }
            Self::DamagedBatch { .. } | Self::DamagedIndex { .. } => Class::PartitionDamaged,
            Self::Stopped
            | Self::InUse { .. }
            | Self::NotFormatted { .. }
            | Self::AlreadyFormatted { .. }
            | Self::ForeignDisk { .. }
            | Self::UnsupportedFormat { .. }
            | Self::Damaged { .. }
            | Self::LostSyncedWrites { .. }
            | Self::Rocks { .. }
            | Self::Background { .. }
            | Self::Io { .. }
            | Self::Invariant { .. } => Class::Fatal,
        }
    }

    /// Whether stored bytes are damaged, or gone: starting again on the same files changes nothing. A
    /// device that fails a read or a write is none of this.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::DamagedBatch { .. }
            | Self::DamagedIndex { .. }
            | Self::LostSyncedWrites { .. } => true,
            Self::Rocks { source, .. } => is_damage(source),
            Self::Background { cause, .. } => cause.as_ref().is_some_and(is_damage),
            Self::Overloaded { .. }
            | Self::DiskReserve { .. }
            | Self::Stopped
            | Self::UnknownPartition { .. }
            | Self::BadOperation { .. }
            | Self::TooLarge { .. }
            | Self::InUse { .. }
            | Self::NotFormatted { .. }
            | Self::AlreadyFormatted { .. }
            | Self::ForeignDisk { .. }
            | Self::UnsupportedFormat { .. }
            | Self::Io { .. }
            | Self::Invariant { .. } => false,
        }
    }

    pub(crate) fn rocks(action: &'static str) -> impl FnOnce(rocksdb::Error) -> Self {
        move |source| Self::Rocks { action, source }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn damaged(path: &Path, position: u64, reason: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            position,
            reason: reason.into(),
        }
    }
}

/// A file that is not there is reported as an I/O error with the system's words.
fn is_damage(error: &rocksdb::Error) -> bool {
    match error.kind() {
        rocksdb::ErrorKind::Corruption => true,
        rocksdb::ErrorKind::IOError => error.as_ref().contains("No such file or directory"),
        _ => false,
    }
}
