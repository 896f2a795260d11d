//! From the objects that a person got with kubectl to what is observed of one cluster.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_api::{CLUSTER_LABEL, MessageCluster};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{SeenNode, claim, identity, node_of_volume, pod, service, set, storage_class};
use crate::build::names;
use crate::{ObjectKey, Observed, StorageClassView};

/// The kinds that every cluster has children of, beside its pods and its NetworkPolicy.
const CHILDREN: [&str; 5] = [
    "ServiceAccount",
    "ConfigMap",
    "Service",
    "StatefulSet",
    "PodDisruptionBudget",
];

/// What is known of one cluster.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Its resource, if there is one.
    pub live: Option<MessageCluster>,
    /// What Kubernetes has of it; nothing of what brokers say (see [`believe`](super::believe)).
    pub observed: Observed,
    /// What was not there to be read and is assumed, a sentence for each.
    pub assumed: Vec<String>,
}

/// The command that gets all that a plan needs.
pub fn how_to_get(namespace: &str) -> String {
    format!(
        "kubectl --namespace {namespace} get messagecluster,statefulset,pod,persistentvolumeclaim,\
         configmap,service,serviceaccount,poddisruptionbudget,networkpolicy,node,persistentvolume,\
         storageclass --output json"
    )
}

/// Reads the objects: lists, or single ones. Those of other clusters, and kinds that say nothing about
/// one, are passed over.
///
/// # Errors
/// An object cannot be read, or the resource says that there are children of which none is there: a
/// plan that takes them for missing would be a wrong one.
pub fn state(
    cluster: (&str, &str),
    topology_key: &str,
    documents: &[Value],
) -> Result<State, String> {
    let mut reading = Reading {
        cluster,
        topology_key,
        state: State::default(),
        nodes_of_volumes: BTreeMap::new(),
        volumes: BTreeMap::new(),
    };
    for document in documents {
        match document["items"].as_array() {
            Some(items) => items.iter().try_for_each(|item| reading.take(item))?,
            None => reading.take(document)?,
        }
    }
    reading.finished()
}

struct Reading<'a> {
    /// Its namespace and its name.
    cluster: (&'a str, &'a str),
    topology_key: &'a str,
    state: State,
    /// The nodes of volumes that cannot leave theirs, by the volume's name.
    nodes_of_volumes: BTreeMap<String, String>,
    /// The volumes of claims.
    volumes: BTreeMap<String, String>,
}

