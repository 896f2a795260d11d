//! Fewer brokers than before: refused, because what the brokers that would go hold is not moved yet.
//! The cluster is then planned with the brokers that it has, as if they had been asked for.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_api::{MessageCluster, Zone};

use crate::{Finding, Observed, ValidCluster};

/// The cluster without its scale-in; the zones that are only kept for their brokers; and the refusal.
type Kept = (ValidCluster, BTreeSet<String>, Option<Finding>);

/// Puts the brokers back that would go.
pub(super) fn without(
    resource: &MessageCluster,
    asked: &ValidCluster,
    observed: &Observed,
    check: &dyn Fn(&str) -> Result<(), String>,
) -> Result<Kept, Vec<Finding>> {
    let there = there(asked, observed);
    let wanted: BTreeMap<&str, i32> = asked
        .zones
        .iter()
        .map(|zone| (zone.name.as_str(), zone.replicas))
        .collect();
    let want = |zone: &str| wanted.get(zone).copied().unwrap_or(0);
    let too_many = |(zone, count): (&String, &i32)| *count > want(zone);
    if !there.iter().any(too_many) {
        return Ok((asked.clone(), BTreeSet::new(), None));
    }
    // What is said about zones is gone with them: their brokers stay as they are.
    let named = &resource.spec.zones;
    let kept: BTreeSet<String> = there
        .keys()
        .filter(|zone| !named.is_empty() && named.iter().all(|n| n.name != **zone))
        .cloned()
        .collect();
    let finding = refusal(asked, observed, &there, &want);
    let effective = with_counts(resource, asked, observed, &there);
    let cluster = ValidCluster::new(&effective, &asked.identity, check)?;
    Ok((cluster, kept, Some(finding)))
}

/// How many brokers each zone has: by its set, and by pods and volumes that outlive a set.
fn there(asked: &ValidCluster, observed: &Observed) -> BTreeMap<String, i32> {
    let ours = &asked.identity.cluster_id;
    let claims = observed.claims.values().filter_map(|claim| {
        let foreign = claim.cluster_id.as_ref().is_some_and(|id| id != ours);
        (!foreign).then_some(claim.broker)
    });
    let ids: Vec<i32> = observed.pods.keys().copied().chain(claims).collect();
    let mut there = BTreeMap::new();
    for range in &asked.identity.zones {
        let sets = observed.sets.values().filter(|set| set.zone == range.name);
        let by_set = sets.map(|set| set.replicas).max().unwrap_or(0);
        let end = range.first_id.saturating_add(holdfast_api::IDS_PER_ZONE);
        let by_id = ids
            .iter()
            .filter(|id| (range.first_id..end).contains(*id))
            .map(|id| id - range.first_id + 1)
            .max()
            .unwrap_or(0);
        let count = by_set.max(by_id);
        if count > 0 {
            there.insert(range.name.clone(), count);
        }
    }
    there
}

/// The resource as if it had asked for the brokers that there are.
fn with_counts(
    resource: &MessageCluster,
    asked: &ValidCluster,
    observed: &Observed,
    there: &BTreeMap<String, i32>,
) -> MessageCluster {
    let mut effective = resource.clone();
    let mut zones = Vec::new();
    for zone in &asked.zones {
        let named = resource.spec.zones.iter().find(|z| z.name == zone.name);
        if named.is_none() && zone.replicas == 0 {
            continue;
        }
        let mut zone_spec = named.cloned().unwrap_or_else(|| Zone {
            name: zone.name.clone(),
            ..Zone::default()
        });
        let count = there.get(&zone.name).copied().unwrap_or(0);
        zone_spec.replicas = Some(zone.replicas.max(count));
        zones.push(zone_spec);
    }
    for (name, count) in there {
        if zones.iter().all(|zone| zone.name != *name) {
            let mut storage = resource.spec.storage.clone();
            if let Some(set) = observed.sets.values().find(|set| set.zone == *name) {
                storage.size.clone_from(&set.claim_size);
            }
            zones.push(Zone {
                name: name.clone(),
                replicas: Some(*count),
                storage: Some(storage),
                ..Zone::default()
            });
        }
    }
    effective.spec.replicas = zones.iter().filter_map(|zone| zone.replicas).sum();
    effective.spec.zones = zones;
    effective
}

/// Names the brokers that would go, and the ways out.
fn refusal(
    asked: &ValidCluster,
    observed: &Observed,
    there: &BTreeMap<String, i32>,
    want: &dyn Fn(&str) -> i32,
) -> Finding {
    let mut going = Vec::new();
    for range in &asked.identity.zones {
        let have = there.get(&range.name).copied().unwrap_or(0);
        going.extend((want(&range.name)..have).map(|ordinal| range.first_id + ordinal));
    }
    let held: u32 = observed
        .cluster
        .iter()
        .flat_map(|view| going.iter().filter_map(|id| view.brokers.get(id)))
        .map(|broker| broker.replicas)
        .sum();
    let all: i32 = asked
        .identity
        .zones
        .iter()
        .map(|range| {
            let have = there.get(&range.name).copied().unwrap_or(0);
            have.max(want(&range.name))
        })
        .sum();
    // Who could not ask the brokers does not know.
    let held = match held {
        0 => String::new(),
        held => format!(" and hold {held} replicas"),
    };
    Finding {
        reason: "ScaleInRefused",
        message: format!(
            "{} would go{held}; moving replicas comes with the next release: set replicas back to \
             {all} and name every zone that has brokers, or park them",
            super::steps::named(&going)
        ),
        stalled: true,
    }
}
