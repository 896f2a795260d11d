//! Pods of nodes that are gone for certain, because a person says so: their brokers start nowhere else
//! before they are taken away. Those of a node whose object is missing are left to Kubernetes, which removes
//! them after a while: a kubelet that lives registers its node anew.

use super::steps::step;
use super::{Look, Work};
use crate::planted::Planted;
use crate::{Act, PodPhase, PodView, StepKind, Urgency};

/// Removes what is left of them.
pub(super) fn works(look: &Look<'_>) -> Vec<Work> {
    let policy = holdfast_api::LostPods::Replace;
    if look.cluster.spec.healing.lost_pods != policy {
        return Vec::new();
    }
    let lost = |pod: &&PodView| lost(look, pod);
    let pods = look.names.iter().filter_map(|name| look.pod(name.id));
    pods.filter(lost)
        .map(|pod| {
            let node = pod.node.as_deref().unwrap_or_default();
            let step = step(
                StepKind::RemoveLostPods,
                format!("pod {}", pod.name),
                "",
                Urgency::Upkeep,
            )
            .because(format!("node {node} is gone"))
            .risking("the broker starts elsewhere if its volume allows that");
            Work::new(step).acting(vec![Act::RemoveLostPod {
                name: pod.name.clone(),
                uid: pod.uid.clone(),
                broker: pod.broker,
            }])
        })
        .collect()
}

/// Nothing speaks for the pod any more: neither its node, nor its process, nor the controller.
fn lost(look: &Look<'_>, pod: &PodView) -> bool {
    let Some(node) = &pod.node else {
        return false;
    };
    let nodes = &look.observed.nodes;
    if look.cluster.planted == Planted::LostByTimeAlone {
        return !look.is_on_a_node(pod);
    }
    let gone = nodes.get(node).is_some_and(|node| node.out_of_service);
    gone && !pod.ready
        && pod.phase != PodPhase::Pending
        && !look.observed.processes.contains_key(&pod.broker)
        && look.known(pod.broker).is_none_or(|broker| broker.fenced)
}
