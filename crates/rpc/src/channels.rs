//! The pool of channels to the peers.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use holdfast_model::Clock;
use parking_lot::Mutex;
use tonic::transport::{Channel, Endpoint};

use crate::dialer::{Dialer, dial_at};
use crate::names::Names;
use crate::options::{FRAME_BYTES, WINDOW_BYTES};
use crate::{Address, Error, Options};

/// What a connection is for. Each has its own, so that bulk never stands before a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The quorum, formation, the controller: small calls with deadlines.
    Control,
    /// The tail of the logs.
    Replication,
    /// Older parts of the logs.
    CatchUp,
}

/// What a fresh TCP connect found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Something listens there.
    Listening,
    /// The machine answered that nothing listens there.
    Refused,
    /// No answer in time, or another error: nothing is proven.
    Silent,
}

/// Channels by peer and class, connected at first use and again after a failure. Cheap to clone;
/// all clones share one pool.
#[derive(Clone, Debug)]
pub struct Channels {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    clock: Arc<dyn Clock>,
    names: Names,
    pool: Mutex<Pool>,
}

#[derive(Debug, Default)]
struct Pool {
    /// Bounded by `Options::channels`.
    slots: HashMap<(Address, Class), Slot>,
    uses: u64,
}

#[derive(Debug)]
struct Slot {
    channel: Channel,
    last_use: u64,
}

impl Channels {
    /// An empty pool.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                options,
                names: Names::new(options.channels, Arc::clone(&clock)),
                clock,
                pool: Mutex::default(),
            }),
        }
    }

    /// The channel to a peer. Returns at once; it connects when it is first used. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::BadAddress`].
    pub fn get(&self, peer: &Address, class: Class) -> Result<Channel, Error> {
        let mut pool = self.inner.pool.lock();
        pool.uses += 1;
        let now = pool.uses;
        let key = (peer.clone(), class);
        if let Some(slot) = pool.slots.get_mut(&key) {
            slot.last_use = now;
            return Ok(slot.channel.clone());
        }
        if pool.slots.len() >= self.inner.options.channels.max(1) {
            let oldest = pool.slots.iter().min_by_key(|(_, slot)| slot.last_use);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                pool.slots.remove(&oldest);
            }
        }
        let channel = self.open(peer)?;
        pool.slots.insert(
            key,
            Slot {
                channel: channel.clone(),
                last_use: now,
            },
        );
        Ok(channel)
    }

    /// Closes the channels to a peer, once those who hold them let go.
    pub fn forget(&self, peer: &Address) {
        self.inner
            .pool
            .lock()
            .slots
            .retain(|(address, _), _| address != peer);
    }

    /// Learns where peers are before anybody calls them, and again now and then: when the names'
    /// servers are lost together with other machines, they are called where they were. Returns at
    /// once. Must be called within a tokio runtime.
    pub fn remember<'a>(&self, hosts: impl IntoIterator<Item = &'a str>) {
        self.inner.names.remember(hosts);
    }

    /// Connects anew, without the pool and its pauses, and closes at once.
    pub async fn probe(&self, peer: &Address) -> Probe {
        let targets = self.inner.names.resolve_now(peer);
        let dialed = dial_at(targets, &self.inner.options).await;
        if dialed.is_err() {
            self.inner.names.doubt(&peer.host);
        }
        match dialed {
            Ok(_stream) => Probe::Listening,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Probe::Refused,
            Err(_other) => Probe::Silent,
        }
    }

    fn open(&self, peer: &Address) -> Result<Channel, Error> {
        let options = self.inner.options;
        let endpoint = Endpoint::from_shared(format!("http://{peer}"))
            .map_err(|_invalid| Error::BadAddress {
                address: peer.to_string(),
            })?
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES)
            .http2_keep_alive_interval(options.keepalive_interval)
            .keep_alive_timeout(options.keepalive_timeout)
            .keep_alive_while_idle(true);
        let dialer = Dialer::new(
            peer.clone(),
            options,
            self.inner.names.clone(),
            Arc::clone(&self.inner.clock),
        );
        Ok(endpoint.connect_with_connector_lazy(dialer))
    }
}
