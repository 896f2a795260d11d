//! What the API server keeps: objects with uids and versions, and the history that watches read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

/// The namespace in which all happens.
pub const NAMESPACE: &str = "shop";

/// The name of the one cluster.
pub const CLUSTER: &str = "orders";

/// The name under which operators apply.
pub const MANAGER: &str = "holdfast-operator";

/// A kind that the API server knows.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name in paths.
    pub plural: &'static str,
    /// Its name in objects.
    pub kind: &'static str,
    /// Its group and version.
    pub version: &'static str,
}

const fn kind(plural: &'static str, kind: &'static str, version: &'static str) -> Kind {
    Kind {
        plural,
        kind,
        version,
    }
}

/// All of them. The first ones are those that operators watch.
pub const KINDS: &[Kind] = &[
    kind("messageclusters", "MessageCluster", "holdfast.io/v1alpha1"),
    kind("pods", "Pod", "v1"),
    kind("persistentvolumeclaims", "PersistentVolumeClaim", "v1"),
    kind("persistentvolumes", "PersistentVolume", "v1"),
    kind("nodes", "Node", "v1"),
    kind("storageclasses", "StorageClass", "storage.k8s.io/v1"),
    kind("serviceaccounts", "ServiceAccount", "v1"),
    kind("configmaps", "ConfigMap", "v1"),
    kind("services", "Service", "v1"),
    kind("statefulsets", "StatefulSet", "apps/v1"),
    kind("poddisruptionbudgets", "PodDisruptionBudget", "policy/v1"),
    kind("networkpolicies", "NetworkPolicy", "networking.k8s.io/v1"),
    kind("secrets", "Secret", "v1"),
];

/// How many kinds of the list are watched.
pub const WATCHED: usize = 12;

/// The kind with this name in paths.
pub fn kind_of(plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.plural == plural)
}

/// One change, as watches tell it.
#[derive(Clone, Debug)]
pub struct Change {
    /// Of which object.
    pub name: String,
    /// How it is now, or was last.
    pub value: Arc<Value>,
    /// It is gone.
    pub gone: bool,
}

#[derive(Clone, Debug)]
struct Stored {
    value: Arc<Value>,
    /// What each manager applied last.
    applied: BTreeMap<String, Value>,
}

/// All objects and their history.
#[derive(Debug, Default)]
pub struct Store {
    objects: BTreeMap<&'static str, BTreeMap<String, Stored>>,
    history: BTreeMap<&'static str, Vec<Change>>,
    version: u64,
    uids: u64,
}

impl Store {
    /// A uid that nothing else has.
    pub fn fresh_uid(&mut self) -> String {
        self.uids += 1;
        format!("uid-{}", self.uids)
    }

    /// An object.
    pub fn get(&self, plural: &str, name: &str) -> Option<&Arc<Value>> {
        Some(&self.objects.get(plural)?.get(name)?.value)
    }

    /// All objects of a kind, by name.
    pub fn all(&self, plural: &str) -> Vec<(String, Arc<Value>)> {
        let objects = self.objects.get(plural).into_iter().flatten();
        objects
            .map(|(name, stored)| (name.clone(), Arc::clone(&stored.value)))
            .collect()
    }

    /// How many changes a kind has seen.
    pub fn head(&self, plural: &str) -> usize {
        self.history.get(plural).map_or(0, Vec::len)
    }

    /// One change of a kind.
    pub fn change(&self, plural: &str, index: usize) -> Option<&Change> {
        self.history.get(plural)?.get(index)
    }

    /// The objects of a kind as they were after so many changes.
    pub fn snapshot(&self, plural: &str, at: usize) -> BTreeMap<&str, &Arc<Value>> {
        let mut objects = BTreeMap::new();
        for change in self.history.get(plural).into_iter().flatten().take(at) {
            if change.gone {
                objects.remove(change.name.as_str());
            } else {
                objects.insert(change.name.as_str(), &change.value);
            }
        }
        objects
    }

