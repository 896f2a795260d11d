//! Children that are no longer wanted.

use std::collections::BTreeSet;

use serde_json::Value;

use super::children;
use crate::{ObjectKey, Observed, ValidCluster};

/// Services of listeners and brokers that are no more, and the policy once it is switched off. Only
/// what this resource owns: its uid is in the owner reference. Everything else of ours goes with the
/// resource, or never.
pub fn unwanted(cluster: &ValidCluster, observed: &Observed) -> Vec<(ObjectKey, String)> {
    // A broker that is still there keeps its Services, whatever the resource says.
    let cluster = cluster.clone().keeping(&observed.sets);
    let wanted: BTreeSet<ObjectKey> = children(&cluster, &observed.services)
        .into_iter()
        .map(|object| object.key)
        .collect();
    observed
        .children
        .iter()
        .filter(|(key, _)| matches!(key.kind.as_str(), "NetworkPolicy" | "Service"))
        .filter(|(key, live)| !wanted.contains(*key) && is_owned(live, &cluster.uid))
        .filter_map(|(key, live)| {
            let uid = live["metadata"]["uid"].as_str()?;
            Some((key.clone(), uid.to_owned()))
        })
        .collect()
}

fn is_owned(live: &Value, uid: &str) -> bool {
    let owners = live["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
}
