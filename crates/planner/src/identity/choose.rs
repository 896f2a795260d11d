//! Chooses what a cluster is for ever, once, and lets it grow.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_api::validate::{validate_cluster, validate_zones};
use holdfast_api::{IDS_PER_ZONE, MessageCluster};
use holdfast_model::ClusterId;
use serde::Serialize;

use super::{Identity, ZoneRange};
use crate::valid::{Addresses, even_shares};
use crate::{Finding, NodeView};

/// The format of the formation document, as the brokers read it.
const FORMATION_VERSION: u32 = 1;

/// Most zones of a cluster, as `spec.zones` has them.
const MOST_ZONES: usize = 16;

/// The identity of a new cluster. Only a valid resource gets one, because it is for ever.
pub fn new_identity(
    resource: &MessageCluster,
    nodes: &BTreeMap<String, NodeView>,
    cluster_id: &str,
    operator_version: &str,
) -> Result<Identity, Finding> {
    validate_cluster(resource).map_err(|problems| {
        let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
        stalled("InvalidSpec", sentences.join("; "))
    })?;
    let names = zone_names(resource, nodes)?;
    let zones: Vec<ZoneRange> = (1..)
        .zip(names)
        .map(|(place, name)| ZoneRange {
            name,
            first_id: place * IDS_PER_ZONE,
        })
        .collect();
    let voters = voters(&zones, &even_shares(&resource.spec, &zones));
    let mut identity = Identity {
        cluster_id: cluster_id.to_owned(),
        zones,
        voters,
        formation: None,
        formed: false,
        version: operator_version.to_owned(),
    };
    identity.formation = Some(formation(&Addresses::of(resource), &identity)?);
    Ok(identity)
}

/// The identity with a range for every new zone of the resource; none if nothing changes.
pub fn extended(resource: &MessageCluster, identity: &Identity) -> Option<Identity> {
    let mut larger = identity.clone();
    for zone in &resource.spec.zones {
        if larger.zones.iter().any(|known| known.name == zone.name) {
            continue;
        }
        // After the highest, not into a gap: a range is never given twice.
        let highest = larger.zones.iter().map(|known| known.first_id).max();
        larger.zones.push(ZoneRange {
            name: zone.name.clone(),
            first_id: highest.unwrap_or(0) + IDS_PER_ZONE,
        });
    }
    (larger != *identity).then_some(larger)
}

/// The identity of a cluster that has been formed: nobody may be given its document any more.
pub fn formed(identity: &Identity) -> Identity {
    Identity {
        formation: None,
        formed: true,
        ..identity.clone()
    }
}

fn stalled(reason: &'static str, message: String) -> Finding {
    Finding {
        reason,
        message,
        stalled: true,
    }
}

/// The zones that the resource names, else those of the nodes that take pods, by name.
fn zone_names(
    resource: &MessageCluster,
    nodes: &BTreeMap<String, NodeView>,
) -> Result<Vec<String>, Finding> {
    let spec = &resource.spec;
    if !spec.zones.is_empty() {
        return Ok(spec.zones.iter().map(|zone| zone.name.clone()).collect());
    }
    let key = &spec.topology_key;
    let usable = |node: &&NodeView| node.schedulable && node.ready && !node.out_of_service;
    let found: BTreeSet<&str> = nodes
        .values()
        .filter(usable)
        .filter_map(|node| node.zone.as_deref())
        .filter(|zone| !zone.is_empty())
        .collect();
    if found.is_empty() {
        let message = format!(
            "no node that is ready and takes pods has the label {key}: label the nodes (kubectl \
             label node NAME {key}=ZONE), or create the resource with spec.topologyKey \
             kubernetes.io/hostname, by which every node is a zone"
        );
        return Err(stalled("NoZones", message));
    }
    if found.len() > MOST_ZONES {
        let message = format!(
            "the nodes have {} values of the label {key}, and a cluster has {MOST_ZONES} zones at \
             most: name those to use in spec.zones",
            found.len()
        );
        return Err(stalled("TooManyZones", message));
    }
    let names: Vec<&str> = found.into_iter().collect();
    let cluster = resource.metadata.name.as_deref().unwrap_or_default();
    validate_zones(cluster, &names).map_err(|problems| {
        let sentences: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
        let message = format!(
            "the zones {} of the nodes' label {key} cannot be used: {}; or name the zones to use in \
             spec.zones",
            names.join(", "),
            sentences.join("; ")
        );
        stalled("InvalidZones", message)
    })?;
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// How many brokers vote: five survive the loss of any two, and every commit waits for a majority, so
/// there are no more. Two zones have no majority without each other however many vote: three do.
fn voter_count(brokers: i32, zones: usize) -> usize {
    match brokers {
        ..=2 => 1,
        3 | 4 => 3,
        _ if zones == 2 => 3,
        _ => 5,
    }
}

/// The lowest brokers of each zone, one zone after the other.
fn voters(zones: &[ZoneRange], shares: &BTreeMap<String, i32>) -> Vec<i32> {
    let share = |zone: &ZoneRange| shares.get(&zone.name).copied().unwrap_or(0);
    let settled = zones.iter().filter(|zone| share(zone) > 0).count();
    let wanted = voter_count(shares.values().sum(), settled);
    let rounds = 0..shares.values().copied().max().unwrap_or(0);
    rounds
        .flat_map(|round| {
            let has_one = zones.iter().filter(move |zone| share(zone) > round);
            has_one.map(move |zone| zone.first_id + round)
        })
        .take(wanted)
        .collect()
}

#[derive(Serialize)]
struct Document {
    version: u32,
    cluster_id: String,
    voters: Vec<Voter>,
}

#[derive(Serialize)]
struct Voter {
    broker: i32,
    host: String,
    port: u16,
    zone: String,
}

fn formation(addresses: &Addresses, identity: &Identity) -> Result<String, Finding> {
    let voter = |id: &i32| {
        let zone = identity
            .zones
            .iter()
            .find(|zone| (zone.first_id..zone.first_id + IDS_PER_ZONE).contains(id))?;
        Some(Voter {
            broker: *id,
            host: addresses.host(&zone.name, *id),
            port: Addresses::RPC_PORT,
            zone: zone.name.clone(),
        })
    };
    let document = Document {
        version: FORMATION_VERSION,
        // In another notation it is left to the brokers, which refuse what they cannot read.
        cluster_id: uuid(&identity.cluster_id).unwrap_or_else(|| identity.cluster_id.clone()),
        voters: identity.voters.iter().filter_map(voter).collect(),
    };
    toml::to_string(&document).map_err(|error| {
        let message = format!("the formation document cannot be written: {error}");
        stalled("InvalidSpec", message)
    })
}

/// The id as the document writes it: brokers print 22 characters, and the document holds a UUID.
fn uuid(cluster_id: &str) -> Option<String> {
    let id: ClusterId = cluster_id.parse().ok()?;
    Some(id.0.to_string())
}

#[cfg(test)]
mod tests;
