//! The log of every partition of one shard.

mod apply;
mod budget;
mod keeper;
mod ledger;
mod op;
mod options;
mod queue;
mod read;
mod reclaim;
mod recover;
mod sink;
mod stats;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use holdfast_model::{BatchInfo, Offset, TopicPartition};
use parking_lot::{Mutex, RwLock};

use crate::Error;
use crate::disk::Disk;
use crate::keys::PartitionKey;
use crate::synced_db::{Opening, SyncedDb};
use crate::tuning::{self, LogMemory};

pub use budget::{Budget, Permit, Reserve, Room};
pub use op::{Op, OpKind};
pub use options::{FatalHook, Options, ShardId, abort_process};
pub use read::{Checked, StoredBatch};
pub use recover::RecoveredPartition;
pub use sink::{CommitSink, Completed, GroupStats, Outcome};
pub use stats::{Histogram, Stats};

/// The column families of a log database.
pub(crate) mod families {
    /// Batches, byte for byte as they came.
    pub(crate) const LOG: &str = "log";
    /// What the index says of each batch.
    pub(crate) const INDEX: &str = "index";
    /// Partitions, checkpoints, positions, the claim.
    pub(crate) const STATE: &str = "state";
}

/// One shard's log: a RocksDB instance, one writer thread, any number of readers.
///
/// Operations are submitted with a permit and complete, in order and synced, at the
/// [`CommitSink`]. All methods are callable from any thread; those that read block on the disk and
/// belong on a bounded blocking pool.
#[derive(Debug)]
pub struct LogStore {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the writer, the keeper and the readers share.
struct Shared {
    db: SyncedDb,
    queue: queue::Queue,
    budget: Arc<Budget>,
    /// Which key each partition has, as of the newest synced group.
    partitions: RwLock<HashMap<TopicPartition, PartitionKey>>,
    stats: stats::Counters,
    disk: Disk,
    /// Set once a fatal error was reported; nothing is accepted any more.
    failed: AtomicBool,
    /// Set when deletions left garbage that a compaction could turn into free space.
    garbage: AtomicBool,
    options: Options,
}

impl LogStore {
    /// Opens or creates the shard under the data directory of `options`, recovers every partition
    /// and starts the writer.
    ///
    /// # Errors
    /// [`Error::Damaged`] and [`Error::LostSyncedWrites`] if the write-ahead log is not what was
    /// synced; nothing was changed then. Every error is fatal.
    pub fn open(options: Options) -> Result<(Self, Vec<RecoveredPartition>), Error> {
        let path = options.database_path();
        std::fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        let disk = Disk::open(&options.path, options.reserve, Arc::clone(&options.faults))?;
        let memory = LogMemory::of(options.memory_bytes);
        let (db, committer) = SyncedDb::open(Opening {
            path: &path,
            options: &tuning::log_database(memory),
            families: tuning::log_families(memory),
            state_family: families::STATE,
        })?;
        let recovered = recover::recover(&db)?;
        let partitions = recovered.ledger.keys();
        let shared = Arc::new(Shared {
            db,
            queue: queue::Queue::default(),
            budget: Budget::new(options.queue_bytes, options.queue_ops),
            partitions: RwLock::new(partitions),
            stats: stats::Counters::default(),
            disk,
            failed: AtomicBool::new(false),
            garbage: AtomicBool::new(false),
            options,
        });
        let store = Self {
            shared,
            threads: Mutex::default(),
        };
        store.start("store-writer", {
            let shared = Arc::clone(&store.shared);
            let writer = writer::Writer::new(Arc::clone(&shared), committer, recovered.ledger);
            move || shared.fail_on_error(writer.run())
        })?;
        store.start("store-keeper", {
            let shared = Arc::clone(&store.shared);
            move || shared.fail_on_error(keeper::run(&shared))
        })?;
        store.start("store-reclaim", {
            let shared = Arc::clone(&store.shared);
            move || shared.fail_on_error(keeper::reclaim_garbage(&shared))
        })?;
        Ok((store, recovered.partitions))
    }

