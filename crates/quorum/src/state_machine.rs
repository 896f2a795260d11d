//! Applies committed entries to the cluster image.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use holdfast_kernel::image::{ChangeBatch, ClusterImage};
use openraft::storage::{RaftStateMachine, Snapshot};
use openraft::{EntryPayload, RaftSnapshotBuilder};

use crate::command::Outcome;
use crate::node::{Entry, LogId, Membership, RaftTypes, SnapshotMeta, StorageError};
use crate::publication::Publication;
use crate::snapshot_store::{self, SnapshotStore};
use crate::storage::{Error, blocking, check_level};

/// The image and how far it is applied. It lives in memory; a start rebuilds it from the last
/// snapshot and the log.
#[derive(Debug)]
pub(crate) struct StateMachine {
    image: Arc<ClusterImage>,
    last_applied: Option<LogId>,
    membership: Membership,
    publication: Arc<Publication>,
    snapshots: Arc<SnapshotStore>,
    applied_bytes: Arc<AtomicU64>,
}

impl StateMachine {
    /// Starts from the stored snapshot, if there is one. Blocks.
    pub(crate) fn open(
        snapshots: Arc<SnapshotStore>,
        publication: Arc<Publication>,
        applied_bytes: Arc<AtomicU64>,
    ) -> Result<Self, Error> {
        let mut machine = Self {
            image: publication.image(),
            last_applied: None,
            membership: Membership::default(),
            publication,
            snapshots,
            applied_bytes,
        };
        if let Some((meta, data)) = machine.snapshots.load()? {
            machine.replace(meta, snapshot_store::decode(&data)?);
        }
        Ok(machine)
    }

    fn replace(&mut self, meta: SnapshotMeta, image: ClusterImage) {
        self.image = Arc::new(image);
        self.last_applied = meta.last_log_id;
        self.membership = meta.last_membership;
        self.applied_bytes.store(0, Ordering::Relaxed);
        self.publication.publish(&self.image, None);
    }

    fn apply_all(&mut self, entries: Vec<Entry>) -> Result<Vec<Outcome>, Error> {
        let mut image = ClusterImage::clone(&self.image);
        let mut outcomes = Vec::with_capacity(entries.len());
        let mut batches = Vec::new();
        for entry in entries {
            self.last_applied = Some(entry.log_id);
            let mut applied = false;
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Membership(membership) => {
                    self.membership = Membership::new(Some(entry.log_id), membership);
                }
                EntryPayload::Normal(command) => {
                    self.applied_bytes
                        .fetch_add(command.len() as u64, Ordering::Relaxed);
                    // A committed entry that this broker cannot apply must not be skipped: its
                    // image would differ from the others'.
                    let what = format!("log entry {}", entry.log_id);
                    let batch = command.decode().map_err(|error| error.in_the_log(what))?;
                    applied = apply_batch(&mut image, &batch)?;
                    check_level(&image)?;
                    if applied {
                        batches.push(Arc::new(batch));
                    }
                }
            }
            outcomes.push(Outcome {
                applied,
                version: image.version,
            });
        }
        if !batches.is_empty() {
            self.image = Arc::new(image);
            self.publication.publish(&self.image, Some(&batches));
        }
        Ok(outcomes)
    }
}

/// Turns a broken invariant of the image into an error that ends the quorum, and the process after
/// it: openraft would otherwise wait for the panicked task for ever.
fn apply_batch(image: &mut ClusterImage, batch: &ChangeBatch) -> Result<bool, Error> {
    std::panic::catch_unwind(AssertUnwindSafe(|| image.apply_batch(batch)))
        .map_err(|_logged_by_the_hook| Error::damaged("committed changes", "invariant broken"))
}

impl RaftStateMachine<RaftTypes> for StateMachine {
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Outcome>, StorageError>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let entries = entries.into_iter().collect();
        self.apply_all(entries).map_err(Error::writing)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            image: Arc::clone(&self.image),
            last_applied: self.last_applied,
            membership: self.membership.clone(),
            snapshots: Arc::clone(&self.snapshots),
            applied_bytes: Arc::clone(&self.applied_bytes),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Bytes>, StorageError> {
        Ok(Box::new(Bytes::new()))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Bytes>,
    ) -> Result<(), StorageError> {
        let snapshots = Arc::clone(&self.snapshots);
        let stored = meta.clone();
        let image = blocking(move || {
            let image = snapshot_store::decode(&snapshot)?;
            snapshots.save(stored, &snapshot)?;
            Ok(image)
        });
        let image = image.await.map_err(Error::writing)?;
        self.replace(meta.clone(), image);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<RaftTypes>>, StorageError> {
        let snapshots = Arc::clone(&self.snapshots);
        let loaded = blocking(move || snapshots.load())
            .await
            .map_err(Error::reading)?;
        Ok(loaded.map(|(meta, data)| Snapshot {
            meta,
            snapshot: Box::new(data),
        }))
    }
}

/// Writes the image as it was when the builder was made.
#[derive(Debug)]
pub(crate) struct SnapshotBuilder {
    image: Arc<ClusterImage>,
    last_applied: Option<LogId>,
    membership: Membership,
    snapshots: Arc<SnapshotStore>,
    applied_bytes: Arc<AtomicU64>,
}

impl RaftSnapshotBuilder<RaftTypes> for SnapshotBuilder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<RaftTypes>, StorageError> {
        // The same state always gets the same name, so that a peer recognises it.
        let snapshot_id = self
            .last_applied
            .map_or_else(|| "0".to_owned(), |id| id.to_string());
        let meta = SnapshotMeta {
            last_log_id: self.last_applied,
            last_membership: self.membership.clone(),
            snapshot_id,
        };
        self.applied_bytes.store(0, Ordering::Relaxed);
        let image = Arc::clone(&self.image);
        let snapshots = Arc::clone(&self.snapshots);
        let stored = meta.clone();
        let data = blocking(move || {
            let data = snapshot_store::encode(&image)?;
            snapshots.save(stored, &data)?;
            Ok(data)
        });
        let data = data.await.map_err(Error::writing)?;
        Ok(Snapshot {
            meta,
            snapshot: Box::new(data),
        })
    }
}
