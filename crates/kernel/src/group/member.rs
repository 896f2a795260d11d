//! A member of a group of the classic protocol.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::Monotonic;

use super::{JoinRequest, StoredMember, Ticket};

/// One way to divide the work that a member knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Its name.
    pub name: Arc<str>,
    /// What the member says of itself under it; opaque, unless it is a consumer's.
    pub metadata: Arc<[u8]>,
    /// The topics in it, if it is a consumer's.
    pub topics: Arc<[Arc<str>]>,
}

/// A member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The name that survives its restarts.
    pub(super) instance: Option<Arc<str>>,
    /// How its client calls itself.
    pub(super) client_id: Arc<str>,
    /// Where it is.
    pub(super) client_host: Arc<str>,
    /// How long it may be silent.
    pub(super) session_timeout: Duration,
    /// How long it may take to join again.
    pub(super) rebalance_timeout: Duration,
    /// What it knows, the best first.
    pub(super) protocols: Vec<Protocol>,
    /// What it was assigned.
    pub(super) assignment: Arc<[u8]>,
    /// Its JoinGroup that waits.
    pub(super) join: Option<Ticket>,
    /// Its SyncGroup that waits.
    pub(super) sync: Option<Ticket>,
    /// It waits for its first generation.
    pub(super) is_new: bool,
    /// When its session ends; none while it waits for an answer.
    pub(super) deadline: Option<Monotonic>,
}

impl Member {
    /// What it says of itself under a protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Arc<[u8]> {
        self.protocol(protocol)
            .map_or_else(|| Arc::from([]), |known| Arc::clone(&known.metadata))
    }

    pub(super) fn protocol(&self, name: &str) -> Option<&Protocol> {
        self.protocols.iter().find(|known| &*known.name == name)
    }

    /// One that joins.
    pub(super) fn of_request(request: JoinRequest) -> Self {
        Self {
            instance: request.instance,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: request.protocols,
            assignment: Arc::from([]),
            join: None,
            sync: None,
            is_new: true,
            deadline: None,
        }
    }

    pub(super) fn of_stored(stored: &StoredMember, protocol: Option<&Arc<str>>) -> Self {
        let millis = |ms: i32| Duration::from_millis(u64::from(ms.max(0).unsigned_abs()));
        Self {
            instance: stored.instance.clone(),
            client_id: Arc::clone(&stored.client_id),
            client_host: Arc::clone(&stored.client_host),
            session_timeout: millis(stored.session_timeout_ms),
            rebalance_timeout: millis(stored.rebalance_timeout_ms),
            protocols: protocol
                .map(|name| Protocol {
                    name: Arc::clone(name),
                    metadata: Arc::clone(&stored.subscription),
                    topics: Arc::clone(&stored.topics),
                })
                .into_iter()
                .collect(),
            assignment: Arc::clone(&stored.assignment),
            join: None,
            sync: None,
            is_new: false,
            deadline: None,
        }
    }
}

/// A time-out as Kafka's records hold it.
pub(super) fn millis_of(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
