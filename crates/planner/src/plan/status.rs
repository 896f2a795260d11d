//! What the status says about the cluster.

use std::collections::BTreeSet;

use holdfast_api::{
    BrokerState, BrokerStatus, ClusterPlan, ListenerType, MessageCluster, MessageClusterStatus,
    ZoneStatus,
};

use super::Look;
use super::identity::Standing;
use super::settings;
use super::steps::bounded;
use crate::build::{cluster_selector, names};
use crate::{ClusterView, Finding, Identity, Lifecycle, Observed, PodPhase, ValidCluster};

/// The status, without conditions: those need the time.
pub(super) fn status(
    look: &Look<'_>,
    standing: &Standing,
    plan: &ClusterPlan,
    findings: &[Finding],
) -> MessageClusterStatus {
    let cluster = look.cluster;
    let brokers: Vec<BrokerStatus> = look
        .names
        .iter()
        .map(|name| broker(look, name.id, &name.zone, findings))
        .collect();
    let serving = |zone: &str| {
        let mut ids = look
            .names
            .iter()
            .filter(|name| name.zone == zone)
            .map(|name| name.id);
        count(ids.by_ref().filter(|id| look.serves(*id)).count())
    };
    let zones: Vec<ZoneStatus> = cluster
        .zones
        .iter()
        .map(|zone| ZoneStatus {
            name: zone.name.clone(),
            first_id: zone.first_id,
            replicas: zone.replicas,
            serving: serving(&zone.name),
        })
        .collect();
    let ready = zones.iter().map(|zone| zone.serving).sum();
    let replicas = count(look.names.len());
    let written = standing.written.as_ref();
    MessageClusterStatus {
        observed_generation: Some(cluster.generation),
        conditions: Vec::new(),
        cluster_id: written.map(|identity| identity.cluster_id.clone()),
        formed: written.is_some_and(|identity| identity.formed),
        replicas,
        ready_replicas: ready,
        selector: Some(cluster_selector(&cluster.name)),
        serving: Some(format!("{ready}/{replicas}")),
        safety: Some(bounded(&safety(look.view, written), 512)),
        version: Some(bounded(&versions(look), 256)),
        feature_level: look.view.map(|view| i64::from(view.feature_level)),
        controller: look.view.and_then(|view| view.controller),
        bootstrap: bootstrap(cluster),
        zones,
        brokers,
        managed_settings: settings::managed(look),
        unmanaged_settings: settings::unmanaged(look),
        plan: Some(plan.clone()),
        acts: Vec::new(),
    }
}

