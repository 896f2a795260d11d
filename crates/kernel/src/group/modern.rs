//! A group of the consumer protocol (KIP-848): the coordinator computes who is to read what, and
//! moves each member there step by step.
//!
//! Three epochs tell how far it is. The group's grows with every change of members, subscriptions or
//! topics; the target's is the group's for which the target was computed; a member's is the target's
//! that it has arrived at. What is decided holds at once; it is answered once its records are
//! committed.
//!
//! INV-GROUP-ONE-OWNER: no partition is held by two members: who has to give one up holds it until
//! it says that it did.

mod assign;
mod classic;
mod convert;
mod epoch;
mod heartbeat;
mod key;
mod leave;
mod progress;
mod reconcile;
mod request;
mod show;
mod target;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{Monotonic, TopicId, invariant};

use super::{GroupOptions, MemberId, Now, Planted};

pub use assign::Assignor;
pub use key::{ModernKey, ModernValue};
pub use reconcile::{Current, MemberState};
pub use request::{HeartbeatAnswer, HeartbeatRequest, LEFT, LEFT_FOR_A_WHILE, Refusal};
pub use show::{ModernDescription, ModernMemberDescription};
use topics::Patterns;
pub use topics::{BadRegex, Subscription, Topics};

/// Partitions by topic; no topic without any.
pub type Partitions = BTreeMap<TopicId, BTreeSet<i32>>;

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberValue {
    /// The name that survives its restarts.
    pub instance: Option<Arc<str>>,
    /// Where it is, as racks are named.
    pub rack: Option<Arc<str>>,
    /// How its client calls itself.
    pub client_id: Arc<str>,
    /// Where it is.
    pub client_host: Arc<str>,
    /// How long it may take to give partitions up, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// What it wants to read.
    pub subscription: Subscription,
    /// The assignor that it prefers, by name.
    pub assignor: Option<Arc<str>>,
    /// What it says in the classic protocol, if it still speaks that.
    pub classic: Option<ClassicPart>,
}

/// What a member says of itself in the classic protocol, while its group is of the other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicPart {
    /// How long it may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// What it knows, the best first.
    pub protocols: Arc<[ClassicProtocol]>,
}

/// One way to divide the work that such a member knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicProtocol {
    /// Its name.
    pub name: Arc<str>,
    /// What the member says of itself under it.
    pub metadata: Arc<[u8]>,
}

/// A member.
#[derive(Clone, Debug)]
struct ModernMember {
    value: MemberValue,
    current: Current,
    target: Partitions,
    session: Option<Monotonic>,
    /// The newest connection that it was heard on, by this coordinator.
    heard_on: u64,
    /// When it must have given up what it was told to; a member of the classic protocol, when it must
    /// have joined or synced.
    patience: Option<Monotonic>,
}

/// A group of the consumer protocol.
#[derive(Clone, Debug)]
pub(super) struct ModernGroup {
    epoch: i32,
    /// What the topics were for which the target was computed.
    topics_hash: i64,
    /// The version of the topics that were looked at last, and when.
    topics_seen: Option<(u64, Monotonic)>,
    patterns: Patterns,
    target_epoch: i32,
    members: BTreeMap<MemberId, ModernMember>,
    /// The static members.
    instances: BTreeMap<Arc<str>, MemberId>,
    /// Who holds what.
    holders: BTreeMap<(TopicId, i32), MemberId>,
    /// When sessions end, and patience.
    deadlines: BTreeSet<(Monotonic, MemberId)>,
    /// What differs from what was handed out to be written.
    dirty: BTreeSet<ModernKey>,
    /// So many members of the classic protocol, alone, become a group of theirs; 0 if they never do.
    most_classic: usize,
    planted: Planted,
}

impl ModernGroup {
    /// A group without members.
    pub(super) fn new(options: &GroupOptions, planted: Planted) -> Self {
        let downgrades = options.migration.downgrades();
        Self {
            epoch: 0,
            topics_hash: 0,
            topics_seen: None,
            patterns: Patterns::default(),
            target_epoch: 0,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            holders: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            dirty: BTreeSet::from([ModernKey::Group, ModernKey::TargetEpoch]),
            most_classic: if downgrades { options.max_size } else { 0 },
            planted,
        }
    }

    /// A group without members that was of the classic protocol before: no generation comes twice.
    pub(super) fn after(generation: i32, options: &GroupOptions, planted: Planted) -> Self {
        Self {
            epoch: generation,
            target_epoch: generation,
            ..Self::new(options, planted)
        }
    }

