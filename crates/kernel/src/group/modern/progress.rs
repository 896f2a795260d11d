//! What a word of any member moves on: the group's epoch, its target, and that member.

use std::sync::Arc;
use std::time::Duration;

use super::super::{MemberId, Now, Planted};
use super::reconcile::reconcile;
use super::topics::Resolver;
use super::{Current, MemberValue, ModernGroup, ModernKey, Partitions, Topics};

/// The topics are looked at so often at most, however often the cluster's metadata changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl ModernGroup {
    /// A member says something else of itself; whether it wants to read other topics.
    pub(super) fn set_value(&mut self, id: &MemberId, value: MemberValue) -> bool {
        let Some(member) = self.members.get_mut(id) else {
            return false;
        };
        if value == member.value {
            return false;
        }
        let resubscribed = value.subscription != member.value.subscription;
        member.value = value;
        self.dirty.insert(ModernKey::Member(Arc::clone(id)));
        if resubscribed {
            self.know_patterns();
        }
        resubscribed
    }

    /// Computes a new target if the members, what they want to read, or the topics are others.
    pub(super) fn keep_up(&mut self, now: Now, topics: &dyn Topics, resubscribed: bool) {
        let other_topics = self.look_at_topics(now, topics, resubscribed);
        // Whoever joins first is in the first epoch, even if it reads nothing.
        let begins = self.epoch == 0;
        if (resubscribed || other_topics || begins) && self.epoch == self.target_epoch {
            self.bump();
        }
        if self.epoch > self.target_epoch {
            self.compute_target(topics);
        }
    }

    /// A step of a member towards its target: where it was, if it is elsewhere now. `owned` is what it
    /// says that it reads.
    pub(super) fn step(&mut self, id: &MemberId, owned: Option<&Partitions>) -> Option<Current> {
        let member = self.members.get(id)?;
        if member.current.has_arrived(self.target_epoch) {
            return None;
        }
        let is_free = |topic, partition| {
            let holder = self.holders.get(&(topic, partition));
            let careless = self.planted == Planted::GivenBeforeGivenUp;
            careless || holder.is_none_or(|holder| holder == id)
        };
        let nothing = Partitions::new();
        let owned = match self.planted {
            Planted::GivenUpUnasked => Some(&nothing),
            _ => owned,
        };
        let next = reconcile(
            &member.current,
            &member.target,
            self.target_epoch,
            owned,
            is_free,
        );
        let before = (next != member.current).then(|| member.current.clone());
        self.put_current(id, next);
        before
    }

    /// Whether the topics are others than those of the target. They are looked at if anything in the
    /// cluster changed, though not all the time, and if the group wants to read others.
    fn look_at_topics(&mut self, now: Now, topics: &dyn Topics, resubscribed: bool) -> bool {
        let is_due = match self.topics_seen {
            Some((version, at)) => {
                version != topics.version() && now.monotonic.since(at) >= LOOK_EVERY
            }
            None => true,
        };
        let pending = self.epoch > self.target_epoch;
        if !is_due && !resubscribed && !pending {
            return false;
        }
        self.topics_seen = Some((topics.version(), now.monotonic));
        let mut resolver = Resolver::new(topics, &self.patterns);
        for member in self.members.values() {
            resolver.topics_of(&member.value.subscription);
        }
        let changed = resolver.hash() != self.topics_hash;
        if changed {
            self.topics_hash = resolver.hash();
            self.dirty.insert(ModernKey::Group);
        }
        changed
    }
}
