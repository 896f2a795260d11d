//! The plan as people read it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_api::{ClusterPlan, MessageCluster, PlanState, PlanStep, StepState};

use super::approval::{Allowed, key, key_of, towards};
use super::steps::bounded;
use super::{Look, Work};
use crate::{Finding, Step, StepKind, Urgency};

/// As many steps as the status holds.
const MOST_STEPS: usize = 100;

/// The plan for the status, with what is done already.
pub(super) fn plan(look: &Look<'_>, works: &[Work], allowed: Allowed, hash: String) -> ClusterPlan {
    let state = state(look, works, allowed);
    let mut plan = ClusterPlan {
        hash,
        generation: look.cluster.generation,
        state,
        ..ClusterPlan::default()
    };
    let mut left: BTreeMap<String, PlanStep> = BTreeMap::new();
    let mut order = Vec::new();
    for work in works {
        let key = key(&work.step);
        order.push(key.clone());
        left.insert(key, written(&work.step, step_state(work, allowed)));
    }
    let before = look.observed.plan.as_ref();
    let same = before.filter(|before| !works.is_empty() && before.hash == plan.hash);
    for step in same.iter().flat_map(|before| &before.steps) {
        let key = key_of(step);
        if let Some(now) = left.remove(&key) {
            plan.steps.push(now);
        } else if step.towards.is_some() {
            plan.steps.push(PlanStep {
                state: StepState::Done,
                waiting_for: None,
                ..step.clone()
            });
        }
    }
    plan.steps
        .extend(order.iter().filter_map(|key| left.remove(key)));
    plan.more_steps = i32::try_from(plan.steps.len().saturating_sub(MOST_STEPS)).unwrap_or(0);
    plan.steps.truncate(MOST_STEPS);
    plan.summary = bounded(&summary(works, &plan), 512);
    plan
}

/// The plan where none can be made.
pub(super) fn stuck(
    resource: &MessageCluster,
    findings: &[Finding],
    steps: &[Step],
) -> ClusterPlan {
    let paused = resource.spec.paused;
    let reason = findings
        .first()
        .map_or("", |finding| finding.message.as_str());
    let steps = steps.iter().map(|step| written(step, StepState::Running));
    ClusterPlan {
        hash: String::new(),
        generation: resource.metadata.generation.unwrap_or(0),
        state: if paused {
            PlanState::Paused
        } else {
            PlanState::Blocked
        },
        summary: bounded(&format!("blocked: {reason}"), 512),
        steps: steps.collect(),
        more_steps: 0,
    }
}

fn written(step: &Step, state: StepState) -> PlanStep {
    PlanStep {
        action: format!("{:?}", step.kind),
        target: step.target.clone(),
        towards: towards(step),
        reason: bounded(&step.reason, 512),
        risk: bounded(&step.risk, 512),
        restarts: step.restarts.clone(),
        state,
        waiting_for: step.waiting_for.as_ref().map(|text| bounded(text, 1024)),
    }
}

fn step_state(work: &Work, allowed: Allowed) -> StepState {
    if !allowed.permits(work.step.urgency) {
        StepState::Waiting
    } else if work.blocked {
        StepState::Blocked
    } else if work.acts.is_empty() && work.rounds.is_empty() && work.step.waiting_for.is_some() {
        StepState::Waiting
    } else {
        StepState::Running
    }
}

fn state(look: &Look<'_>, works: &[Work], allowed: Allowed) -> PlanState {
    let held = works.iter().any(|work| !allowed.permits(work.step.urgency));
    let wished = works
        .iter()
        .any(|work| work.step.urgency != Urgency::Upkeep && allowed.permits(work.step.urgency));
    if look.cluster.spec.paused {
        PlanState::Paused
    } else if works.is_empty() {
        PlanState::Idle
    } else if held && !wished {
        PlanState::AwaitingApproval
    } else if works.iter().any(|work| work.blocked) {
        PlanState::Blocked
    } else {
        PlanState::Running
    }
}

fn summary(works: &[Work], plan: &ClusterPlan) -> String {
    match plan.state {
        PlanState::Idle => "idle".to_owned(),
        PlanState::Paused if works.is_empty() => "paused; nothing to do".to_owned(),
        PlanState::Paused => format!("paused; would do: {}", effect(works)),
        PlanState::AwaitingApproval => {
            format!("awaiting approval of {}: {}", plan.hash, effect(works))
        }
        PlanState::Blocked => {
            let blocked = works
                .iter()
                .find(|work| work.blocked)
                .map(|work| &work.step);
            let why = blocked.and_then(|step| step.waiting_for.as_deref());
            let what = blocked.map_or_else(String::new, doing);
            format!("blocked: {what}: {}", why.unwrap_or("see the steps"))
        }
        PlanState::Running => running(plan),
    }
}

/// What a plan does to brokers, in short.
fn effect(works: &[Work]) -> String {
    let hashed = || {
        works
            .iter()
            .filter(|work| work.step.urgency != Urgency::Upkeep)
    };
    let brokers: BTreeSet<i32> = hashed()
        .flat_map(|w| w.step.restarts.iter().copied())
        .collect();
    let rounds: usize = hashed().map(|work| work.permits).sum();
    if brokers.is_empty() {
        let steps: Vec<String> = hashed().map(|work| doing(&work.step)).collect();
        return format!("restarts nothing; {}", steps.join(", "));
    }
    let word = if brokers.len() == 1 {
        "broker"
    } else {
        "brokers"
    };
    match rounds {
        0 => format!("restarts {} {word} that are down", brokers.len()),
        1 => format!("restarts {} {word} in 1 round", brokers.len()),
        rounds => format!("restarts {} {word} in {rounds} rounds", brokers.len()),
    }
}

/// The first step that is being done.
fn running(plan: &ClusterPlan) -> String {
    let open = |step: &&PlanStep| step.state != StepState::Done;
    let by_state = |state| plan.steps.iter().find(|step| step.state == state);
    let roll = format!("{:?}", StepKind::RollBrokers);
    let rolls: Vec<&PlanStep> = plan
        .steps
        .iter()
        .filter(|step| step.action == roll)
        .collect();
    let now = by_state(StepState::Running).or_else(|| plan.steps.iter().find(open));
    let Some(now) = now else {
        return "finishing".to_owned();
    };
    let what = described(&now.action, &now.target);
    if now.action != roll {
        return what;
    }
    let done = rolls
        .iter()
        .filter(|step| step.state == StepState::Done)
        .count();
    format!("{what} ({} of {})", done + 1, rolls.len())
}

fn doing(step: &Step) -> String {
    described(&format!("{:?}", step.kind), &step.target)
}

fn described(action: &str, target: &str) -> String {
    let verb = match action {
        "CreateIdentity" => "creating",
        "IssueCertificates" => "issuing certificates for",
        "ApplyChildren" => "applying",
        "AddBrokers" => "adding brokers to",
        "FormCluster" => "forming the cluster of",
        "AdmitBrokers" => "admitting",
        "GrowVolumes" => "growing volumes of",
        "RecreateSet" => "making again the set of",
        "ChangeSettings" => "changing settings of",
        "UpdateTemplate" => "updating the template of",
        "RollBrokers" => "rolling",
        "ParkBrokers" => "parking",
        "UnparkBrokers" => "unparking",
        "LeaveNode" => "leaving",
        "RemoveLostPods" => "removing lost",
        "RemoveChildren" => "removing",
        "RaiseFeatureLevel" => "raising the features to",
        _ => action,
    };
    format!("{verb} {target}")
}