    /// Its epoch.
    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// When something happens by itself.
    pub(super) fn next_deadline(&self) -> Option<Monotonic> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Whether it has no member.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What must be written since the last time that this was asked.
    pub(super) fn take_dirty(&mut self) -> BTreeSet<ModernKey> {
        std::mem::take(&mut self.dirty)
    }

    /// Whether a member reads a topic: then its offsets neither expire nor are deleted.
    pub(super) fn reads(&self, topic: &str) -> bool {
        let by_name = |member: &ModernMember| {
            let names = &member.value.subscription.topics;
            names.binary_search_by(|name| (**name).cmp(topic)).is_ok()
        };
        self.members.values().any(by_name) || self.patterns.match_any(topic)
    }

    /// A member is at another place.
    fn put_current(&mut self, id: &MemberId, next: Current) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        if member.current == next {
            return;
        }
        for at in member.current.holds() {
            let holder = self.holders.remove(&at);
            invariant!(
                "INV-GROUP-ONE-OWNER",
                holder.as_ref() == Some(id),
                "{at:?} of {id} is {holder:?}'s"
            );
        }
        for at in next.holds() {
            let other = self.holders.insert(at, Arc::clone(id));
            invariant!(
                "INV-GROUP-ONE-OWNER",
                other.is_none(),
                "{at:?} of {id} is {other:?}'s"
            );
        }
        member.current = next;
        self.dirty.insert(ModernKey::Current(Arc::clone(id)));
    }

    fn insert(&mut self, id: &MemberId, value: MemberValue) {
        self.insert_stored(id, value);
        self.dirty.insert(ModernKey::Member(Arc::clone(id)));
        self.know_patterns();
    }

    /// A member as it was found, or is about to be written. Whoever inserts many learns their patterns
    /// at the end.
    fn insert_stored(&mut self, id: &MemberId, value: MemberValue) {
        if let Some(instance) = &value.instance {
            self.instances.insert(Arc::clone(instance), Arc::clone(id));
        }
        let member = ModernMember {
            value,
            current: Current {
                previous_epoch: -1,
                ..Current::default()
            },
            target: Partitions::new(),
            session: None,
            heard_on: 0,
            patience: None,
        };
        self.members.insert(Arc::clone(id), member);
    }

    /// Keeps the patterns of the present subscriptions, compiled.
    fn know_patterns(&mut self) {
        let members = self.members.values();
        let patterns = members.filter_map(|member| member.value.subscription.regex.as_ref());
        self.patterns.keep(patterns);
    }

    /// Takes a member out; what it held is nobody's.
    fn take_out(&mut self, id: &MemberId) -> Option<ModernMember> {
        self.set_session(id, None);
        self.set_patience(id, None);
        let member = self.members.remove(id)?;
        for at in member.current.holds() {
            self.holders.remove(&at);
        }
        if let Some(instance) = &member.value.instance
            && self.instances.get(instance) == Some(id)
        {
            self.instances.remove(instance);
        }
        for key in ModernKey::of_member(id) {
            self.dirty.insert(key);
        }
        self.know_patterns();
        Some(member)
    }

    fn bump(&mut self) {
        self.epoch += 1;
        self.dirty.insert(ModernKey::Group);
    }

    fn set_session(&mut self, id: &MemberId, deadline: Option<Monotonic>) {
        if let Some(member) = self.members.get_mut(id) {
            let before = std::mem::replace(&mut member.session, deadline);
            self.move_deadline(id, before);
        }
    }

    fn set_patience(&mut self, id: &MemberId, deadline: Option<Monotonic>) {
        if let Some(member) = self.members.get_mut(id) {
            let before = std::mem::replace(&mut member.patience, deadline);
            self.move_deadline(id, before);
        }
    }

    /// The two deadlines of a member are in one set; they may be the same moment.
    fn move_deadline(&mut self, id: &MemberId, before: Option<Monotonic>) {
        if let Some(before) = before {
            self.deadlines.remove(&(before, Arc::clone(id)));
        }
        let Some(member) = self.members.get(id) else {
            return;
        };
        for deadline in [member.session, member.patience].into_iter().flatten() {
            self.deadlines.insert((deadline, Arc::clone(id)));
        }
    }

    fn restart_session(&mut self, id: &MemberId, now: Now, session: Duration) {
        self.set_session(id, Some(now.monotonic.plus(session)));
    }
}
