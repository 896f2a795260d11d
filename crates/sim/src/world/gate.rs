//! What a scripted run holds back: messages, and the end of syncs.

use std::collections::BTreeSet;

use crate::event::Endpoint;
use crate::message::Message;

/// A kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Batches for a follower, or a high watermark alone.
    Append,
    /// How far a follower has come.
    Acked,
    /// A request to the controller.
    Ask,
    /// What became of a client's batch.
    Produced,
}

impl Kind {
    fn is_of(self, message: &Message) -> bool {
        match self {
            Self::Append => matches!(message, Message::Append(..)),
            Self::Acked => matches!(message, Message::Acked(..)),
            Self::Ask => matches!(message, Message::Ask(..)),
            Self::Produced => matches!(message, Message::Produced { .. }),
        }
    }
}

/// Whatever is held back at the moment.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: Vec<(Endpoint, Endpoint, Kind)>,
    pub(super) waiting: Vec<(Endpoint, Endpoint, Message)>,
    pub(super) syncs: BTreeSet<usize>,
}

impl Gate {
    /// Holds back a kind of message on a link.
    pub(super) fn close(&mut self, from: Endpoint, to: Endpoint, kind: Kind) {
        self.closed.push((from, to, kind));
    }

    /// Holds nothing of a kind back any more that a sender sends. What waits stays where it is.
    pub(super) fn open(&mut self, from: Endpoint, kind: Kind) {
        let of_it = |source: Endpoint, closed: Kind| source == from && closed == kind;
        self.closed
            .retain(|(source, _, closed)| !of_it(*source, *closed));
    }

    /// Takes what waits of a kind and a sender.
    pub(super) fn take(
        &mut self,
        from: Endpoint,
        kind: Kind,
    ) -> Vec<(Endpoint, Endpoint, Message)> {
        let waiting = std::mem::take(&mut self.waiting);
        let (taken, rest) = waiting
            .into_iter()
            .partition(|(source, _, message)| *source == from && kind.is_of(message));
        self.waiting = rest;
        taken
    }

    /// How many messages of a kind wait.
    pub(super) fn count(&self, kind: Kind) -> usize {
        let waiting = self.waiting.iter();
        waiting
            .filter(|(_, _, message)| kind.is_of(message))
            .count()
    }

    /// Whether a message is held back.
    pub(super) fn holds(&self, from: Endpoint, to: Endpoint, message: &Message) -> bool {
        let closed = |(source, target, kind): &(Endpoint, Endpoint, Kind)| {
            *source == from && *target == to && kind.is_of(message)
        };
        self.closed.iter().any(closed)
    }
}
