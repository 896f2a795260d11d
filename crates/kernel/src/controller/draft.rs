//! Changes being decided, and the image as it will be with them.

use holdfast_model::{BrokerId, TopicPartition};

use crate::image::{
    BrokerRecord, Change, ChangeBatch, ClusterImage, PartitionRecord, PermitStage, change_format,
};

/// An image under change. Later decisions of the same batch see the earlier ones.
#[derive(Clone, Debug)]
pub struct Draft {
    image: ClusterImage,
    changes: Vec<Change>,
    grants: bool,
}

impl Draft {
    /// Begins on the newest image.
    pub fn new(image: &ClusterImage) -> Self {
        Self {
            image: image.clone(),
            changes: Vec::new(),
            grants: false,
        }
    }

    /// The image with all changes so far.
    pub fn image(&self) -> &ClusterImage {
        &self.image
    }

    /// The changes so far.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Adds a change.
    pub fn put(&mut self, change: Change) {
        self.image.apply(&change);
        if let Change::PutPermit(record) = &change {
            self.grants = record.stage == PermitStage::Granted;
        }
        self.changes.push(change);
    }

    /// Whether a permit's brokers may stop once this is agreed on, and might not before.
    pub fn grants(&self) -> bool {
        self.grants
    }

    /// Adds a broker's new record.
    pub fn put_broker(&mut self, record: BrokerRecord) {
        self.put(Change::PutBroker(record));
    }

    /// Changes a broker's record.
    pub fn change_broker(&mut self, id: BrokerId, change: impl FnOnce(&mut BrokerRecord)) {
        if let Some(record) = self.image.brokers.get(&id) {
            let mut record = record.clone();
            change(&mut record);
            self.put_broker(record);
        }
    }

    /// Adds a partition's next record: its partition epoch is raised here.
    pub fn put_partition(&mut self, at: TopicPartition, mut record: PartitionRecord) {
        if self.image.partition(at).is_some() {
            record.partition_epoch = record.partition_epoch.next();
        }
        self.put(Change::PutPartition { at, record });
    }

    /// A point to which `reset` returns.
    #[must_use]
    pub fn mark(&self) -> Self {
        self.clone()
    }

    /// Forgets everything since a mark.
    pub fn reset(&mut self, mark: &Self) {
        self.clone_from(mark);
    }

    /// The quorum entry with all changes.
    pub fn into_batch(self, decided_on: u64) -> ChangeBatch {
        ChangeBatch {
            format: change_format(self.image.feature_level),
            decided_on,
            changes: self.changes,
        }
    }
}
