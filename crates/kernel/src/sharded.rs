//! An ordered map whose clones share structure.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Shards of one map. A clone costs this many reference counts; a change copies one shard, so at
/// 10,000 entries it copies about 40.
const SHARDS: usize = 256;

/// A map for the cluster image: cheap to clone, changed one shard at a time.
#[derive(Clone, Debug)]
pub struct ShardedMap<K, V> {
    shards: Vec<Arc<BTreeMap<K, V>>>,
    len: usize,
}

impl<K: Ord + Hash + Clone, V: Clone> ShardedMap<K, V> {
    /// An empty map.
    pub fn new() -> Self {
        let empty = Arc::new(BTreeMap::new());
        Self {
            shards: vec![empty; SHARDS],
            len: 0,
        }
    }

    // DefaultHasher::new() has fixed keys: the same key lands in the same shard in every run.
    fn shard_of<Q: Hash + ?Sized>(key: &Q) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        (hasher.finish() % SHARDS as u64) as usize
    }

    /// The value of a key.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + Hash + ?Sized,
    {
        self.shards[Self::shard_of(key)].get(key)
    }

    /// The value of a key for a change; copies its shard if it is shared.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let shard = &mut self.shards[Self::shard_of(key)];
        if !shard.contains_key(key) {
            return None;
        }
        Arc::make_mut(shard).get_mut(key)
    }

    /// Sets a key's value and returns the old one.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let shard = &mut self.shards[Self::shard_of(&key)];
        let old = Arc::make_mut(shard).insert(key, value);
        if old.is_none() {
            self.len += 1;
        }
        old
    }

    /// Removes a key and returns its value.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + Hash + ?Sized,
    {
        let shard = &mut self.shards[Self::shard_of(key)];
        if !shard.contains_key(key) {
            return None;
        }
        let old = Arc::make_mut(shard).remove(key);
        self.len -= 1;
        old
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every entry; the order is fixed for the same set of keys, but is not the keys' order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }
}

impl<K: Ord + Hash + Clone, V: Clone> Default for ShardedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Hash + Clone, V: Clone + PartialEq> PartialEq for ShardedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.shards == other.shards
    }
}

impl<K: Ord + Hash + Clone, V: Clone> FromIterator<(K, V)> for ShardedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K: Ord + Hash + Clone + Serialize, V: Clone + Serialize> Serialize for ShardedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ordered: BTreeMap<&K, &V> = self.iter().collect();
        ordered.serialize(serializer)
    }
}

impl<'de, K, V> Deserialize<'de> for ShardedMap<K, V>
where
    K: Ord + Hash + Clone + Deserialize<'de>,
    V: Clone + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<K, V>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_not_changed_by_a_change_of_the_original() {
        let mut map: ShardedMap<u32, u32> = (0..1000).map(|i| (i, i)).collect();
        let old = map.clone();
        map.insert(7, 70);
        map.remove(&8);
        if let Some(value) = map.get_mut(&9) {
            *value = 90;
        }
        assert_eq!(
            (old.get(&7), old.get(&8), old.get(&9)),
            (Some(&7), Some(&8), Some(&9))
        );
        assert_eq!(
            (map.get(&7), map.get(&8), map.get(&9)),
            (Some(&70), None, Some(&90))
        );
        assert_eq!((old.len(), map.len(), map.iter().count()), (1000, 999, 999));
    }
}
