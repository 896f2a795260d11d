//! Who must approve what, and by which name a plan is approved.

use std::collections::BTreeSet;

use holdfast_api::{Approval, ClusterPlan, OperatorChanges, PlanState, PlanStep};

use super::steps::short;
use super::{Look, Work};
use crate::planted::Planted;
use crate::{Step, Urgency, ValidCluster};

/// What may be carried out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    wish: bool,
    operator: bool,
}

impl Allowed {
    /// As if all was approved.
    pub(super) const EVERYTHING: Self = Self {
        wish: true,
        operator: true,
    };

    pub(super) fn permits(self, urgency: Urgency) -> bool {
        match urgency {
            Urgency::Upkeep => true,
            Urgency::Wish => self.wish,
            Urgency::Operator => self.operator,
        }
    }
}

/// What the resource allows, given the plan's name.
pub(super) fn allowed(cluster: &ValidCluster, hash: &str) -> Allowed {
    let spec = &cluster.spec;
    let approved = !hash.is_empty() && spec.approved_plan.as_deref() == Some(hash);
    let automatic = spec.approval == Approval::Auto;
    let rolls_operator = spec.upgrade.operator_changes == OperatorChanges::Auto;
    let unasked = cluster.planted == Planted::UpgradeNeedsNoApproval;
    Allowed {
        wish: !spec.paused && (approved || automatic),
        operator: !spec.paused && (approved || (automatic && rolls_operator) || unasked),
    }
}

/// What a step leads to, where that is part of the plan's name; upkeep is not, so that it never voids
/// an approval.
pub(super) fn towards(step: &Step) -> Option<String> {
    (step.urgency != Urgency::Upkeep).then(|| step.towards.clone())
}

/// What tells a step of the status from others.
pub(super) fn key_of(step: &PlanStep) -> String {
    let towards = step.towards.as_deref();
    let towards = towards.map(|towards| format!(" @{towards}"));
    format!(
        "{} {}{}",
        step.action,
        step.target,
        towards.unwrap_or_default()
    )
}

pub(super) fn key(step: &Step) -> String {
    let action = format!("{:?}", step.kind);
    let target = step.target.clone();
    key_of(&PlanStep {
        action,
        target,
        towards: towards(step),
        ..PlanStep::default()
    })
}

fn keys(works: &[Work]) -> BTreeSet<String> {
    let steps = works.iter().map(|work| &work.step);
    let hashed = steps.filter(|step| step.urgency != Urgency::Upkeep);
    hashed.map(key).collect()
}

/// The plan's name. As long as what is left belongs to the plan in the status, it is that plan. The same steps
/// to the same targets have the same name whenever they are to be done: an approval stands as long as it
/// stands in the resource.
pub(super) fn hash(look: &Look<'_>, works: &[Work]) -> String {
    if works.is_empty() {
        return String::new();
    }
    let keys = keys(works);
    if let Some(plan) = look
        .observed
        .plan
        .as_ref()
        .filter(|plan| continues(plan, &keys))
    {
        return plan.hash.clone();
    }
    if keys.is_empty() {
        return String::new();
    }
    let texts: Vec<&str> = keys.iter().map(String::as_str).collect();
    short(&texts)
}

fn continues(plan: &ClusterPlan, keys: &BTreeSet<String>) -> bool {
    let begun = plan.state != PlanState::Idle && !plan.hash.is_empty();
    let of_plan: BTreeSet<String> = plan.steps.iter().map(key_of).collect();
    begun && keys.is_subset(&of_plan)
}

/// Says in the steps that wait for a person what they wait for.
pub(super) fn mark(works: &mut [Work], allowed: Allowed, paused: bool) {
    for work in works {
        let waits = if paused {
            "the cluster is paused"
        } else if !allowed.permits(work.step.urgency) {
            match work.step.urgency {
                Urgency::Operator => "approval: only the operator's version changed",
                _ => "approval",
            }
        } else {
            continue;
        };
        work.blocked = false;
        work.step.waiting_for = Some(waits.to_owned());
    }
}
