//! The wish: a resource that was judged, with everything that follows from it and its identity.
//! Nothing that comes after asks whether a field is there or makes sense.

mod addresses;
mod settings;
mod spread;

use std::collections::{BTreeMap, BTreeSet};

use holdfast_api::validate::{validate_cluster, validate_zones};
use holdfast_api::{
    BrokerMode, MessageCluster, MessageClusterSpec, Storage, quantity_bytes, zone_label,
};
use k8s_openapi::api::core::v1::ResourceRequirements;

pub(crate) use addresses::Addresses;
pub(crate) use spread::even_shares;

use crate::build::{configuration, names};
use crate::planted::Planted;
use crate::{Finding, Identity, SetView, ZoneRange};

/// A zone of a valid cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidZone {
    /// Its name: the value of the nodes' label.
    pub name: String,
    /// Its name as a part of names, a DNS label.
    pub label: String,
    /// Its first broker id.
    pub first_id: i32,
    /// How many brokers it shall have.
    pub replicas: i32,
    /// Their disks.
    pub storage: Storage,
    /// The size of their disks.
    pub storage_bytes: u64,
    /// Their CPU and memory.
    pub resources: Option<ResourceRequirements>,
    /// Labels that their nodes must have, all but the zone's own.
    pub node_selector: BTreeMap<String, String>,
}

/// Every name of a broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BrokerName {
    /// Its id.
    pub id: i32,
    /// Its zone.
    pub zone: String,
    /// Its pod.
    pub pod: String,
    /// Its StatefulSet.
    pub set: String,
    /// The claim of its volume.
    pub claim: String,
    /// The name of its pod for others, in DNS.
    pub host: String,
}

/// A cluster as it shall be.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidCluster {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The uid of its resource.
    pub uid: String,
    /// The generation of its resource.
    pub generation: i64,
    /// What its resource says.
    pub spec: MessageClusterSpec,
    /// What it is for ever.
    pub identity: Identity,
    /// Its zones, in the identity's order. One that is not used (any more) is here with no replicas,
    /// because it may have a set.
    pub zones: Vec<ValidZone>,
    /// The version that its brokers shall run.
    pub version: String,
    /// Settings in the brokers' files, beside those that the operator owns.
    pub static_settings: BTreeMap<String, String>,
    /// Settings that are changed while the brokers run.
    pub dynamic_settings: BTreeMap<String, String>,
    /// Brokers that shall be parked.
    pub parked: BTreeSet<i32>,
    /// The bug planted in what is made of it.
    pub planted: Planted,
}

impl ValidCluster {
    /// Judges a resource. `check` reads a whole `broker.properties` as a broker would. A zone that the
    /// identity does not have yet (see [`extended`](crate::extended)) has its share of the brokers and
    /// is left out.
    pub fn new(
        resource: &MessageCluster,
        identity: &Identity,
        check: &dyn Fn(&str) -> Result<(), String>,
    ) -> Result<Self, Vec<Finding>> {
        let problems = problems(resource, identity);
        if !problems.is_empty() {
            return Err(problems.into_iter().map(invalid).collect());
        }
        let spec = resource.spec.clone();
        let shares = even_shares(&spec, &identity.zones);
        let split = settings::split(&spec, spec.replicas);
        let zones = identity.zones.iter();
        let parked = spec.brokers.iter();
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let cluster = Self {
            namespace: text(&resource.metadata.namespace),
            name: text(&resource.metadata.name),
            uid: text(&resource.metadata.uid),
            generation: resource.metadata.generation.unwrap_or_default(),
            identity: identity.clone(),
            zones: zones.map(|zone| valid_zone(&spec, zone, &shares)).collect(),
            version: spec
                .version
                .clone()
                .unwrap_or_else(|| identity.version.clone()),
            static_settings: split.in_files,
            dynamic_settings: split.dynamic,
            parked: parked
                .filter(|broker| broker.mode == BrokerMode::Parked)
                .map(|broker| broker.id)
                .collect(),
            planted: Planted::None,
            spec,
        };
        let refused = cluster
            .zones
            .iter()
            .find_map(|zone| check(&configuration::sample(&cluster, zone)).err());
        match refused {
            None => Ok(cluster),
            Some(reason) => Err(vec![invalid(format!(
                "spec.settings, spec.listeners: a broker would refuse its configuration: {reason}"
            ))]),
        }
    }

