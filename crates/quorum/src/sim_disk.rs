//! A disk for tests that forgets what was not synced.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::keyspace::{KeyOp, KeyValue, Keyspace, KeyspaceError};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// An ordered map with a page cache: reads see every write, a power cut keeps the synced ones.
#[derive(Debug, Default)]
pub(crate) struct SimDisk {
    state: Mutex<State>,
    goes_on: Condvar,
}

#[derive(Debug, Default)]
struct State {
    cache: Map,
    synced: Map,
    /// Syncs hang.
    stalled: bool,
}

impl SimDisk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From now on syncs hang.
    pub(crate) fn stall(&self) {
        self.state.lock().stalled = true;
    }

    /// Syncs that hung go on.
    pub(crate) fn go_on(&self) {
        self.state.lock().stalled = false;
        self.goes_on.notify_all();
    }

    /// The disk after a power cut.
    pub(crate) fn after_power_cut(&self) -> Arc<Self> {
        let synced = self.state.lock().synced.clone();
        let state = State {
            cache: synced.clone(),
            synced,
            stalled: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            goes_on: Condvar::new(),
        })
    }

    /// Changes a stored value behind everybody's back.
    pub(crate) fn damage(&self, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        change(state.cache.get_mut(key).expect("stored"));
        state.synced = state.cache.clone();
    }

    pub(crate) fn remove(&self, key: &[u8]) {
        let mut state = self.state.lock();
        assert!(state.cache.remove(key).is_some(), "stored");
        state.synced = state.cache.clone();
    }

    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        self.state.lock().cache.keys().cloned().collect()
    }
}

fn apply(map: &mut Map, op: KeyOp) {
    match op {
        KeyOp::Put { key, value } => {
            map.insert(key, value);
        }
        KeyOp::Delete { key } => {
            map.remove(&key);
        }
        KeyOp::DeleteRange { from, until } => map.retain(|key, _| *key < from || *key >= until),
    }
}

impl Keyspace for SimDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KeyspaceError> {
        Ok(self.state.lock().cache.get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<KeyValue>, KeyspaceError> {
        let state = self.state.lock();
        let range = state.cache.range(from.to_vec()..until.to_vec());
        Ok(range
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn last_in(&self, from: &[u8], until: &[u8]) -> Result<Option<KeyValue>, KeyspaceError> {
        let state = self.state.lock();
        let mut range = state.cache.range(from.to_vec()..until.to_vec());
        Ok(range
            .next_back()
            .map(|(key, value)| (key.clone(), value.clone())))
    }

    fn write(&self, ops: Vec<KeyOp>) -> Result<(), KeyspaceError> {
        let mut state = self.state.lock();
        for op in ops {
            apply(&mut state.cache, op);
        }
        self.goes_on.wait_while(&mut state, |state| state.stalled);
        // A sync of the write-ahead log reaches everything written before.
        state.synced = state.cache.clone();
        Ok(())
    }
}