impl Reading<'_> {
    fn take(&mut self, object: &Value) -> Result<(), String> {
        let kind = object["kind"].as_str().unwrap_or_default();
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default().to_owned();
        let observed = &mut self.state.observed;
        match kind {
            "Node" => {
                let view = SeenNode::new(typed(object)?).view(self.topology_key);
                observed.nodes.insert(name, view);
                return Ok(());
            }
            "StorageClass" => {
                let view = storage_class(&typed(object)?);
                observed.storage_classes.insert(name, view);
                return Ok(());
            }
            "PersistentVolume" => {
                let node = node_of_volume(typed(object)?);
                self.nodes_of_volumes.extend(node.map(|node| (name, node)));
                return Ok(());
            }
            _ => {}
        }
        if metadata["namespace"] != self.cluster.0 {
            return Ok(());
        }
        if kind == "MessageCluster" && name == self.cluster.1 {
            self.state.live = Some(typed(object)?);
        } else if metadata["labels"][CLUSTER_LABEL] == self.cluster.1 {
            self.belonging(kind, name, object)?;
        }
        Ok(())
    }

    /// What bears the label of the cluster.
    fn belonging(&mut self, kind: &str, name: String, object: &Value) -> Result<(), String> {
        let observed = &mut self.state.observed;
        match kind {
            "Pod" => {
                let view = pod(typed(object)?);
                observed.pods.extend(view.map(|view| (view.broker, view)));
            }
            "PersistentVolumeClaim" => {
                let volume = object["spec"]["volumeName"].as_str();
                let volume = volume.map(|volume| (name.clone(), volume.to_owned()));
                self.volumes.extend(volume);
                let view = claim(typed(object)?);
                observed.claims.extend(view.map(|view| (name, view)));
            }
            _ if CHILDREN.contains(&kind) || kind == "NetworkPolicy" => {
                let mut value = object.clone();
                if let Some(metadata) = value["metadata"].as_object_mut() {
                    metadata.remove("managedFields");
                }
                if kind == "StatefulSet" {
                    observed.sets.insert(name.clone(), set(&value));
                } else if kind == "Service" {
                    observed.services.insert(name.clone(), service(&value));
                }
                let kind = kind.to_owned();
                observed.children.insert(ObjectKey { kind, name }, value);
            }
            _ => {}
        }
        Ok(())
    }

    fn finished(mut self) -> Result<State, String> {
        let (_, name) = self.cluster;
        let key = ObjectKey {
            kind: "ConfigMap".to_owned(),
            name: names::identity(name),
        };
        let observed = &mut self.state.observed;
        if let Some(map) = observed.children.get(&key) {
            let read = identity(map).map_err(|why| format!("ConfigMap {}: {why}", key.name))?;
            observed.identity = Some(read);
        }
        for (claim, view) in &mut observed.claims {
            let volume = self.volumes.get(claim);
            view.node = volume.and_then(|volume| self.nodes_of_volumes.get(volume).cloned());
        }
        let status = self
            .state
            .live
            .as_ref()
            .and_then(|live| live.status.as_ref());
        observed.plan = status.and_then(|status| status.plan.clone());
        let managed = status
            .into_iter()
            .flat_map(|status| &status.managed_settings);
        observed.managed_settings = managed.cloned().collect();
        self.complete()?;
        self.assume_classes();
        Ok(self.state)
    }

    /// Whether all is there that the resource says there is.
    fn complete(&self) -> Result<(), String> {
        let (namespace, name) = self.cluster;
        let Some(live) = &self.state.live else {
            return Ok(());
        };
        let formed = live.status.as_ref().is_some_and(|status| status.formed);
        if !formed {
            return Ok(());
        }
        let observed = &self.state.observed;
        let there: BTreeSet<&str> = observed
            .children
            .keys()
            .map(|key| key.kind.as_str())
            .collect();
        let mut missing: Vec<&str> = CHILDREN
            .into_iter()
            .filter(|kind| !there.contains(kind))
            .collect();
        if observed.identity.is_none() && there.contains("ConfigMap") {
            missing.push("ConfigMap with its identity");
        }
        let wanted: i32 = observed.sets.values().map(|set| set.replicas).sum();
        if observed.pods.is_empty() && wanted > 0 {
            missing.push("Pod");
        }
        if observed.claims.is_empty() {
            missing.push("PersistentVolumeClaim");
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the state has {namespace}/{name}, but no {} of it: get it with `{}`",
            missing.join(", no "),
            how_to_get(namespace)
        ))
    }

    /// Without any storage class nobody knows which volumes may grow.
    fn assume_classes(&mut self) {
        let observed = &mut self.state.observed;
        if !observed.storage_classes.is_empty() {
            return;
        }
        let classes: BTreeSet<String> = observed
            .claims
            .values()
            .filter_map(|claim| claim.class.clone())
            .collect();
        if classes.is_empty() {
            return;
        }
        let assumed = format!(
            "the state has no StorageClass: the volumes of {} are taken for ones that may grow",
            classes.iter().cloned().collect::<Vec<_>>().join(", ")
        );
        self.state.assumed.push(assumed);
        let view = StorageClassView {
            expandable: true,
            is_default: false,
            waits_for_pod: true,
        };
        let classes = classes.into_iter().map(|class| (class, view.clone()));
        observed.storage_classes.extend(classes);
    }
}

fn typed<T: DeserializeOwned>(object: &Value) -> Result<T, String> {
    serde_json::from_value(object.clone()).map_err(|error| {
        let kind = object["kind"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        format!("{kind} {name} of the state cannot be read: {error}")
    })
}
