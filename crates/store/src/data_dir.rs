//! The data directory: whose disk this is, and that one process at a time uses it.

mod identity_file;
mod renewal;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use holdfast_model::{BrokerId, ClusterId, Incarnation, RecoveryGeneration, StartNumber};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// How far this disk came on its way into a cluster. It only moves forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Formation {
    /// Waits to be admitted by an existing cluster.
    Waiting,
    /// Was named in a formation document that no attempt has used yet.
    Named {
        /// The brokers that form the cluster.
        voters: Vec<BrokerId>,
    },
    /// Confirmed one attempt to form; never confirms another.
    Bound {
        /// The brokers that form the cluster.
        voters: Vec<BrokerId>,
        /// The attempt.
        attempt: Uuid,
    },
    /// Belongs to a cluster; the document grants nothing any more.
    Member,
}

/// What a disk says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The broker.
    pub broker: BrokerId,
    /// The life of this disk; drawn at format.
    pub incarnation: Incarnation,
    /// How often a process started on this disk.
    pub start: StartNumber,
    /// How far it came on its way into the cluster.
    pub formation: Formation,
    /// How often the cluster of this disk was recovered.
    #[serde(default)]
    pub recovery: RecoveryGeneration,
    /// The life before this one, while its files are still to be set aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<Incarnation>,
}

/// An open data directory. Holds its lock until dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    identity: Identity,
    /// The lock goes with this handle.
    _lock: File,
}

impl DataDir {
    /// Gives an empty directory its identity, synced. The start number begins at 0, so the first
    /// [`DataDir::open`] makes it 1.
    ///
    /// # Errors
    /// [`Error::AlreadyFormatted`] if it has one, [`Error::InUse`].
    pub fn format(path: &Path, identity: &Identity) -> Result<(), Error> {
        std::fs::create_dir_all(path).map_err(Error::io("create", path))?;
        let _lock = lock(path)?;
        if identity_file::exists(path)? {
            return Err(Error::AlreadyFormatted {
                path: path.to_owned(),
            });
        }
        crate::durable_mark::sync_parent(path)?;
        identity_file::write(
            path,
            &Identity {
                start: StartNumber(0),
                ..identity.clone()
            },
        )
    }

    /// Reads a directory's identity without taking it into use.
    ///
    /// # Errors
    /// [`Error::NotFormatted`], [`Error::Damaged`], [`Error::UnsupportedFormat`].
    pub fn read(path: &Path) -> Result<Identity, Error> {
        identity_file::read(path)
    }

    /// Takes the directory into use: locks it, checks whose it is, counts the start, synced.
    ///
    /// # Errors
    /// As [`DataDir::read`]; [`Error::InUse`] if another process has it; [`Error::ForeignDisk`] if it
    /// belongs to another broker, or to another cluster than `cluster`, if that is given.
    pub fn open(path: &Path, cluster: Option<ClusterId>, broker: BrokerId) -> Result<Self, Error> {
        if !path.try_exists().map_err(Error::io("look for", path))? {
            return Err(Error::NotFormatted {
                path: path.to_owned(),
            });
        }
        let lock = lock(path)?;
        let mut identity = identity_file::read(path)?;
        if let Some(expected) = cluster.filter(|expected| *expected != identity.cluster) {
            let (found, expected) = (identity.cluster.to_string(), expected.to_string());
            return Err(Error::ForeignDisk {
                what: "cluster",
                found,
                expected,
            });
        }
        if identity.broker != broker {
            let (found, expected) = (identity.broker.to_string(), broker.to_string());
            return Err(Error::ForeignDisk {
                what: "broker",
                found,
                expected,
            });
        }
        identity = renewal::set_aside(path, identity)?;
        identity.start = StartNumber(identity.start.0 + 1);
        identity_file::write(path, &identity)?;
        Ok(Self {
            path: path.to_owned(),
            identity,
            _lock: lock,
        })
    }

    /// Takes the directory into use without a process start: for tools, while no broker runs.
    ///
    /// # Errors
    /// As [`DataDir::read`]; [`Error::InUse`] if a process has it.
    pub fn inspect(path: &Path) -> Result<Self, Error> {
        if !path.try_exists().map_err(Error::io("look for", path))? {
            return Err(Error::NotFormatted {
                path: path.to_owned(),
            });
        }
        let lock = lock(path)?;
        Ok(Self {
            path: path.to_owned(),
            identity: renewal::set_aside(path, identity_file::read(path)?)?,
            _lock: lock,
        })
    }

    /// Stamps the disk with a later recovery generation of its cluster, synced before it returns.
    ///
    /// # Errors
    /// [`Error::Invariant`] for an earlier one; nothing was written then.
    pub fn set_recovery(&mut self, recovery: RecoveryGeneration) -> Result<(), Error> {
        if recovery < self.identity.recovery {
            let detail = format!("from {} to {recovery}", self.identity.recovery);
            return Err(Error::Invariant {
                name: "INV-RECOVERY-GROWS",
                detail,
            });
        }
        let identity = Identity {
            recovery,
            ..self.identity.clone()
        };
        identity_file::write(&self.path, &identity)?;
        self.identity = identity;
        Ok(())
    }

    /// Who this disk is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the formation forward, synced before it returns.
    ///
    /// # Errors
    /// [`Error::Invariant`] for a step back or a second attempt; nothing was written then.
    pub fn set_formation(&mut self, formation: Formation) -> Result<(), Error> {
        let forward = match (&self.identity.formation, &formation) {
            (Formation::Named { .. }, Formation::Bound { .. })
            | (
                Formation::Waiting | Formation::Named { .. } | Formation::Bound { .. },
                Formation::Member,
            ) => true,
            (old, new) => old == new,
        };
        if !forward {
            let detail = format!("from {:?} to {formation:?}", self.identity.formation);
            return Err(Error::Invariant {
                name: "INV-FORMED-ONCE",
                detail,
            });
        }
        let identity = Identity {
            formation,
            ..self.identity.clone()
        };
        identity_file::write(&self.path, &identity)?;
        self.identity = identity;
        Ok(())
    }
}

fn lock(path: &Path) -> Result<File, Error> {
    let lock = path.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock)
        .map_err(Error::io("open", &lock))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &lock)(error)),
    }
}

#[cfg(test)]
mod tests;
