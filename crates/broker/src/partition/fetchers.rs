//! Fetch requests that wait for records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What wakes one waiting request.
pub type Wake = Arc<Notify>;

/// The requests that wait at one partition; each leaves by itself when its ticket is dropped.
#[derive(Clone, Debug, Default)]
pub struct FetchWaiters {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<BTreeMap<u64, Wake>>,
    next: AtomicU64,
}

/// A place among those who wait.
#[derive(Debug)]
pub struct FetchTicket {
    inner: Arc<Inner>,
    id: u64,
}

impl FetchWaiters {
    /// Joins those who wait. One wake may serve many partitions.
    pub fn join(&self, wake: &Wake) -> FetchTicket {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        self.inner.waiting.lock().insert(id, Arc::clone(wake));
        FetchTicket {
            inner: Arc::clone(&self.inner),
            id,
        }
    }

    /// Wakes everybody.
    pub fn wake(&self) {
        for wake in self.inner.waiting.lock().values() {
            wake.notify_one();
        }
    }
}

impl Drop for FetchTicket {
    fn drop(&mut self) {
        self.inner.waiting.lock().remove(&self.id);
    }
}
