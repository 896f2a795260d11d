//! Brokers restart into what they shall run: those that are down at once, the others zone by zone,
//! each zone under a permit.

use std::collections::BTreeSet;

use holdfast_api::Parallelism;

use super::approval::Allowed;
use super::children::{BROKER_FILES, COMMON_FILES, Change};
use super::permit::{Round, ours};
use super::sets::{ZoneSet, towards};
use super::steps::{named, step};
use super::{Look, Work};
use crate::planted::Planted;
use crate::{Act, Finding, Lifecycle, PermitPurpose, PermitView, StepKind, Urgency};

/// Which brokers of a zone do not run what they shall.
#[derive(Debug, Default)]
struct Outdated {
    /// What they shall run is in place.
    now: Vec<i32>,
    /// It is still to be put in place, because the resource asks for it.
    wished: Vec<i32>,
    /// It is still to be put in place, because this version of the operator writes it in another way.
    held: Vec<i32>,
}

/// One step for each zone; two if one of them is held back.
pub(super) fn works(look: &Look<'_>, allowed: Allowed, findings: &mut Vec<Finding>) -> Vec<Work> {
    let outdated: Vec<(&ZoneSet<'_>, Outdated)> = in_order(look)
        .into_iter()
        .map(|zone| (zone, outdated(look, zone)))
        .collect();
    let forming = one_of_the_forming(look, &outdated);
    let mut works = Vec::new();
    for (zone, outdated) in &outdated {
        works.extend(steps_of(look, allowed, zone, outdated, forming));
    }
    let stop = failures(look, &outdated, findings);
    if let Some(reason) = stop {
        for work in works.iter_mut().filter(|work| !work.rounds.is_empty()) {
            work.rounds.clear();
            work.blocked = true;
            work.step.waiting_for = Some(reason.clone());
        }
    }
    works
}

/// The zones in the identity's order, that of the controller last: it moves once.
fn in_order<'l, 'a>(look: &'l Look<'a>) -> Vec<&'l ZoneSet<'a>> {
    let controller = look.view.and_then(|view| view.controller);
    let last = controller
        .and_then(|id| look.zone_of(id))
        .map(|zone| zone.zone.first_id);
    let mut zones: Vec<&ZoneSet<'_>> = look.zones.iter().collect();
    zones.sort_by_key(|zone| (Some(zone.zone.first_id) == last, zone.zone.first_id));
    zones
}

fn outdated(look: &Look<'_>, zone: &ZoneSet<'_>) -> Outdated {
    let mut outdated = Outdated::default();
    for name in look.names.iter().filter(|name| name.zone == zone.zone.name) {
        let id = name.id;
        let Some(pod) = look.pod(id).filter(|pod| !pod.deleting) else {
            // Its next pod is made of the template that is there, and restarts once more when that has changed:
            // whoever approves the plan shall read of it. A change of files is a change of the template.
            let comes_back = look.pod(id).is_some() || look.known(id).is_some();
            match zone.change {
                Change::Wish if comes_back && zone.set.is_some() => outdated.wished.push(id),
                Change::Operator if comes_back && zone.set.is_some() => outdated.held.push(id),
                _ => {}
            }
            continue;
        };
        let parked = look.lifecycle(id) == Some(Lifecycle::Parked);
        if parked != look.cluster.parked.contains(&id) {
            // It is parked or unparked, and up to date by that.
            continue;
        }
        let old_pod = zone
            .set
            .is_some_and(|set| set.observed && pod.revision != set.update_revision);
        let unseen = zone.set.is_some_and(|set| !set.observed);
        let template = match zone.change {
            Change::None if unseen => Some(Change::Wish),
            Change::None if old_pod => Some(Change::None),
            Change::None | Change::Edited => None,
            change => Some(change),
        };
        match template.or_else(|| old_files(look, id)) {
            Some(Change::None) => outdated.now.push(id),
            Some(Change::Operator) => {
                outdated.held.push(id);
                if old_pod && zone.change == Change::Operator {
                    outdated.now.push(id);
                }
            }
            Some(_) => outdated.wished.push(id),
            None => {}
        }
    }
    outdated
}

/// Whether a broker has loaded other files than it shall, and what is still to be done to them.
fn old_files(look: &Look<'_>, id: i32) -> Option<Change> {
    let process = look
        .process(id)
        .filter(|process| !process.configuration.is_empty())?;
    let services = &look.observed.services;
    let wanted = crate::build::configuration_digest(look.cluster, id, services)?;
    if process.configuration == wanted {
        return None;
    }
    Some(match (look.files(COMMON_FILES), look.files(BROKER_FILES)) {
        (Change::Operator, _) => Change::Operator,
        (Change::None, Change::None) => Change::None,
        _ => Change::Wish,
    })
}

fn steps_of(
    look: &Look<'_>,
    allowed: Allowed,
    zone: &ZoneSet<'_>,
    outdated: &Outdated,
    forming: Option<i32>,
) -> Vec<Work> {
    let mut works = Vec::new();
    let target = towards(look, zone);
    if !outdated.wished.is_empty() {
        let mut brokers = outdated.wished.clone();
        brokers.extend(&outdated.now);
        brokers.sort_unstable();
        let work = rolling(look, zone, &brokers, target.clone(), Urgency::Wish);
        works.push(work.waiting("templates and files change first"));
    } else if !outdated.now.is_empty() || covered(look, zone).is_some() {
        // What is held back is not where these go.
        let target = match (zone.set, zone.change) {
            (Some(set), Change::Operator) => set.update_revision.clone(),
            _ => target.clone(),
        };
        let work = rolling(look, zone, &outdated.now, target, Urgency::Wish);
        works.push(now(look, allowed, zone, outdated, forming, work));
    }
    if !outdated.held.is_empty() {
        let work = rolling(look, zone, &outdated.held, target, Urgency::Operator);
        works.push(work.waiting("templates and files change first"));
    }
    works
}

/// The permit under which brokers of this zone restart.
fn covered<'a>(look: &Look<'a>, zone: &ZoneSet<'_>) -> Option<&'a PermitView> {
    let permit = ours(look).filter(|permit| !permit.park)?;
    let mut ids = look.names.iter().filter(|name| name.zone == zone.zone.name);
    ids.any(|name| permit.brokers.contains_key(&name.id))
        .then_some(permit)
}

fn rolling(
    look: &Look<'_>,
    zone: &ZoneSet<'_>,
    brokers: &[i32],
    towards: String,
    urgency: Urgency,
) -> Work {
    let wanted = &look.cluster.version;
    let running: BTreeSet<&str> = brokers
        .iter()
        .filter_map(|id| look.process(*id))
        .map(|process| process.version.as_str())
        .filter(|version| version != wanted && !version.is_empty())
        .collect();
    let reason = if running.is_empty() {
        "pods or files of the brokers changed".to_owned()
    } else {
        let from: Vec<&str> = running.into_iter().collect();
        format!("version {} to {wanted}", from.join(" and "))
    };
    let target = format!("zone {}", zone.zone.name);
    let step = step(StepKind::RollBrokers, target, towards, urgency)
        .because(reason)
        .risking("their leaders move to other zones first; clients reconnect")
        .restarting(brokers.to_vec());
    let mut work = Work::new(step);
    work.permits = groups(look, brokers).len();
    work
}

/// What can be restarted now.
fn now(
    look: &Look<'_>,
    allowed: Allowed,
    zone: &ZoneSet<'_>,
    outdated: &Outdated,
    forming: Option<i32>,
    mut work: Work,
) -> Work {
    let files = [COMMON_FILES, BROKER_FILES].map(|suffix| look.files(suffix));
    let pending = files.into_iter().chain([zone.change]);
    let mut soon = pending.filter(|change| *change != Change::None);
    if soon.any(|change| allowed.permits(change.urgency())) {
        return work.waiting("templates and files change first");
    }
    if !zone.replaces_pods() {
        return work.waiting(format!(
            "StatefulSet {} is not ready to make pods again",
            zone.name
        ));
    }
    let may_stop = |id: &i32| look.is_down(*id) || never_formed(look, *id);
    let (down, up): (Vec<i32>, Vec<i32>) = outdated.now.iter().partition(|id| may_stop(id));
    work.acts = down
        .into_iter()
        .filter(|id| look.is_down(*id) || forming == Some(*id))
        .filter_map(|id| stop(look, id, "it is down and takes no permit"))
        .collect();
    let reason = format!("zone {}: {}", zone.zone.name, work.step.reason);
    work.rounds = groups(look, &up)
        .into_iter()
        .map(|brokers| Round {
            brokers,
            purpose: PermitPurpose::Restart,
            reason: reason.clone(),
        })
        .collect();
    work
}

/// Deletes the pod of a broker that needs no permit: only as it was seen.
pub(super) fn stop(look: &Look<'_>, id: i32, why: &str) -> Option<Act> {
    delete(look, id, why, true)
}

/// Deletes a broker's pod, whatever has become of it.
pub(super) fn stop_by_permit(look: &Look<'_>, id: i32, why: &str) -> Option<Act> {
    delete(look, id, why, false)
}

fn delete(look: &Look<'_>, id: i32, why: &str, as_seen: bool) -> Option<Act> {
    let ordinal = holdfast_api::IDS_PER_ZONE + id % holdfast_api::IDS_PER_ZONE;
    let name = match look.cluster.planted {
        Planted::AddressesByOrdinal => ordinal,
        _ => id,
    };
    let pod = look
        .pod(name)
        .filter(|pod| !pod.deleting && !pod.uid.is_empty())?;
    Some(Act::DeletePod {
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        unchanged_since: (as_seen && !pod.version.is_empty()).then(|| pod.version.clone()),
        broker: id,
        why: why.to_owned(),
    })
}

/// Brokers of a cluster that never was one hold nothing: a wrong image must not need a permit that
/// nobody can give.
fn never_formed(look: &Look<'_>, id: i32) -> bool {
    let identity = &look.cluster.identity;
    // A voter waits for admission when it knows of a cluster; the others wait from their start.
    let member = |id: i32| match look.lifecycle(id) {
        None | Some(Lifecycle::Forming) => false,
        Some(Lifecycle::WaitingForAdmission) => identity.voters.contains(&id),
        Some(_) => true,
    };
    let formed = identity.formed || look.names.iter().any(|name| member(name.id));
    look.observed.asked && look.view.is_none() && !formed && look.lifecycle(id).is_some()
}

/// The one that stops now of those that serve no cluster yet: it may be formed in this moment, and
/// then this look is wrong about one of them and not about several.
fn one_of_the_forming(look: &Look<'_>, outdated: &[(&ZoneSet<'_>, Outdated)]) -> Option<i32> {
    if look
        .names
        .iter()
        .filter_map(|name| look.pod(name.id))
        .any(|pod| pod.deleting)
    {
        return None;
    }
    let mut ids = outdated.iter().flat_map(|(_, o)| &o.now).copied();
    ids.find(|id| never_formed(look, *id) && !look.is_down(*id))
}

