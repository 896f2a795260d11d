//! Supervised tasks: each has a name, a class and a place in the shutdown.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Metrics;

/// What the end of a task means to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Serves one peer: its panic is logged and counted, and ends this task only.
    Connection,
    /// May end at any time, but its panic leaves state behind that nobody can trust: the process
    /// aborts.
    Job,
    /// Runs until shutdown: its panic, or its end before shutdown began, aborts the process.
    Critical,
    /// Watches the process to its very end, beyond the drain, which does not wait for it. Its
    /// panic ends this task only.
    Watcher,
}

/// Starts tasks and threads, watches how they end, and drains them at shutdown. Cheap to clone;
/// all clones are one supervisor.
#[derive(Clone, Debug)]
pub struct Tasks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    next: AtomicU64,
    /// Bounded by the number of running tasks.
    running: Mutex<BTreeMap<u64, Cow<'static, str>>>,
    started: Counter,
    panicked: Counter,
    alive: Gauge,
}

impl Tasks {
    /// A supervisor without tasks, whose counts appear in `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        let area = metrics.area("tasks");
        Self {
            inner: Arc::new(Inner {
                tracker: TaskTracker::new(),
                shutdown: CancellationToken::new(),
                next: AtomicU64::new(0),
                running: Mutex::new(BTreeMap::new()),
                started: area.counter("started", "Tasks and threads started"),
                panicked: area.counter("panicked", "Tasks and threads that ended by a panic"),
                alive: area.gauge("running", "Tasks and threads running now"),
            }),
        }
    }

    /// The token that is cancelled when shutdown begins. Long-lived tasks select on it and end.
    pub fn shutdown_token(&self) -> CancellationToken {
        self.inner.shutdown.clone()
    }

    /// Whether shutdown began.
    pub fn is_shutting_down(&self) -> bool {
        self.inner.shutdown.is_cancelled()
    }

    /// Tells every task to end. Idempotent.
    pub fn begin_shutdown(&self) {
        self.inner.shutdown.cancel();
    }

    /// Starts a task on the current tokio runtime. Aborting it through the handle is not an
    /// unexpected end, whatever its class.
    pub fn spawn<F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        class: Class,
        future: F,
    ) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let entry = Entry::new(&self.inner, name.into(), class);
        // The future is boxed because a wrapper would otherwise hold it twice over on the stack.
        let future = Box::pin(AssertUnwindSafe(future).catch_unwind());
        let supervised = async move {
            let outcome = future.await;
            entry.ended(outcome.err().as_deref());
        };
        if class == Class::Watcher {
            #[expect(
                clippy::disallowed_methods,
                reason = "the supervisor is what the ban is for"
            )]
            return tokio::spawn(supervised).abort_handle();
        }
        self.inner.tracker.spawn(supervised).abort_handle()
    }

    /// Starts an operating-system thread, for work that blocks all its life.
    ///
    /// # Errors
    /// The system's, when it has no thread to give.
    pub fn spawn_thread<F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        class: Class,
        work: F,
    ) -> std::io::Result<()>
    where
        F: FnOnce() + Send + 'static,
    {
        let name = name.into();
        let entry = Entry::new(&self.inner, name.clone(), class);
        let token = self.inner.tracker.token();
        // Linux shows 15 bytes of a thread's name and refuses none.
        std::thread::Builder::new()
            .name(name.into_owned())
            .spawn(move || {
                let outcome = std::panic::catch_unwind(AssertUnwindSafe(work));
                entry.ended(outcome.err().as_deref());
                drop(token);
            })?;
        Ok(())
    }

    /// Begins shutdown and waits until every task and thread ended, at most `deadline`.
    ///
    /// # Errors
    /// The names of those that still ran at the deadline.
    pub async fn drain(&self, deadline: Duration) -> Result<(), StillRunning> {
        self.begin_shutdown();
        self.inner.tracker.close();
        match tokio::time::timeout(deadline, self.inner.tracker.wait()).await {
            Ok(()) => Ok(()),
            Err(_elapsed) => Err(StillRunning {
                names: self.running(),
            }),
        }
    }

    /// The names of the tasks and threads that run now, oldest first.
    pub fn running(&self) -> Vec<String> {
        self.inner
            .running
            .lock()
            .values()
            .map(ToString::to_string)
            .collect()
    }

    /// How many tasks and threads ended by a panic.
    pub fn panicked(&self) -> u64 {
        self.inner.panicked.get()
    }
}

/// The drain deadline passed before every task ended.
#[derive(Debug, thiserror::Error)]
#[error("{} tasks did not end before the shutdown deadline: {}", names.len(), names.join(", "))]
pub struct StillRunning {
    /// Their names, oldest first.
    pub names: Vec<String>,
}

/// A running task's row in the table; dropped when the task ends, however it ends.
#[derive(Debug)]
struct Entry {
    inner: Arc<Inner>,
    id: u64,
    name: Cow<'static, str>,
    class: Class,
}

impl Entry {
    fn new(inner: &Arc<Inner>, name: Cow<'static, str>, class: Class) -> Self {
        let id = inner.next.fetch_add(1, Ordering::Relaxed);
        inner.running.lock().insert(id, name.clone());
        inner.started.inc();
        inner.alive.inc();
        Self {
            inner: Arc::clone(inner),
            id,
            name,
            class,
        }
    }

    fn ended(self, panic: Option<&(dyn Any + Send)>) {
        if let Some(panic) = panic {
            self.inner.panicked.inc();
            let panic = crate::panics::text(panic);
            if matches!(self.class, Class::Connection | Class::Watcher) {
                tracing::error!(task = %self.name, panic, "task panicked; it ends alone");
                return;
            }
            tracing::error!(task = %self.name, panic, "task panicked; the process stops");
            std::process::abort();
        }
        if self.class == Class::Critical && !self.inner.shutdown.is_cancelled() {
            tracing::error!(task = %self.name, "task ended before shutdown; the process stops");
            std::process::abort();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.inner.running.lock().remove(&self.id);
        self.inner.alive.dec();
    }
}

#[cfg(test)]
mod tests;
