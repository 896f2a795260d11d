//! Describes what a disk holds.

use std::path::Path;
use std::sync::Arc;

use holdfast_kernel::recovery::{Copy, Description};
use holdfast_model::{ReplicaId, SystemClock};
use holdfast_quorum::{Keyspace, recovery};
use holdfast_store::{DataDir, MetaDb, MetaOptions, RecoveredPartition};

use super::{DescriptionFile, Error};
use crate::disk_log;

/// Describes the disk in a data folder whose broker does not run. The folder is opened as a start
/// opens it (an honest torn tail of a write-ahead log is cut), but no start is counted and nothing
/// else changes. Blocks.
///
/// # Errors
/// A broker uses the folder, or what it holds cannot be used.
pub fn describe(path: &Path) -> Result<DescriptionFile, Error> {
    let folder = DataDir::inspect(path)?;
    let identity = folder.identity();
    let metadata = recovery::read(&open_metadata(path)?)?;
    if metadata.recovery > identity.recovery {
        return Err(Error::Interrupted {
            path: path.to_owned(),
            installed: metadata.recovery,
            stamped: identity.recovery,
        });
    }
    DescriptionFile::new(Description {
        cluster: identity.cluster,
        recovery: identity.recovery,
        replica: ReplicaId {
            broker: identity.broker,
            incarnation: identity.incarnation,
        },
        start: identity.start,
        vote_term: metadata.vote_term,
        last_log: metadata.last,
        members: metadata.members,
        copies: copies(path)?,
        image: metadata.image,
    })
}

/// Opens the metadata of a folder that is locked.
pub(super) fn open_metadata(path: &Path) -> Result<Arc<dyn Keyspace>, Error> {
    let options = MetaOptions::new(path.join("meta"), Arc::new(SystemClock::new()));
    Ok(Arc::new(MetaDb::open(options)?))
}

fn copies(path: &Path) -> Result<Vec<Copy>, Error> {
    let (store, recovered) = disk_log::open(path)?;
    store.close();
    Ok(recovered.iter().map(copy).collect())
}

fn copy(found: &RecoveredPartition) -> Copy {
    let log = disk_log::log_of(found);
    let producers = log.producers().entries();
    let largest = producers.iter().map(|producer| producer.producer_id).max();
    Copy {
        at: found.partition,
        topic: found.topic_name.clone(),
        log_start: log.log_start(),
        log_end: log.log_end(),
        known_high_watermark: log.known_high_watermark(),
        last_epoch: log.epochs().last(),
        accepted_epoch: found.leader_epoch,
        largest_producer_id: largest.unwrap_or(-1),
    }
}
