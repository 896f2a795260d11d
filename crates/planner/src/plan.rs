//! From the wish and what there is to a decision.
//!
//! The plan is made of independent lanes, one file each: a lane says which steps are left and what it
//! would do now. None of them waits for another unless its step needs what the other does: a roll that
//! is stuck stops neither certificates nor new brokers.

mod admission;
mod approval;
mod children;
mod conditions;
mod drain;
mod fates;
mod feature_level;
mod formation;
mod identity;
mod look;
mod lost_pods;
mod park;
mod permit;
mod roll;
mod scale_in;
mod sets;
mod settings;
mod status;
mod steps;
mod summary;
#[cfg(test)]
mod tests;
mod volumes;

use std::collections::BTreeSet;

use holdfast_api::MessageCluster;

use crate::planted::Planted;
use crate::{Act, Decision, Finding, Observed, Step, StepKind, Urgency, ValidCluster};
use approval::Allowed;
pub use conditions::conditions;
pub use fates::{ChildFate, Fate, fates};
use identity::Standing;
use look::Look;
use permit::Round;

/// The operator that decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operator {
    /// Its version: brokers of a cluster that names none get it when the cluster is made.
    pub version: String,
    /// The bug planted in it.
    pub planted: Planted,
}

/// A step, and what it would do now if it may.
#[derive(Debug)]
struct Work {
    step: Step,
    /// What needs no permit.
    acts: Vec<Act>,
    /// Groups of brokers that it wants to stop, one permit each, in order.
    rounds: Vec<Round>,
    /// How many permits it needs in all, also where it is too early to ask.
    permits: usize,
    /// It cannot go on by itself; the step says why.
    blocked: bool,
}

impl Work {
    fn new(step: Step) -> Self {
        Self {
            step,
            acts: Vec::new(),
            rounds: Vec::new(),
            permits: 0,
            blocked: false,
        }
    }

    /// With something to do now.
    fn acting(mut self, acts: Vec<Act>) -> Self {
        self.acts = acts;
        self
    }

    /// It waits, and goes on by itself.
    fn waiting(mut self, reason: impl Into<String>) -> Self {
        self.step.waiting_for = Some(reason.into());
        self
    }

    /// It cannot go on.
    fn blocked(mut self, reason: impl Into<String>) -> Self {
        self.blocked = true;
        self.waiting(reason)
    }
}

/// Decides what happens to a cluster. `check` says whether a set of brokers' settings, written as a
/// properties file, would be loaded.
pub fn decide(
    resource: &MessageCluster,
    observed: &Observed,
    operator: &Operator,
    check: &dyn Fn(&str) -> Result<(), String>,
) -> Decision {
    let judged = match Judged::new(resource, observed, operator, check) {
        Ok(judged) => judged,
        Err(findings) => return nothing(resource, observed, findings),
    };
    let look = Look::new(&judged.cluster, observed, &judged.kept);
    let mut findings: Vec<Finding> = judged.refused.into_iter().collect();
    findings.extend(look.foreign());
    decided(&look, &judged.standing, findings)
}

/// A wish that can be planned for.
struct Judged {
    standing: Standing,
    /// With at least the brokers that there are.
    cluster: ValidCluster,
    /// The zones that are only kept for their brokers.
    kept: BTreeSet<String>,
    /// The part of the wish that is refused.
    refused: Option<Finding>,
}

impl Judged {
    fn new(
        resource: &MessageCluster,
        observed: &Observed,
        operator: &Operator,
        check: &dyn Fn(&str) -> Result<(), String>,
    ) -> Result<Self, Vec<Finding>> {
        let standing = identity::standing(resource, observed, operator);
        let standing = standing.map_err(|finding| vec![finding])?;
        let asked = ValidCluster::new(resource, &standing.identity, check)?;
        let (mut cluster, kept, refused) = scale_in::without(resource, &asked, observed, check)?;
        cluster.planted = operator.planted;
        Ok(Self {
            standing,
            cluster,
            kept,
            refused,
        })
    }
}

