//! Stopping brokers that serve: one permit at a time, from their controller.
//!
//! `INV-ROLL-PERMIT`: a pod is deleted only if the permit in force is ours, granted, names its broker,
//! and the broker is still registered as it was at the grant. The controller knows what this look may
//! not: so it decides, and a stale look deletes nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use super::approval::Allowed;
use super::roll::{stop, stop_by_permit};
use super::steps::{bounded, named};
use super::{Look, Work};
use crate::planted::Planted;
use crate::{
    Act, ClusterView, Finding, PermitPurpose, PermitStage, PermitView, PodPhase, StepKind,
};

/// Brokers that are to be stopped together.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) brokers: BTreeSet<i32>,
    pub(super) purpose: PermitPurpose,
    pub(super) reason: String,
}

/// The operator's permit for this cluster, if it has one.
pub(super) fn ours<'a>(look: &Look<'a>) -> Option<&'a PermitView> {
    let permit = look.view?.permit.as_ref()?;
    (permit.holder == look.holder()).then_some(permit)
}

/// What is done about permits now. Says in the steps what they wait for.
pub(super) fn acts(
    look: &Look<'_>,
    works: &mut [Work],
    allowed: Allowed,
    findings: &mut Vec<Finding>,
) -> Vec<Act> {
    let mut wanting: Vec<&mut Work> = works
        .iter_mut()
        .filter(|work| !work.rounds.is_empty() && allowed.permits(work.step.urgency))
        .collect();
    // A machine that is being drained has people waiting for it.
    wanting.sort_by_key(|work| match work.step.kind {
        StepKind::LeaveNode => 0,
        StepKind::ParkBrokers => 1,
        _ => 2,
    });
    let Some(view) = look.view.filter(|view| view.decides()) else {
        return without_controller(look, &mut wanting, findings);
    };
    if look.cluster.planted == Planted::RollsByItsCache {
        return by_cache(look, &wanting);
    }
    match &view.permit {
        None => ask(look, view, &mut wanting),
        Some(permit) if permit.holder == look.holder() => {
            let acts = under(look, permit, &mut wanting);
            for work in works.iter_mut().filter(|work| work.rounds.is_empty()) {
                let restarts = work.step.kind == StepKind::RollBrokers && !work.blocked;
                if restarts && work.step.waiting_for.is_none() {
                    work.step.waiting_for = Some(progress(permit));
                }
            }
            acts
        }
        Some(permit) => {
            let reason = format!("permit {} of {} is in force", permit.id, permit.holder);
            for work in wanting {
                work.blocked = true;
                work.step.waiting_for = Some(reason.clone());
            }
            Vec::new()
        }
    }
}

/// As if pods that look ready were permission enough.
fn by_cache(look: &Look<'_>, wanting: &[&mut Work]) -> Vec<Act> {
    let mut pods = look.names.iter().filter_map(|name| look.pod(name.id));
    let next = wanting.iter().flat_map(|work| &work.rounds).next();
    let ready = next.filter(|_| pods.all(|pod| pod.ready && !pod.deleting));
    let brokers = ready.iter().flat_map(|round| &round.brokers);
    let stops = brokers.filter_map(|id| stop_by_permit(look, *id, "all pods are ready"));
    stops.collect()
}

