//! The topics of the cluster, as groups see them, and what members mean by their subscriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_model::TopicId;
use holdfast_model::internal_topic::is_internal;
use regex::{Regex, RegexBuilder};

use crate::image::ClusterImage;

/// A compiled regular expression may take so many bytes; longer ones are refused.
const LARGEST_REGEX: usize = 1 << 20;

/// A regular expression that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRegex(String);

/// The topics of the cluster.
pub trait Topics {
    /// Grows with every change of any of them.
    fn version(&self) -> u64;

    /// The topic with a name, and how many partitions it has.
    fn find(&self, name: &str) -> Option<(TopicId, i32)>;

    /// The names of all.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;

    /// The name of a topic; none if it is deleted.
    fn name_of(&self, id: TopicId) -> Option<&str>;
}

impl Topics for ClusterImage {
    fn version(&self) -> u64 {
        self.version
    }

    fn find(&self, name: &str) -> Option<(TopicId, i32)> {
        let topic = self.topic_by_name(name)?;
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        Some((topic.id, count))
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.names.iter().map(|(name, _)| name.as_str()))
    }

    fn name_of(&self, id: TopicId) -> Option<&str> {
        self.topics.get(&id).map(|topic| &*topic.name)
    }
}

/// A regular expression of a subscription: it must match a whole name.
///
/// # Errors
/// It is malformed or too large.
pub(super) fn whole_name(pattern: &str) -> Result<Regex, BadRegex> {
    RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(LARGEST_REGEX)
        .dfa_size_limit(LARGEST_REGEX)
        .build()
        .map_err(|error| BadRegex(error.to_string()))
}

/// What a member subscribes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscription {
    /// Topics, by name, in order.
    pub topics: Arc<[Arc<str>]>,
    /// A regular expression of further ones.
    pub regex: Option<Arc<str>>,
}

/// The regular expressions of a group's subscriptions, compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns(BTreeMap<Arc<str>, Regex>);

impl Patterns {
    /// These are in use, and no others. Each was checked when it came; one that another version took,
    /// and this one does not, matches nothing.
    pub(super) fn keep<'a>(&mut self, used: impl Iterator<Item = &'a Arc<str>>) {
        let mut before = std::mem::take(&mut self.0);
        for pattern in used {
            if self.0.contains_key(pattern) {
                continue;
            }
            let compiled = before.remove(pattern);
            if let Some(compiled) = compiled.or_else(|| whole_name(pattern).ok()) {
                self.0.insert(Arc::clone(pattern), compiled);
            }
        }
    }

    pub(super) fn match_any(&self, topic: &str) -> bool {
        self.0.values().any(|pattern| pattern.is_match(topic))
    }
}

/// What subscriptions mean at one moment. Members with the same one share the work.
pub(super) struct Resolver<'a> {
    topics: &'a dyn Topics,
    patterns: &'a Patterns,
    known: BTreeMap<Subscription, Arc<BTreeSet<TopicId>>>,
    counts: BTreeMap<TopicId, i32>,
    hash: Hash,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(topics: &'a dyn Topics, patterns: &'a Patterns) -> Self {
        Self {
            topics,
            patterns,
            known: BTreeMap::new(),
            counts: BTreeMap::new(),
            hash: Hash::default(),
        }
    }

    /// The topics of a subscription that exist.
    pub(super) fn topics_of(&mut self, subscription: &Subscription) -> Arc<BTreeSet<TopicId>> {
        if let Some(known) = self.known.get(subscription) {
            return Arc::clone(known);
        }
        let mut found = BTreeSet::new();
        for name in &*subscription.topics {
            self.add(name, &mut found);
        }
        let pattern = subscription.regex.as_ref();
        if let Some(pattern) = pattern.and_then(|pattern| self.patterns.0.get(pattern)) {
            for name in self.topics.names() {
                if pattern.is_match(name) && !is_internal(name) {
                    self.add(name, &mut found);
                }
            }
        }
        let found = Arc::new(found);
        self.known.insert(subscription.clone(), Arc::clone(&found));
        found
    }

    fn add(&mut self, name: &str, found: &mut BTreeSet<TopicId>) {
        let Some((id, count)) = self.topics.find(name) else {
            return;
        };
        if found.insert(id) && self.counts.insert(id, count).is_none() {
            self.hash.add(id, count);
        }
    }

    /// How many partitions the topics have that were asked for.
    pub(super) fn counts(&self) -> &BTreeMap<TopicId, i32> {
        &self.counts
    }

    /// Another one if any of those topics is another one or has more partitions. Zero if there are
    /// none.
    pub(super) fn hash(&self) -> i64 {
        self.hash.0.cast_signed()
    }
}

/// The same whatever the order: the sum of what FNV-1a makes of each topic.
#[derive(Default)]
struct Hash(u64);

impl Hash {
    fn add(&mut self, id: TopicId, count: i32) {
        let bytes = id.0.as_bytes().iter().copied().chain(count.to_be_bytes());
        let one = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.0 = self.0.wrapping_add(one);
    }
}
