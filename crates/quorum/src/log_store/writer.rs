//! The one thread that writes vote and log, so that they reach the disk in the order in which they
//! were answered.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::keyspace::{KeyOp, Keyspace};
use crate::storage::Error;

/// openraft waits for each write before it asks for the next; the rest is for shutdown.
const QUEUE: usize = 64;

/// What became of a batch.
pub(super) type Written = Result<(), Error>;

struct Job {
    ops: Vec<KeyOp>,
    done: oneshot::Sender<Written>,
}

/// Hands batches to the thread. Dropping it waits for the thread's end: a thread that outlived the
/// process's main one would close the database while RocksDB's own globals are being destroyed.
pub(crate) struct Writer {
    /// None only while it is dropped, which is what ends the thread.
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(keyspace: Arc<dyn Keyspace>) -> Result<Self, Error> {
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("quorum-writer".to_owned())
            .spawn(move || run(&*keyspace, &jobs))
            .map_err(|error| Error::Unwritable(format!("no thread for writing: {error}")))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Returns once the batch is synced. Cancelling the wait does not cancel the write.
    pub(crate) async fn write(&self, ops: Vec<KeyOp>) -> Result<(), Error> {
        let written = self.submit(ops)?;
        written.await.unwrap_or(Err(Error::Stopped))
    }

    /// Hands a batch over; what is returned tells of its sync.
    pub(super) fn submit(&self, ops: Vec<KeyOp>) -> Result<oneshot::Receiver<Written>, Error> {
        let (done, written) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Error::Stopped)?;
        queue
            .try_send(Job { ops, done })
            .map_err(|_full_or_ended| Error::Stopped)?;
        Ok(written)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the metadata log panicked");
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

fn run(keyspace: &dyn Keyspace, jobs: &Receiver<Job>) {
    for job in jobs {
        let result = keyspace.write(job.ops).map_err(Error::from);
        let failed = result.is_err();
        // Whoever asked may have been cancelled; the write counts all the same.
        drop(job.done.send(result));
        if failed {
            // A sync that failed is never tried again, nor is anything written after it: every
            // later write finds the queue closed.
            return;
        }
    }
}
