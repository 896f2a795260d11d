//! When each member last answered the leader.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_model::{Clock, Monotonic};
use parking_lot::Mutex;

use crate::node::{LogId, NodeId};

/// The last answer of a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contact {
    /// Wall time in milliseconds.
    pub(crate) answered_ms: i64,
    /// The same moment, for durations.
    pub(crate) answered: Monotonic,
    /// Wall time at which it had everything that the leader had sent for.
    pub(crate) caught_up_ms: Option<i64>,
}

/// Answers by member; shared by the connections to them.
#[derive(Clone, Debug)]
pub(crate) struct Contacts {
    clock: Arc<dyn Clock>,
    /// Bounded by the members: `keep` drops those that left.
    by_member: Arc<Mutex<BTreeMap<NodeId, Contact>>>,
}

impl Contacts {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            by_member: Arc::default(),
        }
    }

    /// A member accepted entries up to `last`; the leader had committed up to `committed`.
    pub(crate) fn answered(&self, member: NodeId, last: Option<LogId>, committed: Option<LogId>) {
        let now = self.clock.wall_ms();
        let mut by_member = self.by_member.lock();
        let before = by_member
            .get(&member)
            .and_then(|contact| contact.caught_up_ms);
        let caught_up_ms = if last >= committed { Some(now) } else { before };
        by_member.insert(
            member,
            Contact {
                answered_ms: now,
                answered: self.clock.monotonic(),
                caught_up_ms,
            },
        );
    }

    pub(crate) fn get(&self, member: NodeId) -> Option<Contact> {
        self.by_member.lock().get(&member).copied()
    }

    pub(crate) fn keep(&self, is_member: impl Fn(&NodeId) -> bool) {
        self.by_member.lock().retain(|member, _| is_member(member));
    }
}
