//! Who is in a group, by either protocol.

use std::sync::Arc;

use holdfast_model::{ErrorCode, Monotonic};

use super::classic::{Now, Steps};
use super::modern::ModernGroup;
use super::{CONSUMER_PROTOCOL, ClassicGroup, GroupOptions, GroupState};

/// The members of a group. One without members is of the protocol that it was of last.
#[derive(Debug)]
pub(super) enum Membership {
    Classic(ClassicGroup),
    Modern(ModernGroup),
}

impl Membership {
    pub(super) fn classic(&mut self) -> Option<&mut ClassicGroup> {
        match self {
            Self::Classic(group) => Some(group),
            Self::Modern(_) => None,
        }
    }

    pub(super) fn modern(&self) -> Option<&ModernGroup> {
        match self {
            Self::Modern(group) => Some(group),
            Self::Classic(_) => None,
        }
    }

    pub(super) fn modern_mut(&mut self) -> Option<&mut ModernGroup> {
        match self {
            Self::Modern(group) => Some(group),
            Self::Classic(_) => None,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Monotonic> {
        match self {
            Self::Classic(group) => group.next_deadline(),
            Self::Modern(group) => group.next_deadline(),
        }
    }

    pub(super) fn tick(&mut self, now: Now, options: &GroupOptions, steps: &mut Steps) {
        match self {
            Self::Classic(group) => group.tick(now, options, steps),
            Self::Modern(group) => group.tick(now),
        }
    }

    /// Answers everybody who waits.
    pub(super) fn give_up(self, code: ErrorCode, steps: &mut Steps) {
        // Of the other protocol nobody waits for anything but writes.
        if let Self::Classic(group) = self {
            group.give_up(code, steps);
        }
    }

    /// Whether it has nobody, and nobody who is expected.
    pub(super) fn is_unused(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_unused(),
            Self::Modern(group) => group.is_empty(),
        }
    }

    pub(super) fn reads(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.reads(topic),
            Self::Modern(group) => group.reads(topic),
        }
    }

    pub(super) fn state(&self) -> GroupState {
        match self {
            Self::Classic(group) => group.state().into(),
            Self::Modern(group) => group.state(),
        }
    }

    /// The kind of its members; empty for a group that only has offsets.
    pub(super) fn protocol_type(&self) -> Arc<str> {
        match self {
            Self::Classic(group) => group.protocol_type(),
            Self::Modern(_) => Arc::from(CONSUMER_PROTOCOL),
        }
    }
}
