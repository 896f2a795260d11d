//! What a leader knows of one follower.

use holdfast_model::{BrokerEpoch, Monotonic, Offset, ReplicaId};

use crate::replica::message::{Acked, SessionId};

/// One follower in one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its disk.
    pub replica: ReplicaId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The conversation.
    pub session: SessionId,
    /// Its log end.
    pub log_end: Offset,
    /// Its synced end.
    pub synced_end: Offset,
    /// Its log start.
    pub log_start: Offset,
    /// When its synced end last equalled this leader's log end.
    pub last_caught_up: Monotonic,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Streaming,
    Closed,
}

impl Progress {
    pub(super) fn opening(
        replica: ReplicaId,
        broker_epoch: BrokerEpoch,
        session: SessionId,
        last_caught_up: Monotonic,
    ) -> Self {
        Self {
            replica,
            broker_epoch,
            session,
            log_end: Offset::ZERO,
            synced_end: Offset::ZERO,
            log_start: Offset::ZERO,
            last_caught_up,
            state: State::Opening,
        }
    }

    /// Whether appends and acknowledgements of the conversation count.
    pub fn is_streaming(&self) -> bool {
        self.state == State::Streaming
    }

    /// Whether a new conversation is needed.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub(super) fn is(&self, replica: ReplicaId, epoch: BrokerEpoch, session: SessionId) -> bool {
        self.replica == replica && self.broker_epoch == epoch && self.session == session
    }

    pub(super) fn stream_from(&mut self, from: Offset, synced: Offset, now: Monotonic) {
        self.log_end = from;
        self.synced_end = synced;
        self.state = State::Streaming;
        self.last_caught_up = self.last_caught_up.min(now);
    }

    pub(super) fn acked(&mut self, acked: &Acked) {
        self.log_end = self.log_end.max(acked.log_end);
        self.synced_end = self.synced_end.max(acked.synced_end);
        self.log_start = acked.log_start;
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closed;
    }
}