/// Those that restart together. With one zone there is no other to carry on, and the controller's
/// broker goes last.
fn groups(look: &Look<'_>, brokers: &[i32]) -> Vec<BTreeSet<i32>> {
    let parallelism = look.cluster.spec.upgrade.parallelism;
    let together = parallelism == Parallelism::Zone && look.several_zones();
    if together {
        let all: BTreeSet<i32> = brokers.iter().copied().collect();
        return if all.is_empty() {
            Vec::new()
        } else {
            vec![all]
        };
    }
    let controller = look.view.and_then(|view| view.controller);
    let mut singles = brokers.to_vec();
    singles.sort_by_key(|id| (Some(*id) == controller, *id));
    singles.into_iter().map(|id| BTreeSet::from([id])).collect()
}

/// Looks for brokers that do not come up with what they shall run, and says whether others may still
/// be stopped for it: not if the change itself may be the reason.
fn failures(
    look: &Look<'_>,
    outdated: &[(&ZoneSet<'_>, Outdated)],
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let old: BTreeSet<i32> = outdated
        .iter()
        .flat_map(|(_, o)| o.now.iter().chain(&o.wished).chain(&o.held).copied())
        .collect();
    let current: Vec<i32> = look
        .names
        .iter()
        .map(|n| n.id)
        .filter(|id| !old.contains(id))
        .collect();
    let failing: Vec<i32> = current
        .iter()
        .copied()
        .filter(|id| look.fails(*id) && !look.serves(*id))
        .filter(|id| look.lifecycle(*id) != Some(Lifecycle::Parked))
        .collect();
    let first = *failing.first()?;
    let permitted = |id: &i32| ours(look).is_some_and(|permit| permit.brokers.contains_key(id));
    // That none runs it well yet is no proof against it, unless a process was started and ended.
    let none_serves = !current.iter().any(|id| look.serves(*id));
    let started = |id: &i32| look.pod(*id).is_some_and(|pod| pod.restarts > 0);
    let suspect = failing.iter().any(permitted) || (none_serves && failing.iter().any(started));
    let left = outdated.iter().any(|(_, o)| !o.now.is_empty());
    let trouble = look.pod(first).and_then(|pod| pod.trouble.as_deref());
    let what = format!("{} does not come up", named(&failing));
    let why = trouble.unwrap_or("its process ends again and again");
    if !(suspect && left) {
        findings.push(Finding {
            reason: "BrokerFailing",
            message: format!("{what} ({why}): see the pod's log"),
            stalled: false,
        });
        return None;
    }
    let message = format!(
        "{what} with what it shall run ({why}), and no other broker is stopped for it. Revert the \
         change; or, if only the machine is at fault, park it (spec.brokers, id {first}, mode Parked)"
    );
    findings.push(Finding {
        reason: "RollStopped",
        message: message.clone(),
        stalled: true,
    });
    Some(message)
}
