//! What was seen of one kind of object, by the cluster that it belongs to.
//!
//! Only what a look needs is kept, in the form in which it needs it: whoever changes something else on
//! an object (a kubelet its heartbeat, say) wakes nobody and costs no memory.

use std::collections::BTreeMap;

use kube::runtime::watcher::Event;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Names a cluster: its namespace, then its name. What belongs to none has the empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClusterKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ClusterKey {
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// One object of interest: whose it is, its name there, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row<V> {
    pub(crate) cluster: ClusterKey,
    pub(crate) name: String,
    pub(crate) value: V,
}

type Rows<V> = BTreeMap<ClusterKey, BTreeMap<String, V>>;

/// Whether a kind was listed once. `kube`'s own signal for that wakes only the last of several who
/// wait.
#[derive(Debug)]
pub(crate) struct Listed(watch::Sender<bool>);

impl Listed {
    pub(crate) fn not_yet() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn now(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn wait(&self) {
        let mut listed = self.0.subscribe();
        // The sender lives as long as this.
        let _never = listed.wait_for(|listed| *listed).await;
    }
}

/// All objects of one kind.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    state: Mutex<State<V>>,
    pub(crate) listed: Listed,
}

#[derive(Debug)]
struct State<V> {
    rows: Rows<V>,
    /// Collects a listing, until it is whole.
    listing: Option<Rows<V>>,
}

impl<V: Clone + PartialEq> Cache<V> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                rows: Rows::new(),
                listing: None,
            }),
            listed: Listed::not_yet(),
        }
    }

    /// Takes an event in, and says which clusters see something new by it. `row` says what is kept of
    /// an object; none if it is of no interest.
    pub(crate) fn take<K>(
        &self,
        event: Event<K>,
        row: impl Fn(K) -> Option<Row<V>>,
    ) -> Vec<ClusterKey> {
        let mut state = self.state.lock();
        match event {
            Event::Init => {
                state.listing = Some(Rows::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                if let (Some(listing), Some(row)) = (state.listing.as_mut(), row(object)) {
                    put(listing, row);
                }
                Vec::new()
            }
            Event::InitDone => {
                let listed = state.listing.take().unwrap_or_default();
                let before = std::mem::replace(&mut state.rows, listed);
                let changed = differing(&before, &state.rows);
                drop(state);
                self.listed.now();
                changed
            }
            Event::Apply(object) => row(object)
                .and_then(|row| put(&mut state.rows, row))
                .into_iter()
                .collect(),
            Event::Delete(object) => row(object)
                .and_then(|row| remove(&mut state.rows, row))
                .into_iter()
                .collect(),
        }
    }

    /// The objects of a cluster, by name.
    pub(crate) fn of(&self, cluster: &ClusterKey) -> BTreeMap<String, V> {
        let state = self.state.lock();
        state.rows.get(cluster).cloned().unwrap_or_default()
    }

    /// One object of a cluster.
    pub(crate) fn get(&self, cluster: &ClusterKey, name: &str) -> Option<V> {
        let state = self.state.lock();
        state.rows.get(cluster)?.get(name).cloned()
    }
}

/// Stores a row; the cluster, if it is new or different.
fn put<V: PartialEq>(rows: &mut Rows<V>, row: Row<V>) -> Option<ClusterKey> {
    let of_cluster = rows.entry(row.cluster.clone()).or_default();
    if of_cluster.get(&row.name) == Some(&row.value) {
        return None;
    }
    of_cluster.insert(row.name, row.value);
    Some(row.cluster)
}

fn remove<V>(rows: &mut Rows<V>, row: Row<V>) -> Option<ClusterKey> {
    let of_cluster = rows.get_mut(&row.cluster)?;
    of_cluster.remove(&row.name)?;
    if of_cluster.is_empty() {
        rows.remove(&row.cluster);
    }
    Some(row.cluster)
}

fn differing<V: PartialEq>(before: &Rows<V>, after: &Rows<V>) -> Vec<ClusterKey> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let changed = after
        .iter()
        .filter(|(key, rows)| before.get(*key) != Some(rows))
        .map(|(key, _rows)| key);
    gone.chain(changed).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Option<Row<u32>> {
        let mut parts = text.split(' ');
        Some(Row {
            cluster: ClusterKey::new("ns", parts.next()?),
            name: parts.next()?.to_owned(),
            value: parts.next()?.parse().ok()?,
        })
    }

    fn names(keys: &[ClusterKey]) -> Vec<&str> {
        keys.iter().map(|key| key.name.as_str()).collect()
    }

    #[test]
    fn only_what_is_kept_wakes_a_cluster() {
        let cache = Cache::new();
        let take = |event| cache.take(event, row);
        assert_eq!(names(&take(Event::Apply("a x 1"))), ["a"]);
        assert!(take(Event::Apply("a x 1")).is_empty());
        assert_eq!(names(&take(Event::Apply("a x 2"))), ["a"]);
        assert!(take(Event::Apply("of no interest")).is_empty());
        assert!(take(Event::Delete("a y 1")).is_empty());
        assert_eq!(names(&take(Event::Delete("a x 2"))), ["a"]);
        assert!(cache.of(&ClusterKey::new("ns", "a")).is_empty());
    }

    #[test]
    fn a_listing_replaces_all_at_once_and_shows_what_was_deleted_meanwhile() {
        let cache = Cache::new();
        let take = |event| cache.take(event, row);
        for event in [
            Event::Apply("a x 1"),
            Event::Apply("b x 1"),
            Event::Apply("c x 1"),
        ] {
            take(event);
        }
        take(Event::Init);
        take(Event::InitApply("b x 1"));
        take(Event::InitApply("c x 2"));
        assert_eq!(cache.get(&ClusterKey::new("ns", "c"), "x"), Some(1));
        assert_eq!(names(&take(Event::InitDone)), ["a", "c"]);
        assert_eq!(cache.get(&ClusterKey::new("ns", "a"), "x"), None);
        assert_eq!(cache.get(&ClusterKey::new("ns", "c"), "x"), Some(2));
        assert!(*cache.listed.0.borrow());
    }

    #[tokio::test]
    async fn all_who_wait_for_a_listing_wake() {
        let listed = Listed::not_yet();
        let both = async { tokio::join!(listed.wait(), listed.wait()) };
        tokio::join!(both, async { listed.now() });
        listed.wait().await;
    }
}
