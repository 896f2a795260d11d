//! A node that takes no new pods is being drained: its brokers leave before anybody evicts them. The
//! disruption budget allows no eviction, so that only this way is left.

use std::collections::{BTreeMap, BTreeSet};

use super::permit::Round;
use super::roll::stop;
use super::steps::{named, step};
use super::{Look, Work};
use crate::{Act, PermitPurpose, PodPhase, StepKind, Urgency};

/// One step for each node. It is upkeep: whoever drains a node has decided already.
pub(super) fn works(look: &Look<'_>) -> Vec<Work> {
    let mut by_node: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for name in &look.names {
        let running = |phase| phase == PodPhase::Running;
        let pod = look
            .pod(name.id)
            .filter(|pod| running(pod.phase) && !pod.deleting);
        let Some(node) = pod.and_then(|pod| pod.node.as_deref()) else {
            continue;
        };
        let seen = look.observed.nodes.get(node);
        if seen.is_some_and(|node| !node.schedulable && !node.out_of_service) {
            by_node.entry(node).or_default().push(name.id);
        }
    }
    by_node
        .into_iter()
        .map(|(node, brokers)| leaving(look, node, &brokers))
        .collect()
}

fn leaving(look: &Look<'_>, node: &str, brokers: &[i32]) -> Work {
    let claims = &look.observed.claims;
    let bound = look.names.iter().any(|name| {
        let claim = claims
            .get(&name.claim)
            .filter(|_| brokers.contains(&name.id));
        claim.is_some_and(|claim| claim.node.as_deref() == Some(node))
    });
    let risk = if bound {
        "a volume cannot leave the node: its broker waits until the node takes pods again"
    } else {
        "the brokers start on other nodes of their zone"
    };
    let step = step(
        StepKind::LeaveNode,
        format!("node {node}"),
        "",
        Urgency::Upkeep,
    )
    .because(format!(
        "it takes no new pods, and {} run on it",
        named(brokers)
    ))
    .risking(risk)
    .restarting(brokers.to_vec());
    let mut work = Work::new(step);
    let reason = format!("node {node} is being drained");
    let mut zones: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    let mut acts: Vec<Act> = Vec::new();
    for id in brokers {
        let Some(zone) = look.zone_of(*id).filter(|zone| zone.replaces_pods()) else {
            continue;
        };
        if look.is_down(*id) {
            acts.extend(stop(look, *id, &reason));
        } else {
            zones.entry(&zone.zone.name).or_default().insert(*id);
        }
    }
    work.permits = zones.len();
    work.rounds = zones
        .into_values()
        .map(|brokers| Round {
            brokers,
            purpose: PermitPurpose::Park,
            reason: reason.clone(),
        })
        .collect();
    work.acting(acts)
}
