//! Turning deletions into free space.

use std::sync::atomic::Ordering;

use rocksdb::{BottommostLevelCompaction, CompactOptions, FlushOptions};

use super::{Shared, families};
use crate::Error;

/// Flushes every family, then compacts the keys of log and index. Values stay where they are but
/// for those in blob files that are mostly garbage, so this moves little even for a full log.
pub(super) fn reclaim(shared: &Shared) -> Result<(), Error> {
    // First the flag: deletions that come while this runs want another run.
    shared.garbage.store(false, Ordering::Relaxed);
    let db = shared.db.db();
    let log = shared.db.family(families::LOG);
    let index = shared.db.family(families::INDEX);
    let state = shared.db.family(families::STATE);
    let mut flush = FlushOptions::default();
    flush.set_wait(true);
    db.flush_cfs_opt(&[log, index, state], &flush)
        .map_err(Error::rocks("flush"))?;
    let mut compact = CompactOptions::default();
    // Ordinary flushes and compactions go on beside this one.
    compact.set_exclusive_manual_compaction(false);
    compact.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    for family in [log, index] {
        db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &compact);
    }
    shared.db.check_background()?;
    shared.disk.refresh()
}