    /// Room in the write queue for one operation of up to `bytes` bytes, at once or not at all.
    /// Take it before an offset is given out: a submission with a permit is not refused for want
    /// of room.
    ///
    /// # Errors
    /// [`Error::Overloaded`], [`Error::DiskReserve`] (only for [`Room::Append`]), [`Error::Stopped`].
    pub fn try_reserve(&self, room: Room, bytes: usize) -> Result<Permit, Error> {
        self.shared.admit(room)?;
        self.shared.budget.try_take(room, bytes)
    }

    /// Room in the write queue for one append of up to `bytes` bytes, as soon as there is some.
    /// The future is cancel-safe: dropped, it leaves the queue. First come, first served.
    ///
    /// # Errors
    /// [`Error::DiskReserve`] at once, [`Error::TooLarge`] if it can never fit; the future yields
    /// [`Error::Stopped`] when the store closes.
    pub fn reserve(&self, bytes: usize) -> Result<Reserve, Error> {
        self.shared.admit(Room::Append)?;
        self.shared.budget.wait_for(bytes)
    }

    /// Hands an operation to the writer. Only pushes to a queue, so it may be called under a
    /// partition's lock; operations of one partition take effect in the order of these calls.
    /// `token` comes back in the completion.
    ///
    /// # Errors
    /// Class `Caller` if the operation contradicts itself or is larger than its permit,
    /// [`Error::Stopped`]. After an error nothing was queued.
    pub fn submit(&self, permit: Permit, token: u64, op: Op) -> Result<(), Error> {
        op.check(&permit)?;
        if self.shared.failed.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        let submitted = self.shared.options.clock.monotonic();
        self.shared.queue.push(queue::Entry {
            op,
            token,
            submitted,
            permit,
        })
    }

    /// Whole batches from the one that holds `from`, or the first behind it, up to the last that
    /// begins before `up_to`; at most `max_bytes` together, but at least one if there is one.
    /// Every batch is verified. Blocks on the disk.
    ///
    /// # Errors
    /// [`Error::DamagedBatch`] if the *first* batch is damaged; a damaged batch further on ends the
    /// answer before it. [`Error::DamagedIndex`], [`Error::UnknownPartition`].
    pub fn read(
        &self,
        partition: TopicPartition,
        from: Offset,
        up_to: Offset,
        max_bytes: usize,
    ) -> Result<Vec<StoredBatch>, Error> {
        self.reader(partition)?.batches(from, up_to, max_bytes)
    }

    /// The index entries from the batch that holds `from`, or the first behind it, up to the last
    /// that begins before `up_to`; at most `limit`. Blocks on the disk. May reach below the log
    /// start: an entry says nothing about whether its data is still there.
    pub fn index(
        &self,
        partition: TopicPartition,
        from: Offset,
        up_to: Offset,
        limit: usize,
    ) -> Result<Vec<BatchInfo>, Error> {
        self.reader(partition)?.entries(from, up_to, limit)
    }

    /// The verified batch that holds `offset`; `None` if the log holds none there.
    pub fn batch_at(
        &self,
        partition: TopicPartition,
        offset: Offset,
    ) -> Result<Option<StoredBatch>, Error> {
        let found = self.read(partition, offset, offset.next(), 1)?;
        Ok(found.into_iter().next())
    }

    /// Reads and verifies every batch from the one that holds `from` on that begins before `up_to`, of
    /// about `max_bytes` together, and keeps none. Blocks on the disk.
    ///
    /// # Errors
    /// [`Error::DamagedIndex`], [`Error::UnknownPartition`]. A damaged batch is no error here.
    pub fn check(
        &self,
        partition: TopicPartition,
        from: Offset,
        up_to: Offset,
        max_bytes: u64,
    ) -> Result<Checked, Error> {
        self.reader(partition)?.check(from, up_to, max_bytes)
    }

    /// The state of one partition as of the newest synced group: what a start would find. Blocks on
    /// the disk.
    pub fn recover(&self, partition: TopicPartition) -> Result<RecoveredPartition, Error> {
        let key = self.shared.partitions.read().get(&partition).copied();
        let key = key.ok_or(Error::UnknownPartition { partition })?;
        recover::recover_one(&self.shared.db, key)
    }

