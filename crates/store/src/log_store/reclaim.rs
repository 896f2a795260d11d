//! Turning deletions into free space.
//!
//! Retention deletes the oldest first, so a blob file becomes garbage as a whole once every
//! partition's retention has passed it, and goes with the keys that named it: nothing is rewritten.
//! What a few partitions with longer retention, or deleted topics between living ones, hold back is
//! moved out of the old files only when it pays: RocksDB's own blob collection, left on, would copy
//! the values of the oldest files again with every compaction of their keys.

use std::sync::atomic::Ordering;

use rocksdb::{BottommostLevelCompaction, CompactOptions, FlushOptions};

use super::{Shared, families};
use crate::Error;

/// Blob files are rewritten when so many percent of them are garbage: at most twice the space that
/// the values take, for at most one rewritten byte by byte written.
const WORTH_PERCENT: u64 = 50;

/// The same when appends are refused for want of space.
const WORTH_PERCENT_AT_RESERVE: u64 = 10;

/// Less garbage than this is not worth a thought.
const LEAST_GARBAGE: u64 = 16 * 1024 * 1024;

/// The share of the oldest files that is rewritten; all of them when space is short.
const OLDEST_SHARE: &str = "0.5";

/// What is rewritten becomes the newest, so that one pass after the other comes to all of it.
const PASSES: usize = 3;

/// Flushes every family, then compacts the keys of log and index, and rewrites blob files where that
/// pays.
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
    compact(shared, families::LOG);
    compact(shared, families::INDEX);
    let refusing = shared.disk.is_refusing();
    for _ in 0..PASSES {
        let (total, garbage) = blobs(shared)?;
        if !is_worth(total, garbage, refusing) {
            break;
        }
        tracing::info!(
            total,
            garbage,
            "rewrites blob files that are mostly garbage"
        );
        let share = if refusing { "1.0" } else { OLDEST_SHARE };
        collect(shared, &[(ENABLE, "true"), (CUTOFF, share)])?;
        compact(shared, families::LOG);
        collect(shared, &[(ENABLE, "false")])?;
    }
    shared.db.check_background()?;
    shared.disk.refresh()
}

const ENABLE: &str = "enable_blob_garbage_collection";
const CUTOFF: &str = "blob_garbage_collection_age_cutoff";

fn collect(shared: &Shared, options: &[(&str, &str)]) -> Result<(), Error> {
    let log = shared.db.family(families::LOG);
    let db = shared.db.db();
    db.set_options_cf(log, options)
        .map_err(Error::rocks("set options"))
}

fn compact(shared: &Shared, family: &'static str) {
    let mut options = CompactOptions::default();
    // Ordinary flushes and compactions go on beside this one.
    options.set_exclusive_manual_compaction(false);
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    let family = shared.db.family(family);
    let db = shared.db.db();
    db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
}

/// Bytes of all blob files, and how many of them nothing refers to.
fn blobs(shared: &Shared) -> Result<(u64, u64), Error> {
    let log = shared.db.family(families::LOG);
    let of = |name: &str| {
        let value = shared.db.db().property_int_value_cf(log, name);
        Ok(value.map_err(Error::rocks("read a property"))?.unwrap_or(0))
    };
    Ok((
        of("rocksdb.live-blob-file-size")?,
        of("rocksdb.live-blob-file-garbage-size")?,
    ))
}

fn is_worth(total: u64, garbage: u64, refusing: bool) -> bool {
    let percent = if refusing {
        WORTH_PERCENT_AT_RESERVE
    } else {
        WORTH_PERCENT
    };
    garbage >= LEAST_GARBAGE && garbage.saturating_mul(100) >= total.saturating_mul(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_rewritten_when_half_is_garbage_or_when_space_is_short() {
        const MIB: u64 = 1024 * 1024;
        assert!(!is_worth(1000 * MIB, 400 * MIB, false));
        assert!(is_worth(1000 * MIB, 500 * MIB, false));
        assert!(is_worth(1000 * MIB, 100 * MIB, true));
        assert!(!is_worth(15 * MIB, 15 * MIB, true));
    }
}
