//! What Kubernetes does by itself with sets and owners: the StatefulSet controller and the garbage
//! collector.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::store::{CLUSTER, NAMESPACE};
use crate::world::World;

/// The revision of a template: another one for every template that was ever written.
fn revision(set: &str, template: &Value) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in template.to_string().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{set}-{hash:016x}")
}

fn owner(set: &Value) -> Value {
    json!([{
        "apiVersion": "apps/v1", "kind": "StatefulSet", "controller": true,
        "name": set["metadata"]["name"], "uid": set["metadata"]["uid"],
    }])
}

impl World {
    /// The StatefulSet controller looks at each set: `OnDelete`, all pods at once.
    pub fn tend_sets(&mut self) {
        for (name, set) in self.store.all("statefulsets") {
            let generation = &set["metadata"]["generation"];
            let seen = set["status"]["observedGeneration"] == *generation;
            let newest = match set["status"]["updateRevision"].as_str() {
                Some(known) if seen => known.to_owned(),
                _ => revision(&name, &set["spec"]["template"]),
            };
            if !seen {
                let status = json!({ "observedGeneration": generation, "updateRevision": newest });
                self.store
                    .edit("statefulsets", &name, |set| set["status"] = status);
            }
            let first = set["spec"]["ordinals"]["start"].as_i64().unwrap_or(0);
            let wanted = set["spec"]["replicas"].as_i64().unwrap_or(1);
            for ordinal in first..first + wanted {
                self.tend_pod(&name, &set, &newest, ordinal);
            }
            self.condemn(&name, first + wanted);
        }
    }

    fn tend_pod(&mut self, set_name: &str, set: &Value, newest: &str, ordinal: i64) {
        let pod = format!("{set_name}-{ordinal}");
        if let Some(there) = self.store.get("pods", &pod) {
            let owned = there["metadata"]["ownerReferences"][0]["uid"].is_string();
            if !owned {
                let owner = owner(set);
                self.store.edit("pods", &pod, |pod| {
                    pod["metadata"]["ownerReferences"] = owner;
                });
            }
            return;
        }
        let claim = format!("data-{pod}");
        if self.store.get("persistentvolumeclaims", &claim).is_none() {
            let template = &set["spec"]["volumeClaimTemplates"][0];
            let mut labels = set["spec"]["selector"]["matchLabels"].clone();
            crate::store::merge(&mut labels, &template["metadata"]["labels"]);
            let value = json!({
                "metadata": {
                    "namespace": NAMESPACE, "labels": labels,
                    "annotations": template["metadata"]["annotations"],
                },
                "spec": template["spec"],
            });
            self.store.put("persistentvolumeclaims", &claim, value);
        }
        let template = &set["spec"]["template"];
        let mut labels = template["metadata"]["labels"].clone();
        labels["controller-revision-hash"] = newest.into();
        labels["apps.kubernetes.io/pod-index"] = ordinal.to_string().into();
        let container = &template["spec"]["containers"][0];
        let value = json!({
            "metadata": {
                "namespace": NAMESPACE, "labels": labels, "ownerReferences": owner(set),
            },
            "spec": {
                "nodeSelector": template["spec"]["nodeSelector"],
                "containers": [{ "name": container["name"], "image": container["image"] }],
            },
            "status": { "phase": "Pending" },
        });
        self.trace(|| format!("set {set_name} makes pod {pod} of {newest}"));
        self.store.put("pods", &pod, value);
    }

    /// Pods above the number of replicas go.
    fn condemn(&mut self, set: &str, end: i64) {
        for (name, pod) in self.store.all("pods") {
            let ordinal = name.strip_prefix(set).and_then(|rest| {
                let number: i64 = rest.strip_prefix('-')?.parse().ok()?;
                Some(number)
            });
            let deleting = pod["metadata"]["deletionTimestamp"].is_string();
            if ordinal.is_some_and(|ordinal| ordinal >= end) && !deleting {
                self.end_pod(&name);
            }
        }
    }

    /// The pods of a set that is deleted without them lose their owner.
    pub fn orphan_pods(&mut self, set: &Value) {
        let uid = &set["metadata"]["uid"];
        for (name, pod) in self.store.all("pods") {
            if pod["metadata"]["ownerReferences"][0]["uid"] == *uid {
                self.store.edit("pods", &name, |pod| {
                    if let Some(metadata) = pod["metadata"].as_object_mut() {
                        metadata.remove("ownerReferences");
                    }
                });
            }
        }
    }

    /// The garbage collector takes away what belongs to owners that are gone.
    pub fn collect_garbage(&mut self) {
        let mut owners = BTreeSet::new();
        for plural in ["messageclusters", "statefulsets"] {
            for (_, owner) in self.store.all(plural) {
                owners.insert(owner["metadata"]["uid"].clone().to_string());
            }
        }
        for plural in [
            "statefulsets",
            "pods",
            "services",
            "serviceaccounts",
            "configmaps",
            "secrets",
            "poddisruptionbudgets",
            "networkpolicies",
        ] {
            for (name, object) in self.store.all(plural) {
                let owner = &object["metadata"]["ownerReferences"][0]["uid"];
                if !owner.is_string() || owners.contains(&owner.to_string()) {
                    continue;
                }
                self.trace(|| format!("garbage: {plural} {name}"));
                if plural == "pods" {
                    self.end_pod(&name);
                    continue;
                }
                self.store.remove(plural, &name);
                let policy = &object["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"];
                if plural == "statefulsets" && *policy == "Delete" {
                    self.claims_go(&name);
                }
            }
        }
    }

    fn claims_go(&mut self, set: &str) {
        let prefix = format!("data-{set}-");
        for (name, _) in self.store.all("persistentvolumeclaims") {
            if name.starts_with(&prefix) {
                self.store.remove("persistentvolumeclaims", &name);
                let detail = format!("volume {name} went with its set");
                self.oracle.broken("NothingDestroyed", detail);
            }
        }
    }

    /// The digest of the files that a broker reads, and whether they park it.
    pub fn files_of(&self, broker: i32) -> Option<(String, bool)> {
        let file = |map: &str, file: &str| {
            let map = self.store.get("configmaps", &format!("{CLUSTER}-{map}"))?;
            Some(map["data"][file].as_str()?.to_owned())
        };
        let common = file("config", "broker.properties")?;
        let own = file("brokers", &format!("{broker}.properties"))?;
        let parked = own.contains("holdfast.parked=true");
        let bytes = format!("{common}\0{own}\0");
        Some((crate::digest(bytes.as_bytes()), parked))
    }
}
