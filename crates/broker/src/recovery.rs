//! Disaster recovery on the disks of brokers that do not run: describes a disk, makes a plan of
//! descriptions, and applies the plan to a disk.
//!
//! What a plan decides is the kernel's ([`holdfast_kernel::recovery`]); here are the disks and the
//! form in which descriptions and plans travel between machines.

mod apply;
mod describe;
mod files;

use std::path::PathBuf;

use holdfast_model::{ClusterId, RecoveryGeneration, ReplicaId};

pub use apply::{Applied, apply};
pub use describe::describe;
pub use files::{DescriptionFile, PlanFile, plan};
pub use holdfast_kernel::image::ClusterImage;
pub use holdfast_kernel::recovery::{Description, Fate, Plan, Position, Stray, Verdict};

/// Largest file of a description or a plan.
pub const FILE_BYTES: u64 = 512 * 1024 * 1024;

/// Why a step of a recovery was not taken. Nothing was changed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder.
    #[error(transparent)]
    Store(#[from] holdfast_store::Error),
    /// The stored metadata.
    #[error(transparent)]
    Metadata(#[from] holdfast_quorum::StorageError),
    /// The descriptions allow no plan.
    #[error(transparent)]
    Plan(#[from] holdfast_kernel::recovery::Error),
    /// A file was written by a newer version.
    #[error("{what} of format {found}, this version knows up to {known}")]
    Newer {
        /// Which kind of file.
        what: &'static str,
        /// Its format.
        found: u32,
        /// The newest one known.
        known: u32,
    },
    /// A file contradicts itself.
    #[error("{what} cannot be used: {why}")]
    Unusable {
        /// Which kind of file.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// An earlier recovery was interrupted on this disk.
    #[error(
        "a recovery was interrupted on {}: apply its plan again, which finishes it (metadata of \
         generation {installed}, disk of {stamped})", path.display()
    )]
    Interrupted {
        /// The data folder.
        path: PathBuf,
        /// The generation of the metadata.
        installed: RecoveryGeneration,
        /// The generation of the disk.
        stamped: RecoveryGeneration,
    },
    /// The plan is of another cluster.
    #[error("the plan is of cluster {plan}, the disk of {disk}")]
    OtherCluster {
        /// The plan's.
        plan: ClusterId,
        /// The disk's.
        disk: ClusterId,
    },
    /// The plan counts this disk as lost.
    #[error(
        "disk {0} is not in the plan, which counts it as lost: describe it and plan again, or format \
         it anew after the recovery"
    )]
    NotPlanned(ReplicaId),
    /// The disk is not as it was described.
    #[error(
        "disk {replica} has changed since it was described ({what}): describe it and plan again"
    )]
    Changed {
        /// The disk.
        replica: ReplicaId,
        /// What changed.
        what: String,
    },
}

#[cfg(test)]
mod tests;
