//! The log of a disk whose broker does not run, for tools.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use holdfast_kernel::config;
use holdfast_kernel::log::{ReplicaLog, SegmentLimits};
use holdfast_model::SystemClock;
use holdfast_store::{CommitSink, Completed, Error, LogStore, Options, RecoveredPartition};

use crate::partition::restore;

/// Memory for the log's tables: nothing is written.
const MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// Nobody waits for a write: there are none.
struct NoWrites;

impl CommitSink for NoWrites {
    fn committed(&self, _group: &[Completed]) {}
}

/// Opens the log of a folder that is locked. An honest torn tail of its write-ahead log is cut, as by every
/// start.
pub(crate) fn open(path: &Path) -> Result<(LogStore, Vec<RecoveredPartition>), Error> {
    let mut options = Options::new(path, Arc::new(SystemClock::new()), Arc::new(NoWrites));
    options.memory_bytes = MEMORY_BYTES;
    // What is kept free on the disk stays as it is.
    options.reserve.reserve_bytes = 0;
    options.reserve.headroom_bytes = 0;
    LogStore::open(options)
}

/// The state of one replica's log, as the disk has it.
pub(crate) fn log_of(found: &RecoveredPartition) -> ReplicaLog {
    let settings = config::resolve(&BTreeMap::new(), &BTreeMap::new());
    let limits = SegmentLimits {
        bytes: settings.segment_bytes,
        age_ms: settings.segment_ms,
    };
    restore(found, limits)
}