    /// Puts an object in the place of the one of its name, if it differs. A new one gets a uid.
    pub fn put(&mut self, plural: &'static str, name: &str, mut value: Value) -> Arc<Value> {
        let before = self.get(plural, name).cloned();
        let metadata = &mut value["metadata"];
        metadata["name"] = name.into();
        if let Some(before) = &before {
            for kept in ["uid", "creationTimestamp", "generation", "resourceVersion"] {
                metadata[kept] = before["metadata"][kept].clone();
            }
            if value == **before {
                return Arc::clone(before);
            }
            if value["spec"] != before["spec"] {
                let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
                value["metadata"]["generation"] = (generation + 1).into();
            }
        } else {
            metadata["uid"] = self.fresh_uid().into();
            metadata["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
            metadata["generation"] = 1.into();
        }
        self.version += 1;
        value["metadata"]["resourceVersion"] = self.version.to_string().into();
        let value = Arc::new(value);
        let objects = self.objects.entry(plural).or_default();
        if let Some(stored) = objects.get_mut(name) {
            stored.value = Arc::clone(&value);
        } else {
            let stored = Stored {
                value: Arc::clone(&value),
                applied: BTreeMap::new(),
            };
            objects.insert(name.to_owned(), stored);
        }
        self.record(plural, name, &value, false);
        value
    }

    /// Changes an object, if it is there.
    pub fn edit(&mut self, plural: &'static str, name: &str, change: impl FnOnce(&mut Value)) {
        if let Some(before) = self.get(plural, name) {
            let mut value = Value::clone(before);
            change(&mut value);
            self.put(plural, name, value);
        }
    }

    /// Takes an object away.
    pub fn remove(&mut self, plural: &'static str, name: &str) -> Option<Arc<Value>> {
        let stored = self.objects.get_mut(plural)?.remove(name)?;
        self.version += 1;
        let mut last = Value::clone(&stored.value);
        last["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.record(plural, name, &Arc::new(last), true);
        Some(stored.value)
    }

    fn record(&mut self, plural: &'static str, name: &str, value: &Arc<Value>, gone: bool) {
        self.history.entry(plural).or_default().push(Change {
            name: name.to_owned(),
            value: Arc::clone(value),
            gone,
        });
    }

    /// Applies once more what a manager applied last, but for a change.
    pub fn apply_changed(
        &mut self,
        plural: &'static str,
        name: &str,
        manager: &str,
        change: impl FnOnce(&mut Value),
    ) {
        let stored = self.objects.get(plural).and_then(|kind| kind.get(name));
        let applied = stored.and_then(|stored| stored.applied.get(manager));
        if let Some(mut wanted) = applied.cloned() {
            change(&mut wanted);
            self.apply(plural, name, manager, wanted);
        }
    }

    /// Applies what a manager wants of an object on the server's side, over whatever others wrote:
    /// what it applied before and does not any more goes.
    pub fn apply(
        &mut self,
        plural: &'static str,
        name: &str,
        manager: &str,
        mut wanted: Value,
    ) -> Arc<Value> {
        let mut value = self.get(plural, name).map(|v| Value::clone(v));
        if let Some(metadata) = wanted["metadata"].as_object_mut() {
            for field in ["resourceVersion", "uid", "generation", "creationTimestamp"] {
                metadata.remove(field);
            }
        }
        let objects = self.objects.entry(plural).or_default();
        let before = objects
            .get(name)
            .and_then(|stored| stored.applied.get(manager));
        let value = match (&mut value, before) {
            (Some(value), before) => {
                if let Some(before) = before {
                    take_left(value, before, &wanted);
                }
                merge(value, &wanted);
                value.take()
            }
            (None, _) => wanted.clone(),
        };
        let after = self.put(plural, name, value);
        let stored = self.objects.entry(plural).or_default().get_mut(name);
        if let Some(stored) = stored {
            stored.applied.insert(manager.to_owned(), wanted);
        }
        after
    }
}

/// Merges objects field by field; all else takes the place of what was there. Null takes away.
pub fn merge(value: &mut Value, wanted: &Value) {
    let Value::Object(fields) = wanted else {
        *value = wanted.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (name, field) in fields {
        if field.is_null() {
            if let Some(fields) = value.as_object_mut() {
                fields.remove(name);
            }
        } else {
            merge(&mut value[name.as_str()], field);
        }
    }
}

/// Takes away what was applied before and is not wanted now.
fn take_left(value: &mut Value, before: &Value, wanted: &Value) {
    let (Value::Object(before), Some(fields)) = (before, value.as_object_mut()) else {
        return;
    };
    for (name, field) in before {
        match wanted.get(name) {
            None => {
                fields.remove(name);
            }
            Some(wanted) => {
                if let Some(value) = fields.get_mut(name) {
                    take_left(value, field, wanted);
                }
            }
        }
    }
}
