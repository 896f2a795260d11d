//! What brokers would say, for who cannot ask them: the status of the live resource is believed. What
//! it shows as done is taken for done, and what its plan still has open for not.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_api::{BrokerState, BrokerStatus, MessageCluster, MessageClusterStatus, StepState};

use super::State;
use crate::build::configuration::files_digest;
use crate::build::names;
use crate::{
    BrokerView, ClusterView, Identity, Lifecycle, ObjectKey, Observed, ProcessView,
    QuorumMemberView, StepKind, ValidCluster,
};

/// Stands for files that differ from every other: those of a broker that is still to restart.
const OLDER_FILES: &str = "older";

/// Completes a state with what its brokers would say. `check` is that of [`decide`](crate::decide).
pub fn believe(state: &mut State, check: &dyn Fn(&str) -> Result<(), String>) {
    let Some(live) = &state.live else {
        return;
    };
    let (Some(status), Some(identity)) = (&live.status, state.observed.identity.clone()) else {
        return;
    };
    if !status.formed {
        return;
    }
    let observed = &mut state.observed;
    observed.asked = !observed.pods.is_empty();
    observed.certified = observed.pods.keys().copied().collect();
    let waiting = open(status, StepKind::RollBrokers);
    observed.processes = status
        .brokers
        .iter()
        .filter_map(|broker| process(observed, &live_name(live), &identity, broker, &waiting))
        .map(|process| (process.broker, process))
        .collect();
    let Some(controller) = status.controller else {
        let assumed = "the status names no controller: what needs one is left out";
        state.assumed.push(assumed.to_owned());
        return;
    };
    let settings_are_open = !open(status, StepKind::ChangeSettings).is_empty();
    let settings = ValidCluster::new(live, &identity, check)
        .map(|cluster| cluster.dynamic_settings)
        .unwrap_or_default();
    let level = u32::try_from(status.feature_level.unwrap_or(0)).unwrap_or(0);
    let brokers = status.brokers.iter().map(|broker| view(broker, level));
    observed.cluster = Some(ClusterView {
        cluster_id: identity.cluster_id.clone(),
        controller: Some(controller),
        feature_level: level,
        brokers: brokers.map(|broker| (broker.id, broker)).collect(),
        quorum: voters(status, &identity),
        settings: if settings_are_open {
            BTreeMap::new()
        } else {
            settings
        },
        ..ClusterView::default()
    });
    let assumed = "brokers were not asked: they are taken to be as the status says, with the \
                   settings that the live resource asks for";
    state.assumed.push(assumed.to_owned());
}

fn live_name(live: &MessageCluster) -> String {
    live.metadata.name.clone().unwrap_or_default()
}

/// The brokers that restart in steps of a kind which are not done; where a step restarts none, its
/// place is taken by 0.
fn open(status: &MessageClusterStatus, kind: StepKind) -> BTreeSet<i32> {
    let kind = format!("{kind:?}");
    let steps = status.plan.iter().flat_map(|plan| &plan.steps);
    let open = steps.filter(|step| step.action == kind && step.state != StepState::Done);
    open.flat_map(|step| {
        let none = step.restarts.is_empty().then_some(0);
        step.restarts.iter().copied().chain(none)
    })
    .collect()
}

fn serves(broker: &BrokerStatus) -> bool {
    matches!(broker.state, BrokerState::InSync | BrokerState::CatchingUp)
}

fn process(
    observed: &Observed,
    cluster: &str,
    identity: &Identity,
    broker: &BrokerStatus,
    waiting: &BTreeSet<i32>,
) -> Option<ProcessView> {
    let lifecycle = match broker.state {
        BrokerState::InSync | BrokerState::CatchingUp => Lifecycle::Serving,
        BrokerState::Joining => Lifecycle::Registering,
        BrokerState::Parked => Lifecycle::Parked,
        BrokerState::Absent | BrokerState::NeedsAttention => return None,
    };
    let file = |name: String, key: &str| {
        let kind = "ConfigMap".to_owned();
        let map = observed.children.get(&ObjectKey { kind, name })?;
        map["data"][key].as_str()
    };
    let common = file(names::config(cluster), "broker.properties");
    let own = file(
        names::brokers(cluster),
        &format!("{}.properties", broker.id),
    );
    let files = common.zip(own);
    let digest = files.map(|(common, own)| files_digest(common, own));
    let configuration = if waiting.contains(&broker.id) {
        OLDER_FILES.to_owned()
    } else {
        digest.unwrap_or_default()
    };
    Some(ProcessView {
        cluster_id: identity.cluster_id.clone(),
        broker: broker.id,
        incarnation: broker.incarnation.clone().unwrap_or_default(),
        version: broker.version.clone().unwrap_or_default(),
        lifecycle,
        configuration,
        ..ProcessView::default()
    })
}

fn view(broker: &BrokerStatus, level: u32) -> BrokerView {
    BrokerView {
        id: broker.id,
        incarnation: broker.incarnation.clone().unwrap_or_default(),
        epoch: 1,
        fenced: !serves(broker),
        version: broker.version.clone().unwrap_or_default(),
        max_feature_level: level,
        ..BrokerView::default()
    }
}

fn voters(status: &MessageClusterStatus, identity: &Identity) -> Vec<QuorumMemberView> {
    let answers = |id: i32| {
        status
            .brokers
            .iter()
            .any(|broker| broker.id == id && serves(broker))
    };
    let members = identity.voters.iter().map(|id| QuorumMemberView {
        broker: *id,
        votes: true,
        answers: answers(*id),
    });
    members.collect()
}
