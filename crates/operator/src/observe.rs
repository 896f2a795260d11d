//! What there is: read from the caches, the Secrets and the brokers.

mod brokers;
mod certificates;
mod child;
mod claim;
mod node;
mod pod;
mod process;
mod rows;
mod storage_class;

use std::collections::BTreeMap;

use holdfast_api::MessageCluster;
use holdfast_planner::planted::Planted;
use holdfast_planner::seen::{self, BREAK_GLASS};
use holdfast_planner::{ClaimView, Identity, ObjectKey, Observed, PermitView};
use kube::core::ObjectMeta;
use serde_json::Value;

use crate::admin::{Access, Door};
use crate::cache::ClusterKey;
use crate::context::Context;
use crate::error::Error;
use crate::identity_map;
use crate::kinds::{CONFIG_MAP, KINDS, SERVICE, STATEFUL_SET};
use crate::watch::Caches;

pub(crate) use certificates::{Secrets, read as read_secrets};
pub(crate) use child::row as child_row;
pub(crate) use claim::{ClaimRow, row as claim_row, volume_row};
pub(crate) use node::{NodeRow, row as node_row};
pub(crate) use pod::{PodRow, row as pod_row};
pub(crate) use storage_class::row as storage_class_row;

/// One look.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) observed: Observed,
    /// The broker that acts are asked of.
    pub(crate) door: Option<Door>,
}

/// Looks at everything that is about a cluster.
///
/// # Errors
/// What must be known before anything is decided cannot be read.
pub(crate) async fn look(
    context: &Context,
    key: &ClusterKey,
    resource: &MessageCluster,
) -> Result<Look, Error> {
    let mut observed = cached(&context.caches, key, resource)?;
    observed.fresh_cluster_id = context.outside.fresh_cluster_id().to_string();
    let access = certificates::look(context, key, resource, &mut observed).await?;
    let door = match access {
        Some(access) => ask(context, key, &access, &mut observed).await,
        None => None,
    };
    Ok(Look { observed, door })
}

/// The cluster id that a person typed to have brokers restarted without a permit.
pub(crate) fn broken_glass(metadata: &ObjectMeta) -> Option<&String> {
    metadata.annotations.as_ref()?.get(BREAK_GLASS)
}

/// What the caches know.
fn cached(caches: &Caches, key: &ClusterKey, resource: &MessageCluster) -> Result<Observed, Error> {
    let children = children(caches, key)?;
    let topology_key = &resource.spec.topology_key;
    let nowhere = ClusterKey::default();
    let nodes = caches.nodes.of(&nowhere).into_iter();
    let pods = caches.pods.of(key).into_values();
    let status = resource.status.as_ref();
    Ok(Observed {
        identity: identity(&children, key)?,
        nodes: nodes
            .map(|(name, node)| (name, node.view(topology_key)))
            .collect(),
        claims: claims(caches, key),
        pods: pods.map(|pod| (pod.view.broker, pod.view)).collect(),
        sets: views(&children, STATEFUL_SET, seen::set),
        services: views(&children, SERVICE, seen::service),
        storage_classes: caches.storage_classes.of(&nowhere),
        children,
        managed_settings: status
            .map(|status| status.managed_settings.iter().cloned().collect())
            .unwrap_or_default(),
        plan: status.and_then(|status| status.plan.clone()),
        break_glass: broken_glass(&resource.metadata).cloned(),
        ..Observed::default()
    })
}

fn children(caches: &Caches, key: &ClusterKey) -> Result<BTreeMap<ObjectKey, Value>, Error> {
    let mut children = BTreeMap::new();
    for kind in KINDS {
        for (name, text) in caches.children(kind).of(key) {
            let value = serde_json::from_str(&text)
                .map_err(|error| Error::unreadable(&format!("{} {name}", kind.name), &error))?;
            let kind = kind.name.to_owned();
            children.insert(ObjectKey { kind, name }, value);
        }
    }
    Ok(children)
}

fn identity(
    children: &BTreeMap<ObjectKey, Value>,
    cluster: &ClusterKey,
) -> Result<Option<Identity>, Error> {
    let name = identity_map::name(&cluster.name);
    let kind = CONFIG_MAP.to_owned();
    let key = ObjectKey { kind, name };
    let map = children.get(&key);
    map.map(|map| identity_map::read(&key.name, map))
        .transpose()
}

fn claims(caches: &Caches, key: &ClusterKey) -> BTreeMap<String, ClaimView> {
    let nowhere = ClusterKey::default();
    let node = |volume: String| caches.volumes.get(&nowhere, &volume);
    let claims = caches.claims.of(key).into_iter();
    claims
        .map(|(name, claim)| {
            let node = claim.volume.and_then(node);
            (name, ClaimView { node, ..claim.view })
        })
        .collect()
}

fn views<V>(
    children: &BTreeMap<ObjectKey, Value>,
    kind: &str,
    view: impl Fn(&Value) -> V,
) -> BTreeMap<String, V> {
    let of_kind = children.iter().filter(|(key, _)| key.kind == kind);
    of_kind
        .map(|(key, value)| (key.name.clone(), view(value)))
        .collect()
}

/// Asks every pod that runs, and then the cluster.
async fn ask(
    context: &Context,
    key: &ClusterKey,
    access: &Access,
    observed: &mut Observed,
) -> Option<Door> {
    let pods = context.caches.pods.of(key).into_values();
    let pods: Vec<PodRow> = pods.filter(brokers::can_be_asked).collect();
    observed.asked = !pods.is_empty();
    let remembered = context.remembered(key);
    let answers = brokers::processes(access, &pods, remembered.door.as_ref()).await;
    let doors = brokers::in_order(
        &answers,
        remembered.door.as_ref().map(|(_, door)| door.broker),
    );
    let found = brokers::cluster(doors).await;
    for answer in answers {
        observed.processes.insert(answer.door.broker, answer.view);
    }
    let door = match found {
        Some((door, reply)) => {
            let mut view = process::cluster(reply, remembered.refused);
            let forgotten = |permit: &&mut PermitView| Some(permit.id) != remembered.permit;
            if context.planted == Planted::PermitKnownByMemory
                && let Some(permit) = view.permit.as_mut().filter(forgotten)
            {
                "somebody".clone_into(&mut permit.holder);
            }
            observed.cluster = Some(view);
            Some(door)
        }
        None => None,
    };
    let address = |door: &Door| {
        let pod = pods.iter().find(|pod| pod.view.broker == door.broker);
        pod.and_then(|pod| pod.address.clone())
    };
    let kept = door.clone().and_then(|door| Some((address(&door)?, door)));
    context.remember(key, |memory| memory.door = kept);
    door
}
