//! The topics of tests.

use std::collections::BTreeMap;

use holdfast_model::TopicId;
use uuid::Uuid;

use super::super::Topics;

pub(super) const ORDERS: TopicId = TopicId(Uuid::from_u128(7));

/// Topics by hand.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    version: u64,
    topics: BTreeMap<String, (TopicId, i32)>,
}

impl Cluster {
    pub(super) fn new(partitions: i32) -> Self {
        let topics = BTreeMap::from([("orders".to_owned(), (ORDERS, partitions))]);
        let version = 1;
        Self { version, topics }
    }

    pub(super) fn put(&mut self, name: &str, id: u128, partitions: i32) {
        let id = TopicId(Uuid::from_u128(id));
        self.topics.insert(name.to_owned(), (id, partitions));
        self.version += 1;
    }
}

impl Topics for Cluster {
    fn version(&self) -> u64 {
        self.version
    }

    fn find(&self, name: &str) -> Option<(TopicId, i32)> {
        self.topics.get(name).copied()
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.topics.keys().map(String::as_str))
    }

    fn name_of(&self, id: TopicId) -> Option<&str> {
        let mut topics = self.topics.iter();
        let found = topics.find(|(_, (known, _))| *known == id)?;
        Some(found.0)
    }
}
