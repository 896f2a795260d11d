//! The conditions, as kstatus and `kubectl wait` read them.

use holdfast_api::{BrokerState, Condition, ConditionStatus, PlanState, condition_types};

use super::steps::bounded;
use crate::{Decision, Finding, Urgency};

/// What one condition says now.
struct Verdict {
    kind: &'static str,
    status: ConditionStatus,
    reason: &'static str,
    message: String,
}

/// The conditions after a decision. Each keeps its time until its status changes.
pub fn conditions(
    decision: &Decision,
    previous: &[Condition],
    now: &str,
    generation: i64,
) -> Vec<Condition> {
    let stalled = decision.findings.iter().find(|finding| finding.stalled);
    let mut verdicts = vec![ready(decision, stalled), safe(decision)];
    let holds = |kind, reason, message: &str| Verdict {
        kind,
        status: ConditionStatus::True,
        reason,
        message: message.to_owned(),
    };
    if let Some(finding) = stalled {
        verdicts.push(holds(
            condition_types::STALLED,
            finding.reason,
            &finding.message,
        ));
    } else if is_working(decision) {
        let summary = &decision.plan.summary;
        verdicts.push(holds(
            condition_types::RECONCILING,
            "CarryingOutPlan",
            summary,
        ));
    }
    verdicts
        .into_iter()
        .map(|verdict| {
            let before = previous.iter().find(|c| c.kind == verdict.kind);
            let since = before.filter(|before| before.status == verdict.status);
            Condition {
                kind: verdict.kind.to_owned(),
                status: verdict.status,
                reason: verdict.reason.to_owned(),
                message: bounded(&verdict.message, 4096),
                last_transition_time: since.map_or_else(
                    || now.to_owned(),
                    |before| before.last_transition_time.clone(),
                ),
                observed_generation: Some(generation),
            }
        })
        .collect()
}

/// Whether something is being done, or some broker is on its way.
fn is_working(decision: &Decision) -> bool {
    let state = decision.plan.state;
    let held = matches!(state, PlanState::AwaitingApproval | PlanState::Paused);
    let coming = wanted(decision) > decision.status.ready_replicas;
    !held && (matches!(state, PlanState::Running | PlanState::Blocked) || coming)
}

/// The brokers that shall serve: all but those that are parked.
fn wanted(decision: &Decision) -> i32 {
    let brokers = decision.status.brokers.iter();
    let parked = brokers
        .filter(|broker| broker.state == BrokerState::Parked)
        .count();
    decision.status.replicas - i32::try_from(parked).unwrap_or(0)
}

fn ready(decision: &Decision, stalled: Option<&Finding>) -> Verdict {
    let status = &decision.status;
    let wished = decision
        .steps
        .iter()
        .any(|step| step.urgency == Urgency::Wish);
    let serving = status.ready_replicas >= wanted(decision);
    let (reason, message) = if let Some(finding) = stalled {
        (finding.reason, finding.message.clone())
    } else if !status.formed {
        ("Forming", decision.plan.summary.clone())
    } else if !serving {
        let count = status.serving.clone().unwrap_or_default();
        let why = decision
            .findings
            .first()
            .map(|finding| finding.message.as_str());
        let why = why.unwrap_or(&decision.plan.summary);
        ("BrokersMissing", format!("{count} brokers serve: {why}"))
    } else if wished {
        let reason = match decision.plan.state {
            PlanState::AwaitingApproval => "AwaitingApproval",
            PlanState::Paused => "Paused",
            _ => "CarryingOutPlan",
        };
        (reason, decision.plan.summary.clone())
    } else {
        return Verdict {
            kind: condition_types::READY,
            status: ConditionStatus::True,
            reason: "AllBrokersServe",
            message: format!(
                "{} brokers serve",
                status.serving.clone().unwrap_or_default()
            ),
        };
    };
    Verdict {
        kind: condition_types::READY,
        status: ConditionStatus::False,
        reason,
        message,
    }
}

fn safe(decision: &Decision) -> Verdict {
    let safety = decision.status.safety.clone().unwrap_or_default();
    let (status, reason) = match safety.split(':').next() {
        Some("yes") => (ConditionStatus::True, "OneMoreMayBeLost"),
        Some("no") => (ConditionStatus::False, "NoMoreMayBeLost"),
        _ => (ConditionStatus::Unknown, "NotFormed"),
    };
    Verdict {
        kind: condition_types::SAFE,
        status,
        reason,
        message: safety,
    }
}
