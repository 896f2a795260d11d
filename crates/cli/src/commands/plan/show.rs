//! How a plan is shown.

use holdfast_api::{ClusterPlan, MessageCluster, PlanState, PlanStep};
use holdfast_planner::{ChildFate, Decision, Fate, Finding};
use serde::Serialize;

use crate::output::Paint;
use crate::text::add;

/// What is shown: the fields of `status.plan`, and what belongs to it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// As namespace/name.
    cluster: String,
    #[serde(flatten)]
    plan: ClusterPlan,
    findings: Vec<ShownFinding>,
    objects: Objects,
    /// What could not be known, and what it is taken to be.
    assumed: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownFinding {
    reason: &'static str,
    message: String,
    stalled: bool,
}

/// The objects that do not stay as they are, as `StatefulSet orders-a`.
#[derive(Debug, Default, Serialize)]
struct Objects {
    made: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

impl Shown {
    pub(super) fn new(
        cluster: String,
        wish: &MessageCluster,
        decision: Decision,
        children: &[ChildFate],
        assumed: Vec<String>,
    ) -> Self {
        let of = |fate: Fate| -> Vec<String> {
            let those = children.iter().filter(|child| child.fate == fate);
            those
                .map(|child| format!("{} {}", child.key.kind, child.key.name))
                .collect()
        };
        let mut plan = decision.plan;
        plan.generation = wish.metadata.generation.unwrap_or(1);
        Self {
            cluster,
            plan,
            findings: decision.findings.into_iter().map(shown).collect(),
            objects: Objects {
                made: of(Fate::Made),
                changed: of(Fate::Changed),
                removed: of(Fate::Removed),
            },
            assumed,
        }
    }
}

fn shown(finding: Finding) -> ShownFinding {
    ShownFinding {
        reason: finding.reason,
        message: finding.message,
        stalled: finding.stalled,
    }
}

/// As a person reads it.
pub(super) fn text(shown: &Shown, paint: Paint) -> String {
    let plan = &shown.plan;
    let mut out = String::new();
    let summary = match plan.state {
        PlanState::Idle => "nothing to do",
        _ => plan.summary.as_str(),
    };
    add(
        &mut out,
        format_args!("{}: {summary}\n", paint.bold(&shown.cluster)),
    );
    for (number, one) in (1..).zip(&plan.steps) {
        step(&mut out, number, one, paint);
    }
    if plan.more_steps > 0 {
        add(
            &mut out,
            format_args!("and {} more steps\n", plan.more_steps),
        );
    }
    let objects = &shown.objects;
    for (what, names) in [
        ("made", &objects.made),
        ("changed", &objects.changed),
        ("removed", &objects.removed),
    ] {
        if !names.is_empty() {
            add(&mut out, format_args!("\n{}:\n", paint.bold(what)));
        }
        for name in names {
            add(&mut out, format_args!("  {name}\n"));
        }
    }
    notes(&mut out, shown, paint);
    out
}

fn step(out: &mut String, number: usize, step: &PlanStep, paint: Paint) {
    let title = paint.bold(&format!("{number}. {} {}", step.action, step.target));
    add(out, format_args!("\n{title}\n"));
    let restarts: Vec<String> = step.restarts.iter().map(i32::to_string).collect();
    let restarts = if restarts.is_empty() {
        "nothing".to_owned()
    } else {
        restarts.join(", ")
    };
    let waits = step.waiting_for.clone().unwrap_or_default();
    for (label, text) in [
        ("why", step.reason.as_str()),
        ("restarts", restarts.as_str()),
        ("risk", step.risk.as_str()),
        ("waits for", waits.as_str()),
    ] {
        if !text.is_empty() {
            add(out, format_args!("   {label:<10} {text}\n"));
        }
    }
}

fn notes(out: &mut String, shown: &Shown, paint: Paint) {
    for finding in &shown.findings {
        let reason = if finding.stalled {
            paint.red(finding.reason)
        } else {
            paint.yellow(finding.reason)
        };
        add(out, format_args!("\n{reason}: {}\n", finding.message));
    }
    let plan = &shown.plan;
    if plan.state == PlanState::AwaitingApproval {
        let hash = paint.bold(&plan.hash);
        add(
            out,
            format_args!("\nto approve it: spec.approvedPlan: {hash}\n"),
        );
    } else if !plan.hash.is_empty() {
        add(out, format_args!("\nhash: {}\n", plan.hash));
    }
    for assumed in &shown.assumed {
        add(out, format_args!("\nassumed: {assumed}\n"));
    }
}