/// What is decided about a valid resource.
fn decided(look: &Look<'_>, standing: &Standing, mut findings: Vec<Finding>) -> Decision {
    // The keys of the steps do not depend on what is allowed, and what is allowed depends on the
    // keys: so the lanes are asked twice, and only the second answer is carried out.
    let mut draft = works(look, standing, Allowed::EVERYTHING, &mut Vec::new());
    draft.sort_by_key(|work| work.step.kind);
    let hash = approval::hash(look, &draft);
    let allowed = approval::allowed(look.cluster, &hash);
    let mut works = works(look, standing, allowed, &mut findings);
    works.sort_by_key(|work| work.step.kind);
    let under_permit = permit::acts(look, &mut works, allowed, &mut findings);
    approval::mark(&mut works, allowed, look.cluster.spec.paused);
    let mut acts: Vec<Act> = Vec::new();
    for act in works
        .iter()
        .filter(|work| allowed.permits(work.step.urgency))
        .flat_map(|work| &work.acts)
        .chain(&under_permit)
    {
        if !acts.contains(act) {
            acts.push(act.clone());
        }
    }
    not_let_in_and_stopped(&mut acts);
    if look.cluster.spec.paused {
        acts.clear();
    }
    let plan = summary::plan(look, &works, allowed, hash);
    let status = status::status(look, standing, &plan, &findings);
    Decision {
        steps: works.into_iter().map(|work| work.step).collect(),
        plan,
        acts,
        findings,
        status,
    }
}

/// A broker that is stopped because it only waits to be let in must not be let in by the same look: it would
/// serve in the moment in which it is stopped. It is let in when it runs what it shall.
fn not_let_in_and_stopped(acts: &mut Vec<Act>) {
    let stopped: BTreeSet<i32> = acts
        .iter()
        .filter_map(|act| match act {
            Act::DeletePod { broker, .. } => Some(*broker),
            _ => None,
        })
        .collect();
    acts.retain(|act| !matches!(act, Act::Admit { broker, .. } if stopped.contains(broker)));
}

/// All lanes. They find the same steps whatever is allowed; what they do now may differ.
fn works(
    look: &Look<'_>,
    standing: &Standing,
    allowed: Allowed,
    findings: &mut Vec<Finding>,
) -> Vec<Work> {
    let mut works = identity::works(look, standing);
    works.extend(children::works(look, standing));
    works.extend(sets::works(look, standing, allowed));
    works.extend(formation::works(look, standing));
    works.extend(admission::works(look, findings));
    works.extend(volumes::works(look, allowed, findings));
    works.extend(settings::works(look, standing));
    works.extend(park::works(look, allowed));
    works.extend(roll::works(look, allowed, findings));
    works.extend(drain::works(look));
    works.extend(lost_pods::works(look));
    let settled = !works.iter().any(|work| {
        work.step.kind == StepKind::RollBrokers && work.step.urgency != Urgency::Operator
    });
    works.extend(children::removals(look, settled));
    works.extend(feature_level::works(look, settled));
    works
}

/// What is decided where the wish cannot be read or there is no telling whose the data is: nothing
/// that depends on it. Certificates are renewed, because a mistake in the resource shall not become
/// an outage on the day when they end.
fn nothing(resource: &MessageCluster, observed: &Observed, findings: Vec<Finding>) -> Decision {
    let missing: Vec<i32> = observed
        .pods
        .keys()
        .copied()
        .filter(|id| observed.identity.is_some() && !observed.certified.contains(id))
        .collect();
    let mut acts = Vec::new();
    let mut steps = Vec::new();
    if !missing.is_empty() && !resource.spec.paused {
        steps.push(steps::certificates(&missing));
        acts.push(Act::IssueCertificates { brokers: missing });
    }
    let plan = summary::stuck(resource, &findings, &steps);
    let status = status::unread(resource, observed, &plan);
    Decision {
        steps,
        plan,
        acts,
        findings,
        status,
    }
}