    /// The same cluster with no zone smaller than its set: what brokers need stays while they are
    /// there, whatever the resource says. Zones without brokers and without a set go.
    #[must_use]
    pub fn keeping(mut self, sets: &BTreeMap<String, SetView>) -> Self {
        let addresses = self.addresses();
        self.zones.retain_mut(|zone| {
            let set = sets.get(&addresses.set(&zone.name));
            zone.replicas = zone.replicas.max(set.map_or(0, |set| set.replicas));
            zone.replicas > 0 || set.is_some()
        });
        let kept: i32 = self.zones.iter().map(|zone| zone.replicas).sum();
        if kept > self.spec.replicas {
            // What is safe for fewer brokers holds once they are fewer.
            let split = settings::split(&self.spec, kept);
            self.static_settings = split.in_files;
            self.dynamic_settings = split.dynamic;
        }
        self
    }

    /// Its brokers, by zone and id.
    pub fn brokers(&self) -> Vec<BrokerName> {
        let addresses = self.addresses();
        let ids = |zone: &ValidZone| zone.first_id..zone.first_id + zone.replicas;
        self.zones
            .iter()
            .flat_map(|zone| ids(zone).map(|id| addresses.broker(&zone.name, id)))
            .collect()
    }

    /// One of its brokers.
    pub fn broker(&self, id: i32) -> Option<BrokerName> {
        let zone = self.zone_of(id)?;
        Some(self.addresses().broker(&zone.name, id))
    }

    /// The zone that has a broker.
    pub fn zone_of(&self, id: i32) -> Option<&ValidZone> {
        self.zones
            .iter()
            .find(|zone| (zone.first_id..zone.first_id + zone.replicas).contains(&id))
    }

    /// The name of a zone's StatefulSet.
    pub fn set_name(&self, zone: &ValidZone) -> String {
        self.addresses().set(&zone.name)
    }

    /// What its brokers' names are made of.
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses::new(&self.namespace, &self.name)
    }
}

fn invalid(message: String) -> Finding {
    Finding {
        reason: "InvalidSpec",
        message,
        stalled: true,
    }
}

/// Everything that can be judged without a broker's eyes.
fn problems(resource: &MessageCluster, identity: &Identity) -> Vec<String> {
    let spec = &resource.spec;
    let mut found = Vec::new();
    let judged = validate_cluster(resource).err().unwrap_or_default();
    found.extend(judged.iter().map(ToString::to_string));
    let cluster = resource.metadata.name.as_deref().unwrap_or_default();
    let known: BTreeSet<&str> = spec.zones.iter().map(|zone| zone.name.as_str()).collect();
    let past = identity.zones.iter().map(|zone| zone.name.as_str());
    let others = past.filter(|name| !known.contains(name));
    let all: Vec<&str> = known.iter().copied().chain(others).collect();
    if let Err(clash) = validate_zones(cluster, &all)
        && judged.is_empty()
    {
        found.extend(clash.into_iter().map(|problem| {
            let message = problem.message;
            format!("spec.zones, with those that the cluster had before: {message}")
        }));
    }
    found.extend(settings::problems(spec));
    found.extend(names::problems(cluster, spec));
    found
}

fn valid_zone(
    spec: &MessageClusterSpec,
    range: &ZoneRange,
    shares: &BTreeMap<String, i32>,
) -> ValidZone {
    let own = spec.zones.iter().find(|zone| zone.name == range.name);
    let storage = own.and_then(|zone| zone.storage.clone());
    let storage = storage.unwrap_or_else(|| spec.storage.clone());
    let resources = own.and_then(|zone| zone.resources.clone());
    let mut node_selector = spec.pod.node_selector.clone();
    node_selector.extend(
        own.map(|zone| zone.node_selector.clone())
            .unwrap_or_default(),
    );
    ValidZone {
        name: range.name.clone(),
        label: zone_label(&range.name),
        first_id: range.first_id,
        replicas: shares.get(&range.name).copied().unwrap_or(0),
        storage_bytes: quantity_bytes(&storage.size).unwrap_or(0),
        storage,
        resources: resources.or_else(|| spec.resources.clone()),
        node_selector,
    }
}

#[cfg(test)]
mod tests;