/// Asks for the next permit. After a refusal it asks for the next group: first for the brokers of the
/// refused group one by one, then for the next zone, so that one partition in trouble does not keep
/// the others from going on.
fn ask(look: &Look<'_>, view: &ClusterView, wanting: &mut [&mut Work]) -> Vec<Act> {
    let mut candidates: Vec<(usize, Round)> = Vec::new();
    for (index, work) in wanting.iter().enumerate() {
        for round in &work.rounds {
            candidates.push((index, round.clone()));
            let singles = round.brokers.iter().filter(|_| round.brokers.len() > 1);
            candidates.extend(singles.map(|id| {
                let brokers = BTreeSet::from([*id]);
                (
                    index,
                    Round {
                        brokers,
                        ..round.clone()
                    },
                )
            }));
        }
    }
    if candidates.is_empty() {
        return Vec::new();
    }
    if wait_for_a_stop(look, &BTreeMap::new(), wanting) {
        return Vec::new();
    }
    let was_refused = !view.permit_refused.is_empty();
    let refused_for = &view.permit_refused_for;
    let last = candidates
        .iter()
        .position(|(_, round)| was_refused && round.brokers == *refused_for);
    let next = last.map_or(0, |last| (last + 1) % candidates.len());
    let refused = last.map(|last| candidates[last].0);
    let (asked, round) = candidates.swap_remove(next);
    for (index, work) in wanting.iter_mut().enumerate() {
        if refused == Some(index) || (was_refused && refused.is_none() && index == asked) {
            work.blocked = true;
            let reasons = view.permit_refused.join("; ");
            work.step.waiting_for = Some(bounded(&reasons, 1024));
        } else if index == asked {
            let brokers: Vec<i32> = round.brokers.iter().copied().collect();
            work.step.waiting_for = Some(format!("a permit for {}", named(&brokers)));
        } else {
            work.step.waiting_for = Some("its turn".to_owned());
            work.rounds.clear();
        }
    }
    vec![Act::AcquirePermit {
        brokers: round.brokers,
        purpose: round.purpose,
        reason: bounded(&round.reason, 512),
        allow_unavailable: look
            .cluster
            .spec
            .upgrade
            .allow_unavailable
            .iter()
            .cloned()
            .collect(),
    }]
}

/// Waits for a broker, other than these, whose pod is being deleted and that goes on to serve: its node is cut
/// off from the API server, say, and stops it once it hears of it. The controller does not know that, and
/// counts on it.
fn wait_for_a_stop(look: &Look<'_>, but: &BTreeMap<i32, u64>, wanting: &mut [&mut Work]) -> bool {
    let others = look.names.iter().filter(|name| !but.contains_key(&name.id));
    let mut pods = others.filter_map(|name| look.pod(name.id));
    let Some(pod) = pods.find(|pod| pod.deleting && look.serves(pod.broker)) else {
        return false;
    };
    for work in wanting {
        work.blocked = !look.is_on_a_node(pod);
        work.step.waiting_for = Some(format!(
            "pod {} to end: it is being deleted, and its broker serves yet",
            pod.name
        ));
        work.rounds.clear();
    }
    true
}

fn progress(permit: &PermitView) -> String {
    let brokers: Vec<i32> = permit.brokers.keys().copied().collect();
    let what = match permit.stage {
        PermitStage::Draining => "leaders move away from",
        PermitStage::Granted => "may stop, and must come back:",
        PermitStage::Ending => "must catch up:",
    };
    format!("permit {}: {what} {}", permit.id, named(&brokers))
}