/// The status where the resource cannot be read: what is known without it.
pub(super) fn unread(
    resource: &MessageCluster,
    observed: &Observed,
    plan: &ClusterPlan,
) -> MessageClusterStatus {
    let identity = observed.identity.as_ref();
    let view = observed.cluster.as_ref().filter(|view| {
        identity.is_some_and(|i| i.cluster_id == view.cluster_id) && view.controller.is_some()
    });
    let serves = |id: &&i32| match view {
        Some(view) => view
            .brokers
            .get(id)
            .is_some_and(|b| !b.fenced && !b.stopping),
        None => observed
            .processes
            .get(id)
            .is_some_and(|p| p.lifecycle == Lifecycle::Serving),
    };
    let ready = count(observed.pods.keys().filter(serves).count());
    let replicas = count(observed.pods.len());
    let name = resource.metadata.name.as_deref().unwrap_or_default();
    MessageClusterStatus {
        observed_generation: resource.metadata.generation,
        cluster_id: identity.map(|identity| identity.cluster_id.clone()),
        formed: identity.is_some_and(|identity| identity.formed),
        replicas,
        ready_replicas: ready,
        selector: Some(cluster_selector(name)),
        serving: Some(format!("{ready}/{replicas}")),
        safety: Some(bounded(&safety(view, identity), 512)),
        feature_level: view.map(|view| i64::from(view.feature_level)),
        controller: view.and_then(|view| view.controller),
        managed_settings: observed.managed_settings.iter().cloned().collect(),
        plan: Some(plan.clone()),
        ..MessageClusterStatus::default()
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The version that the brokers run; several while they change.
fn versions(look: &Look<'_>) -> String {
    let running: BTreeSet<&str> = look
        .names
        .iter()
        .filter_map(|name| look.process(name.id))
        .map(|process| process.version.as_str())
        .filter(|version| !version.is_empty())
        .collect();
    if running.is_empty() {
        return look.cluster.version.clone();
    }
    running.into_iter().collect::<Vec<&str>>().join(" and ")
}

/// Where clients in the Kubernetes cluster begin.
fn bootstrap(cluster: &ValidCluster) -> Option<String> {
    let listeners = &cluster.spec.listeners;
    let internal = listeners.iter().find(|l| l.kind == ListenerType::Internal);
    let listener = internal.or_else(|| listeners.first())?;
    let service = names::bootstrap(&cluster.name, listeners, listener);
    Some(format!(
        "{service}.{}.svc:{}",
        cluster.namespace, listener.port
    ))
}

/// How a broker is.
fn broker(look: &Look<'_>, id: i32, zone: &str, findings: &[Finding]) -> BrokerStatus {
    let (state, detail) = state(look, id, findings);
    let process = look.process(id);
    let said = process
        .map(|process| process.detail.clone())
        .filter(|text| !text.is_empty());
    let trouble = look.pod(id).and_then(|pod| pod.trouble.clone());
    let detail = match state {
        BrokerState::InSync => detail,
        _ => detail.or(trouble).or(said),
    };
    BrokerStatus {
        id,
        zone: zone.to_owned(),
        state,
        node: look.pod(id).and_then(|pod| pod.node.clone()),
        version: process
            .map(|p| p.version.clone())
            .filter(|version| !version.is_empty()),
        incarnation: process
            .map(|p| p.incarnation.clone())
            .filter(|text| !text.is_empty()),
        detail: detail.map(|text| bounded(&text, 512)),
    }
}

fn state(look: &Look<'_>, id: i32, findings: &[Finding]) -> (BrokerState, Option<String>) {
    let Some(pod) = look.pod(id) else {
        return (BrokerState::Absent, Some("it has no pod".to_owned()));
    };
    if pod.deleting || pod.phase != PodPhase::Running {
        return match &pod.trouble {
            Some(trouble) => (BrokerState::NeedsAttention, Some(trouble.clone())),
            None => (BrokerState::Absent, Some("its pod does not run".to_owned())),
        };
    }
    let in_sync = look
        .known(id)
        .filter(|broker| !broker.fenced && !broker.stopping);
    // A controller that lost most voters cannot fence who is silent.
    let decides = look.view.is_some_and(ClusterView::decides);
    let in_sync = in_sync.filter(|_| decides || look.lifecycle(id).is_some());
    let synced = in_sync.is_some_and(|broker| broker.in_sync == broker.replicas);
    match look.lifecycle(id) {
        Some(Lifecycle::Parked) => (BrokerState::Parked, None),
        Some(Lifecycle::Replaced) => (
            BrokerState::NeedsAttention,
            Some("another process or disk has its place".to_owned()),
        ),
        Some(Lifecycle::WaitingForAdmission) => {
            let about = format!("broker {id} has another disk");
            let replaced = findings.iter().find(|f| f.message.starts_with(&about));
            match replaced {
                Some(finding) => (BrokerState::NeedsAttention, Some(finding.message.clone())),
                None => (BrokerState::Joining, None),
            }
        }
        Some(Lifecycle::Forming | Lifecycle::Registering) => (BrokerState::Joining, None),
        _ if in_sync.is_some() && synced => (BrokerState::InSync, None),
        Some(Lifecycle::Fenced | Lifecycle::Serving) => (BrokerState::CatchingUp, None),
        None if in_sync.is_some() => (BrokerState::CatchingUp, None),
        None if look.fails(id) => {
            let starts = pod.restarts;
            let said = format!("its process does not answer, after {starts} restarts in this pod");
            (BrokerState::NeedsAttention, Some(said))
        }
        None => (
            BrokerState::Joining,
            Some("its process does not answer yet".to_owned()),
        ),
    }
}

/// Whether one more broker may be lost without an outage, and if not, why.
fn safety(view: Option<&ClusterView>, identity: Option<&Identity>) -> String {
    if !identity.is_some_and(|identity| identity.formed) {
        return "unknown: the brokers are not one cluster yet".to_owned();
    }
    let Some(view) = view else {
        return "no: no controller answers".to_owned();
    };
    let counts = &view.partitions;
    let example = counts
        .example
        .as_deref()
        .map(|name| format!(", as {name}"))
        .unwrap_or_default();
    if counts.offline > 0 {
        return format!("no: {} partitions have no leader{example}", counts.offline);
    }
    if counts.below_min > 0 {
        return format!(
            "no: {} partitions refuse to be written{example}",
            counts.below_min
        );
    }
    if counts.at_min > 0 {
        return format!(
            "no: {} partitions would refuse to be written{example}",
            counts.at_min
        );
    }
    let (answering, voters) = view.voters();
    if voters > 0 && answering.saturating_sub(1) < voters / 2 + 1 {
        return format!("no: {answering} of {voters} voters answer, and most must");
    }
    "yes".to_owned()
}
