//! The other brokers, as leaders here see them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_kernel::replica::SessionId;
use holdfast_model::{BrokerId, Monotonic, ReplicaId, TopicPartition};
use holdfast_rpc::Address;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use crate::work::Wanted;

/// Where a peer is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTarget {
    /// Its address for other brokers.
    pub address: Address,
    /// The disk that is expected there.
    pub replica: ReplicaId,
}

/// One other broker: which partitions its streams should look at.
#[derive(Debug)]
pub struct Peer {
    /// Who it is.
    pub id: BrokerId,
    /// Partitions with something to send now.
    pub dirty: Wanted,
    /// Partitions with something to send that may wait a little.
    pub later: Wanted,
    /// Partitions that need what the tail does not hold.
    pub catch_up: Wanted,
    /// When it last said that the connection works.
    pub heard: Mutex<Option<Monotonic>>,
    /// Woken when acknowledgements arrive.
    pub acked: Notify,
    /// Where it is; none while it is not registered.
    pub target: watch::Sender<Option<PeerTarget>>,
}

/// All other brokers. As many as the cluster has.
#[derive(Debug, Default)]
pub struct Peers {
    by_id: RwLock<HashMap<BrokerId, Arc<Peer>>>,
    sessions: AtomicU64,
    links: AtomicU64,
}

impl Peers {
    /// The peer with an id; true if it was not known before, so that its streams must be started.
    pub fn get_or_add(&self, id: BrokerId) -> (Arc<Peer>, bool) {
        if let Some(peer) = self.by_id.read().get(&id) {
            return (Arc::clone(peer), false);
        }
        let mut peers = self.by_id.write();
        let mut added = false;
        let peer = peers.entry(id).or_insert_with(|| {
            added = true;
            Arc::new(Peer {
                id,
                dirty: Wanted::default(),
                later: Wanted::default(),
                catch_up: Wanted::default(),
                heard: Mutex::default(),
                acked: Notify::new(),
                target: watch::Sender::new(None),
            })
        });
        (Arc::clone(peer), added)
    }

    /// Where a peer is reached, if it is registered.
    pub fn target(&self, id: BrokerId) -> Option<PeerTarget> {
        self.by_id.read().get(&id)?.target.borrow().clone()
    }

    /// Has the stream to a peer look at a partition.
    pub fn queue(&self, id: BrokerId, at: TopicPartition) {
        if let Some(peer) = self.by_id.read().get(&id) {
            peer.dirty.add(at);
        }
    }

    /// Has it look with the next round of things that may wait.
    pub fn queue_later(&self, id: BrokerId, at: TopicPartition) {
        if let Some(peer) = self.by_id.read().get(&id) {
            peer.later.add(at);
        }
    }

    /// When each peer last said that its connection works.
    pub fn heard(&self) -> BTreeMap<BrokerId, Monotonic> {
        let peers = self.by_id.read();
        let heard = peers
            .values()
            .map(|peer| Some((peer.id, (*peer.heard.lock())?)));
        heard.flatten().collect()
    }

    /// A conversation that this process never had.
    pub fn next_session(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A connection that this process never had.
    pub fn next_link(&self) -> u64 {
        self.links.fetch_add(1, Ordering::Relaxed) + 1
    }
}
