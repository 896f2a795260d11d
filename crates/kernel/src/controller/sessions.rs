//! Who is heard from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_model::{BrokerEpoch, BrokerId, Monotonic};

use crate::image::ClusterImage;

/// What a broker learns from its heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatAnswer {
    /// Known; whether it is fenced.
    Known {
        /// Fenced still or again.
        fenced: bool,
        /// This controller does not know where the broker's logs end, and may have to elect by it:
        /// register again, in the same process, to say so.
        report: bool,
    },
    /// This registration is not the current one: register again.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    epoch: BrokerEpoch,
    last_heard: Monotonic,
    ready: bool,
}

/// Sessions of the brokers with one controller.
#[derive(Debug)]
pub struct Sessions {
    in_office_since: Monotonic,
    heard: BTreeMap<BrokerId, Session>,
    refusing: BTreeSet<BrokerId>,
}

impl Sessions {
    pub(super) fn new(now: Monotonic) -> Self {
        Self {
            in_office_since: now,
            heard: BTreeMap::new(),
            refusing: BTreeSet::new(),
        }
    }

    /// A broker reports. `ready` means that it has applied the image as far as its registration and
    /// can serve.
    pub fn heartbeat(
        &mut self,
        image: &ClusterImage,
        broker: BrokerId,
        epoch: BrokerEpoch,
        ready: bool,
        now: Monotonic,
    ) -> HeartbeatAnswer {
        let Some(record) = image
            .brokers
            .get(&broker)
            .filter(|record| record.epoch == epoch)
        else {
            return HeartbeatAnswer::Unknown;
        };
        self.refusing.remove(&broker);
        self.heard.insert(
            broker,
            Session {
                epoch,
                last_heard: now,
                ready,
            },
        );
        HeartbeatAnswer::Known {
            fenced: record.fenced,
            report: false,
        }
    }

    /// The address of a broker refuses connections: no process listens there. This is evidence, not
    /// a guess from silence, and ends its session at once.
    pub fn refuses_connections(&mut self, broker: BrokerId) {
        self.refusing.insert(broker);
    }

    /// Whether a broker has been heard from in this registration, lately.
    pub fn is_confirmed(
        &self,
        broker: BrokerId,
        epoch: BrokerEpoch,
        timeout: Duration,
        now: Monotonic,
    ) -> bool {
        !self.refusing.contains(&broker)
            && self.heard.get(&broker).is_some_and(|session| {
                session.epoch == epoch && now.since(session.last_heard) <= timeout
            })
    }

    /// Whether a broker has been heard from in this registration after a moment.
    pub fn is_heard_since(&self, broker: BrokerId, epoch: BrokerEpoch, moment: Monotonic) -> bool {
        !self.refusing.contains(&broker)
            && self
                .heard
                .get(&broker)
                .is_some_and(|session| session.epoch == epoch && session.last_heard > moment)
    }

    /// Whether a broker is confirmed and says that it can serve.
    pub fn is_ready(
        &self,
        broker: BrokerId,
        epoch: BrokerEpoch,
        timeout: Duration,
        now: Monotonic,
    ) -> bool {
        self.is_confirmed(broker, epoch, timeout, now)
            && self.heard.get(&broker).is_some_and(|session| session.ready)
    }

    /// Whether a broker's session has ended: not heard from for a full session, counted from this
    /// controller's first moment for those it never heard, or refusing connections.
    pub fn has_lapsed(&self, broker: BrokerId, timeout: Duration, now: Monotonic) -> bool {
        if self.refusing.contains(&broker) {
            return true;
        }
        let last = self
            .heard
            .get(&broker)
            .map_or(self.in_office_since, |s| s.last_heard);
        now.since(last.max(self.in_office_since)) > timeout
    }

    /// How long this controller has been in office.
    pub fn in_office_for(&self, now: Monotonic) -> Duration {
        now.since(self.in_office_since)
    }
}