    /// Bytes of all batches of a partition that the index lists. Reads its whole index: for
    /// descriptions and tools, not for a hot path.
    pub fn partition_bytes(&self, partition: TopicPartition) -> Result<u64, Error> {
        self.reader(partition)?.bytes()
    }

    /// Bytes of the shard's files. Lists a directory.
    pub fn disk_bytes(&self) -> Result<u64, Error> {
        crate::disk::directory_bytes(&self.shared.options.database_path())
    }

    /// Bytes that RocksDB holds in memory for this shard: memtables and block cache.
    pub fn memory_bytes(&self) -> Result<u64, Error> {
        let all = [families::LOG, families::INDEX, families::STATE];
        self.shared.db.memory_bytes(&all)
    }

    /// Free bytes of the file system, as of at most a tenth of a second ago.
    pub fn available_bytes(&self) -> u64 {
        self.shared.disk.available()
    }

    /// The size of the file system; 0 if it cannot be read.
    pub fn total_bytes(&self) -> u64 {
        let path = self.shared.options.database_path();
        holdfast_rocks::space(&path).map_or(0, |space| space.total)
    }

    /// Whether appends are refused because the disk is down to its reserve.
    pub fn is_at_reserve(&self) -> bool {
        self.shared.disk.is_refusing()
    }

    /// Counters and histograms since the start.
    pub fn stats(&self) -> Stats {
        self.shared
            .stats
            .snapshot(self.shared.db.synced_group(), &self.shared.budget)
    }

    /// Turns what deletions left behind into free space: flushes, then compacts keys. Blocks for as
    /// long as that takes; the keeper calls it by itself when the disk is down to its reserve.
    pub fn reclaim(&self) -> Result<(), Error> {
        reclaim::reclaim(&self.shared)
    }

    /// Completes everything submitted, writes the durable mark and ends the threads. Later calls do
    /// nothing.
    pub fn close(&self) {
        self.shared.queue.close();
        self.shared.budget.close();
        let threads = std::mem::take(&mut *self.threads.lock());
        let had_threads = !threads.is_empty();
        for thread in threads {
            // A thread that panicked was reported by its own fatal hook.
            if thread.join().is_err() {
                tracing::error!("a store thread ended by panic");
            }
        }
        // The writer may have synced groups after the keeper's last look.
        if had_threads && !self.shared.failed.load(Ordering::Acquire) {
            self.shared.fail_on_error(self.shared.db.record_mark());
        }
    }

    fn reader(&self, partition: TopicPartition) -> Result<read::Reader<'_>, Error> {
        let key = self.shared.partitions.read().get(&partition).copied();
        let key = key.ok_or(Error::UnknownPartition { partition })?;
        Ok(read::Reader::new(&self.shared.db, partition, key))
    }

    fn start(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let fatal = Arc::clone(&self.shared);
        let body = move || {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            if caught.is_err() {
                let detail = "a store thread panicked".to_owned();
                fatal.fail(&Error::Invariant {
                    name: "INV-STORE-THREADS",
                    detail,
                });
            }
        };
        let name = format!("{name}-{}", self.shared.options.shard.0);
        let thread = std::thread::Builder::new().name(name).spawn(body);
        let path = &self.shared.options.path;
        self.threads
            .lock()
            .push(thread.map_err(Error::io("start a thread for", path))?);
        Ok(())
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Refuses what may not be queued now.
    fn admit(&self, room: Room) -> Result<(), Error> {
        if self.failed.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        match room {
            Room::Append => self.disk.admit(),
            Room::Control => Ok(()),
        }
    }

    /// Ends the process, unless a test's hook returns: then the store refuses everything.
    fn fail(&self, error: &Error) {
        self.failed.store(true, Ordering::Release);
        self.queue.close();
        self.budget.close();
        (self.options.fatal)(error);
    }

    fn fail_on_error(&self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.fail(&error);
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("db", &self.db)
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}
