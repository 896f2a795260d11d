//! How a log is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{Clock, limits};

use super::CommitSink;
use crate::{Error, Faults, NoFaults, ReserveOptions};

const MIB: usize = 1024 * 1024;

/// The number of one log database within a broker. Today there is one, number 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

/// What is called, once, when the store must not go on. It must not return in production.
pub type FatalHook = Arc<dyn Fn(&Error) + Send + Sync>;

/// How to open a shard's log.
#[derive(Clone)]
pub struct Options {
    /// The data directory; the database lives in `log-<shard>` under it.
    pub path: PathBuf,
    /// Which shard.
    pub shard: ShardId,
    /// Share of the memory budget for memtables and index cache, in bytes.
    pub memory_bytes: usize,
    /// Most bytes that wait for the writer or are being written.
    pub queue_bytes: usize,
    /// Most appends that wait; as many control operations may wait beside them.
    pub queue_ops: usize,
    /// A group takes no further operation once it has this many bytes.
    pub group_bytes: usize,
    /// Most operations of one group.
    pub group_ops: usize,
    /// How often the durable mark is written while groups commit.
    pub mark_interval: Duration,
    /// What is kept free on the disk.
    pub reserve: ReserveOptions,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who hears of synced groups.
    pub sink: Arc<dyn CommitSink>,
    /// Who hears of fatal errors.
    pub fatal: FatalHook,
    /// Faults on purpose, for tests.
    pub faults: Arc<dyn Faults>,
}

impl Options {
    /// Production defaults for a data directory.
    pub fn new(path: impl Into<PathBuf>, clock: Arc<dyn Clock>, sink: Arc<dyn CommitSink>) -> Self {
        Self {
            path: path.into(),
            shard: ShardId::default(),
            memory_bytes: 256 * MIB,
            // The largest batch must fit beside a full group.
            queue_bytes: limits::BATCH_BYTES + 32 * MIB,
            queue_ops: 64 * 1024,
            group_bytes: 4 * MIB,
            group_ops: 1024,
            mark_interval: Duration::from_secs(1),
            reserve: ReserveOptions::default(),
            clock,
            sink,
            fatal: Arc::new(abort_process),
            faults: Arc::new(NoFaults),
        }
    }

    /// Where the shard's database lives.
    pub(crate) fn database_path(&self) -> PathBuf {
        self.path.join(format!("log-{}", self.shard.0))
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("path", &self.path)
            .field("shard", &self.shard)
            .field("memory_bytes", &self.memory_bytes)
            .field("queue_bytes", &self.queue_bytes)
            .field("reserve", &self.reserve)
            .finish_non_exhaustive()
    }
}

/// Logs the error and ends the process without unwinding: after a failed sync no destructor may
/// write anything.
pub fn abort_process(error: &Error) {
    tracing::error!(%error, "fatal storage error, ending the process");
    std::process::abort();
}
