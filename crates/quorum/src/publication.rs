//! The image as the rest of the broker sees it, and the changes that made it.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use holdfast_kernel::image::{Change, ChangeBatch, ClusterImage};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Changes kept for a subscriber that does not fetch them; beyond, it is told to look at the whole
/// image. About the number of partitions that one admin request may create.
const PENDING_CHANGES: usize = 20_000;

/// What happened to the image since the last update that a subscriber took.
#[derive(Clone, Debug)]
pub struct ImageUpdate {
    /// The image now.
    pub image: Arc<ClusterImage>,
    /// What changed.
    pub changes: Changes,
}

/// What changed between two updates.
#[derive(Clone, Debug)]
pub enum Changes {
    /// Anything may have: the first update, a snapshot, or a subscriber that lagged.
    Full,
    /// Exactly the changes of these batches, in order.
    Since(Vec<Arc<ChangeBatch>>),
}

impl Changes {
    /// The single changes in order; none for [`Changes::Full`], so look at that case first.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        let batches = match self {
            Self::Full => &[],
            Self::Since(batches) => batches.as_slice(),
        };
        batches.iter().flat_map(|batch| &batch.changes)
    }
}

/// Holds the current image and tells subscribers.
#[derive(Debug)]
pub(crate) struct Publication {
    image: ArcSwap<ClusterImage>,
    /// Bounded by the subscriptions alive: dead ones go with the next publication.
    subscribers: Mutex<Vec<Weak<Subscriber>>>,
}

#[derive(Debug)]
struct Subscriber {
    pending: Mutex<Pending>,
    arrived: Notify,
}

#[derive(Debug)]
struct Pending {
    image: Arc<ClusterImage>,
    /// Batches not fetched yet; none if they were collapsed.
    batches: Option<Vec<Arc<ChangeBatch>>>,
    changes: usize,
    fresh: bool,
    ended: bool,
}

impl Publication {
    pub(crate) fn new(image: ClusterImage) -> Self {
        Self {
            image: ArcSwap::from_pointee(image),
            subscribers: Mutex::default(),
        }
    }

    pub(crate) fn image(&self) -> Arc<ClusterImage> {
        self.image.load_full()
    }

    /// Shows a new image. `batches` made it of the one before; none if it came from elsewhere.
    pub(crate) fn publish(&self, image: &Arc<ClusterImage>, batches: Option<&[Arc<ChangeBatch>]>) {
        let mut subscribers = self.subscribers.lock();
        self.image.store(Arc::clone(image));
        subscribers.retain(|subscriber| {
            let Some(subscriber) = subscriber.upgrade() else {
                return false;
            };
            subscriber.pending.lock().add(image, batches);
            subscriber.arrived.notify_one();
            true
        });
    }

    pub(crate) fn subscribe(&self) -> ImageUpdates {
        let mut subscribers = self.subscribers.lock();
        let pending = Pending {
            image: self.image.load_full(),
            batches: None,
            changes: 0,
            fresh: true,
            ended: false,
        };
        let subscriber = Subscriber {
            pending: Mutex::new(pending),
            arrived: Notify::new(),
        };
        let subscriber = Arc::new(subscriber);
        subscribers.retain(|other| other.strong_count() > 0);
        subscribers.push(Arc::downgrade(&subscriber));
        ImageUpdates { subscriber }
    }

    /// Ends every subscription after what it still has to fetch.
    pub(crate) fn end(&self) {
        for subscriber in self.subscribers.lock().drain(..) {
            if let Some(subscriber) = subscriber.upgrade() {
                subscriber.pending.lock().ended = true;
                subscriber.arrived.notify_one();
            }
        }
    }
}

impl Pending {
    fn add(&mut self, image: &Arc<ClusterImage>, batches: Option<&[Arc<ChangeBatch>]>) {
        self.image = Arc::clone(image);
        self.batches = match (self.batches.take(), batches) {
            (Some(mut pending), Some(batches)) => {
                self.changes += batches
                    .iter()
                    .map(|batch| batch.changes.len())
                    .sum::<usize>();
                pending.extend(batches.iter().cloned());
                // Empty batches count as well: they take room too.
                let fits = self.changes.max(pending.len()) <= PENDING_CHANGES;
                fits.then_some(pending)
            }
            _ => None,
        };
        self.fresh = true;
    }

    fn take(&mut self) -> Option<ImageUpdate> {
        if !std::mem::take(&mut self.fresh) {
            return None;
        }
        self.changes = 0;
        let changes = match self.batches.replace(Vec::new()) {
            Some(batches) => Changes::Since(batches),
            None => Changes::Full,
        };
        Some(ImageUpdate {
            image: Arc::clone(&self.image),
            changes,
        })
    }
}

/// A subscription to the image. The first update is the whole image.
#[derive(Debug)]
pub struct ImageUpdates {
    subscriber: Arc<Subscriber>,
}

impl ImageUpdates {
    /// Waits for the next update; several publications since the last call come as one. None after
    /// the quorum shut down. Cancel-safe: an update is either returned or kept.
    pub async fn next(&mut self) -> Option<ImageUpdate> {
        loop {
            {
                let mut pending = self.subscriber.pending.lock();
                if let Some(update) = pending.take() {
                    return Some(update);
                }
                if pending.ended {
                    return None;
                }
            }
            self.subscriber.arrived.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_kernel::image::CHANGE_FORMAT;

    use super::*;

    fn step(publication: &Publication, changes: usize) {
        let mut image = ClusterImage::clone(&publication.image());
        let batch = ChangeBatch {
            format: CHANGE_FORMAT,
            decided_on: image.version,
            changes: vec![Change::SetFeatureLevel(1); changes],
        };
        assert!(image.apply_batch(&batch));
        publication.publish(&Arc::new(image), Some(&[Arc::new(batch)]));
    }

    #[tokio::test]
    async fn every_change_arrives_once_and_a_laggard_gets_the_whole() {
        let publication = Publication::new(ClusterImage::default());
        let mut updates = publication.subscribe();
        let first = updates.next().await.expect("update");
        assert!(matches!(first.changes, Changes::Full));

        step(&publication, 2);
        step(&publication, 1);
        let update = updates.next().await.expect("update");
        assert_eq!(update.image.version, 2);
        assert_eq!(update.changes.iter().count(), 3);

        for _ in 0..3 {
            step(&publication, PENDING_CHANGES / 2);
        }
        let update = updates.next().await.expect("update");
        assert!(matches!(update.changes, Changes::Full));
        assert_eq!(update.image.version, 5);

        step(&publication, 1);
        publication.end();
        let update = updates.next().await.expect("the last one");
        assert_eq!(update.changes.iter().count(), 1);
        assert!(updates.next().await.is_none());
    }
}
