//! The one thread that writes.

use std::collections::HashSet;
use std::sync::Arc;

use holdfast_model::{Monotonic, TopicPartition};

use super::apply::{Applied, Applier, Directory};
use super::ledger::Ledger;
use super::queue::Entry;
use super::{Completed, GroupStats, OpKind, Permit, Shared};
use crate::synced_db::{Committer, Group};
use crate::{Error, FaultPoint};

/// Drains the queue group by group: one write batch and one sync each.
pub(super) struct Writer {
    shared: Arc<Shared>,
    committer: Committer,
    ledger: Ledger,
}

/// A group on its way to the disk.
struct Pending {
    group: Group,
    begun: Monotonic,
    touched: HashSet<TopicPartition>,
    completed: Vec<Completed>,
    directory: Vec<(TopicPartition, Directory)>,
    /// Held until the group is synced, so that what is being written still counts as queued.
    permits: Vec<Permit>,
    bytes: usize,
    garbage: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, committer: Committer, ledger: Ledger) -> Self {
        Self {
            shared,
            committer,
            ledger,
        }
    }

    /// Runs until the queue is closed and empty, or until the first error.
    pub(super) fn run(mut self) -> Result<(), Error> {
        let (ops, bytes) = (
            self.shared.options.group_ops,
            self.shared.options.group_bytes,
        );
        while let Some(entries) = self.shared.queue.take_group(ops, bytes) {
            let bytes = entries.iter().map(|entry| entry.op.bytes()).sum();
            let mut pending = self.begin(bytes);
            for entry in entries {
                if entry.op.reads() && pending.touched.contains(&entry.op.partition()) {
                    self.commit(pending)?;
                    pending = self.begin(0);
                }
                self.add(&mut pending, entry)?;
            }
            self.commit(pending)?;
        }
        Ok(())
    }

    fn begin(&mut self, bytes: usize) -> Pending {
        Pending {
            group: self.committer.begin(bytes),
            begun: self.shared.options.clock.monotonic(),
            touched: HashSet::new(),
            completed: Vec::new(),
            directory: Vec::new(),
            permits: Vec::new(),
            bytes: 0,
            garbage: false,
        }
    }

    fn add(&mut self, pending: &mut Pending, entry: Entry) -> Result<(), Error> {
        let Entry {
            op,
            token,
            submitted,
            permit,
        } = entry;
        let (partition, kind) = (op.partition(), op.kind());
        pending.bytes += op.bytes();
        pending.permits.push(permit);
        pending.touched.insert(partition);
        let batch = &mut pending.group.batch;
        let mut applier = Applier {
            db: &self.shared.db,
            ledger: &mut self.ledger,
            batch,
        };
        let Applied {
            outcome,
            end,
            directory,
            garbage,
        } = applier.apply(op)?;
        pending.garbage |= garbage;
        if directory != Directory::Same {
            pending.directory.push((partition, directory));
        }
        pending.completed.push(Completed {
            partition,
            kind,
            outcome,
            end,
            token,
            submitted,
        });
        Ok(())
    }

    fn commit(&mut self, pending: Pending) -> Result<(), Error> {
        let Some(first) = pending.completed.first() else {
            return Ok(());
        };
        let queue_wait = pending.begun.since(first.submitted);
        let shared = &self.shared;
        let (path, clock) = (&shared.options.path, &shared.options.clock);
        let fault = |point| {
            shared
                .options
                .faults
                .at(point)
                .map_err(Error::io("write to", path))
        };
        fault(FaultPoint::BeforeGroup)?;
        let before = clock.monotonic();
        let group = self.committer.commit(&shared.db, pending.group)?;
        let write = clock.monotonic().since(before);
        fault(FaultPoint::AfterGroup)?;
        publish(shared, &pending.directory);
        if pending.garbage {
            shared
                .garbage
                .store(true, std::sync::atomic::Ordering::Relaxed);
        }
        let appends = pending
            .completed
            .iter()
            .filter(|op| op.kind == OpKind::Append)
            .count();
        let (ops, bytes) = (pending.completed.len(), pending.bytes);
        let stats = GroupStats {
            group,
            ops,
            appends,
            bytes,
            queue_wait,
            write,
        };
        shared.stats.record(&stats);
        drop(pending.permits);
        shared.options.sink.measured(&stats);
        shared.options.sink.committed(&pending.completed);
        shared.disk.note_written(bytes as u64)
    }
}

/// Tells readers of partitions that came or went.
fn publish(shared: &Shared, changes: &[(TopicPartition, Directory)]) {
    if changes.is_empty() {
        return;
    }
    let mut partitions = shared.partitions.write();
    for (partition, change) in changes {
        match change {
            Directory::Same => {}
            Directory::Created(key) => {
                partitions.insert(*partition, *key);
            }
            Directory::Deleted => {
                partitions.remove(partition);
            }
        }
    }
}