/// Stops what the permit names and still has to stop, and gives it back when nothing has.
fn under(look: &Look<'_>, permit: &PermitView, wanting: &mut [&mut Work]) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut wanted = BTreeSet::new();
    for work in wanting.iter_mut() {
        work.step.waiting_for = Some(progress(permit));
        let names = |round: &Round| round.brokers.iter().any(|b| permit.brokers.contains_key(b));
        let turn = work.rounds.iter().any(names);
        for round in &work.rounds {
            // A broker that stays away would keep a restart's permit in force for ever.
            if permit.park || round.purpose == PermitPurpose::Restart {
                wanted.extend(round.brokers.iter().copied());
            }
        }
        if !turn {
            work.rounds.clear();
        }
    }
    let as_granted = |id: i32, epoch: u64| {
        let broker = look.known(id);
        broker.is_some_and(|broker| broker.epoch == epoch && !broker.stopping)
    };
    let is_told =
        |id: i32, epoch: u64| as_granted(id, epoch) && look.pod(id).is_some_and(|pod| pod.deleting);
    let untouched = |id: i32, epoch: u64| {
        let pod = look.pod(id).filter(|pod| !pod.deleting);
        as_granted(id, epoch) && pod.is_some_and(|pod| pod.phase == PodPhase::Running)
    };
    let early = look.cluster.planted == Planted::DrainingCountsAsGranted;
    let may_stop = permit.stage == PermitStage::Granted || early;
    let left = permit
        .brokers
        .iter()
        .filter(|(id, epoch)| may_stop && wanted.contains(id) && untouched(**id, **epoch));
    let left: Vec<i32> = left.map(|(id, _epoch)| *id).collect();
    if !left.is_empty() && !wait_for_a_stop(look, &permit.brokers, wanting) {
        let why = format!("permit {}", permit.id);
        let stops = left.iter().filter_map(|id| stop_by_permit(look, *id, &why));
        acts.extend(stops);
    }
    if look.cluster.planted == Planted::NextBeforeCaughtUp && acts.is_empty() {
        let run = |id: &i32| look.pod(*id).is_some_and(|pod| pod.ready && !pod.deleting);
        let back = permit.brokers.keys().all(run);
        let next = wanted
            .iter()
            .find(|id| back && !permit.brokers.contains_key(*id));
        acts.extend(next.and_then(|id| stop_by_permit(look, *id, "the first run again")));
    }
    // Not needed any more: the wish was taken back, or its approval. One that was told to stop and has not
    // stopped yet needs it, whatever is wished by now.
    let mut brokers = permit.brokers.iter();
    let idle = brokers
        .clone()
        .any(|(id, epoch)| untouched(*id, *epoch) && look.serves(*id));
    let needed = brokers.any(|(id, epoch)| wanted.contains(id) || is_told(*id, *epoch));
    if acts.is_empty() && idle && !needed && permit.stage != PermitStage::Ending {
        acts.push(Act::EndPermit { id: permit.id });
    }
    acts
}

/// Nobody can give a permit. Whoever has typed the cluster's id into the annotation takes the
/// responsibility, and gets the brokers restarted one after the other.
fn without_controller(
    look: &Look<'_>,
    wanting: &mut [&mut Work],
    findings: &mut Vec<Finding>,
) -> Vec<Act> {
    if wanting.is_empty() {
        return Vec::new();
    }
    let (asked, formed) = (look.observed.asked, look.cluster.identity.formed);
    if !(asked && formed) {
        for work in wanting.iter_mut() {
            let reason = if asked {
                "the cluster is not formed"
            } else {
                "the brokers were not asked yet"
            };
            work.step.waiting_for = Some(reason.to_owned());
        }
        return Vec::new();
    }
    let id = &look.cluster.identity.cluster_id;
    let broken = look.observed.break_glass.as_ref() == Some(id);
    let reason = if broken {
        "no controller can decide; break-glass: one broker after the other restarts without a permit"
            .to_owned()
    } else {
        format!(
            "no controller can decide, and without it nobody knows which brokers may be stopped. Bring \
             brokers back; if they need this very restart for that, annotate the resource with \
             holdfast.io/break-glass={id}"
        )
    };
    findings.push(Finding {
        reason: "QuorumLost",
        message: reason.clone(),
        stalled: false,
    });
    for work in wanting.iter_mut() {
        work.blocked = !broken;
        work.step.waiting_for = Some(bounded(&reason, 1024));
    }
    // Those on nodes that are gone can neither be restarted nor be waited for.
    let reachable = |id: i32| look.pod(id).is_none_or(|pod| look.is_on_a_node(pod));
    let ids = look.names.iter().map(|name| name.id);
    let mut pods = ids.filter(|id| reachable(*id)).map(|id| look.pod(id));
    let all_run = pods.all(|pod| {
        pod.is_some_and(|pod| {
            !pod.deleting && (pod.phase == PodPhase::Running || look.fails(pod.broker))
        })
    });
    let restarts = wanting.iter().flat_map(|work| &work.rounds);
    let mut ids = restarts
        .filter(|round| round.purpose == PermitPurpose::Restart)
        .flat_map(|round| round.brokers.iter().copied())
        .filter(|id| reachable(*id));
    let next = ids.next().filter(|_| broken && all_run);
    let act = next.and_then(|id| stop(look, id, "break-glass: no controller can decide"));
    act.into_iter().collect()
}
