//! Applies a plan to a disk.
//!
//! Order: the new metadata becomes the disk's in one atomic write, then the identity is stamped with
//! the new generation. A crash before the first leaves the old state; between the two the disk is
//! neither, no broker starts on it, and applying the plan again finishes.

use std::path::Path;

use holdfast_kernel::recovery::{Plan, Position};
use holdfast_model::ReplicaId;
use holdfast_quorum::recovery;
use holdfast_store::{DataDir, Identity};

use super::describe::open_metadata;
use super::{Error, PlanFile};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The plan was applied.
    Now,
    /// The plan was half applied; the rest was done.
    Finished,
    /// The plan was applied before; nothing was done.
    Before,
}

/// Applies a plan to the disk in a data folder whose broker does not run. May be repeated. Blocks.
///
/// # Errors
/// A broker uses the folder, the plan is not for this disk, or the disk has changed since it was
/// described; nothing was changed then. Or the disk fails: apply it again.
pub fn apply(path: &Path, plan: &PlanFile) -> Result<Applied, Error> {
    let plan = plan.open()?;
    let mut folder = DataDir::inspect(path)?;
    let identity = folder.identity().clone();
    if identity.cluster != plan.cluster {
        return Err(Error::OtherCluster {
            plan: plan.cluster,
            disk: identity.cluster,
        });
    }
    let metadata = open_metadata(path)?;
    if recovery::is_installed(&*metadata, &plan)? {
        if identity.recovery >= plan.to {
            return Ok(Applied::Before);
        }
        folder.set_recovery(plan.to)?;
        return Ok(Applied::Finished);
    }
    let found = recovery::read(&metadata)?;
    check_unchanged(&plan, &identity, found.last)?;
    recovery::install(&metadata, &plan)?;
    folder.set_recovery(plan.to)?;
    Ok(Applied::Now)
}

/// Whether the disk is as it was described.
fn check_unchanged(
    plan: &Plan,
    identity: &Identity,
    last_log: Option<Position>,
) -> Result<(), Error> {
    let replica = ReplicaId {
        broker: identity.broker,
        incarnation: identity.incarnation,
    };
    let mut planned = plan.disks.iter();
    let planned = planned
        .find(|disk| disk.replica == replica)
        .ok_or(Error::NotPlanned(replica))?;
    let changed = |what: String| Err(Error::Changed { replica, what });
    if identity.recovery != plan.from {
        return changed(format!(
            "recovery generation {} instead of {}",
            identity.recovery, plan.from
        ));
    }
    if identity.start != planned.start {
        return changed(format!(
            "start number {} instead of {}",
            identity.start, planned.start
        ));
    }
    if last_log != Some(planned.last_log) {
        return changed("its metadata log has another end".to_owned());
    }
    Ok(())
}
