//! Volumes grow: the claims first, each by itself, and then the set is made again without touching its
//! pods, because a set's claims cannot change in place. A volume that cannot grow stops nothing else.

use super::approval::Allowed;
use super::children::Change;
use super::sets::{ZoneSet, files_missing, recreating};
use super::steps::step;
use super::{Look, Work};
use crate::{Act, ClaimView, Finding, SetView, StepKind, Urgency};

/// The steps of all zones.
pub(super) fn works(look: &Look<'_>, allowed: Allowed, findings: &mut Vec<Finding>) -> Vec<Work> {
    for (name, claim) in &look.observed.claims {
        if let Some(error) = &claim.resize_error {
            findings.push(Finding {
                reason: "VolumeResizeFailed",
                message: format!("volume {name} does not grow: {error}"),
                stalled: false,
            });
        }
    }
    findings.extend(immediate(look));
    let mut works = Vec::new();
    for zone in &look.zones {
        works.extend(growing(look, zone, findings));
        works.extend(again(look, zone, allowed));
    }
    works
}

/// The claims of a zone that ask for less than they shall.
fn small<'a>(look: &Look<'a>, zone: &ZoneSet<'_>) -> Vec<(&'a String, &'a ClaimView)> {
    look.names
        .iter()
        .filter(|name| name.zone == zone.zone.name)
        .filter_map(|name| look.observed.claims.get_key_value(&name.claim))
        .filter(|(_, claim)| !claim.deleting && claim.requested_bytes < zone.zone.storage_bytes)
        .collect()
}

fn growing(look: &Look<'_>, zone: &ZoneSet<'_>, findings: &mut Vec<Finding>) -> Option<Work> {
    let small = small(look, zone);
    if small.is_empty() {
        return None;
    }
    let size = &zone.zone.storage.size;
    let step = step(
        StepKind::GrowVolumes,
        format!("zone {}", zone.zone.name),
        size,
        Urgency::Wish,
    )
    .because(format!("{} volumes are smaller than {size}", small.len()))
    .risking("a volume cannot shrink again");
    let work = Work::new(step);
    let (able, unable): (Vec<_>, Vec<_>) = small.into_iter().partition(|(_, claim)| {
        let class = claim
            .class
            .as_ref()
            .and_then(|c| look.observed.storage_classes.get(c));
        class.is_some_and(|class| class.expandable)
    });
    let acts = able
        .into_iter()
        .map(|(name, claim)| Act::GrowClaim {
            name: name.clone(),
            uid: claim.uid.clone(),
            size: size.clone(),
        })
        .collect();
    let Some((name, claim)) = unable.first() else {
        return Some(work.acting(acts));
    };
    let class = claim.class.as_deref().unwrap_or("none");
    let message = format!(
        "volume {name} cannot grow to {size}: storage class {class} does not allow it. Set \
         allowVolumeExpansion there, or set storage.size back"
    );
    findings.push(Finding {
        reason: "VolumeCannotGrow",
        message: message.clone(),
        stalled: true,
    });
    Some(work.acting(acts).blocked(message))
}

/// The set is made again with larger claims, for the brokers that come.
fn again(look: &Look<'_>, zone: &ZoneSet<'_>, allowed: Allowed) -> Option<Work> {
    let size = &zone.zone.storage.size;
    let urgency = if zone.fixed {
        zone.change.urgency()
    } else {
        Urgency::Wish
    };
    let target = format!("zone {}", zone.zone.name);
    let step = step(StepKind::RecreateSet, target, size, urgency)
        .because("claims and selectors of a set cannot change in place")
        .risking("its pods run on; none is restarted");
    let work = Work::new(step);
    let Some(set) = zone.set else {
        return recreating(look, zone).map(|apply| work.acting(vec![apply]));
    };
    let now = bytes(&set.claim_size);
    let larger = now.is_some_and(|now| now < zone.zone.storage_bytes);
    if !larger && !zone.fixed {
        return None;
    }
    let permit = look.view.and_then(|view| view.permit.as_ref());
    let stopping = permit.is_some_and(|permit| {
        let mut ids = look.names.iter().filter(|name| name.zone == zone.zone.name);
        ids.any(|name| permit.brokers.contains_key(&name.id))
    });
    Some(if set.deleting {
        work.waiting("the old set goes")
    } else if !small(look, zone).is_empty() {
        work.waiting("the volumes grow first")
    } else if stopping {
        work.waiting("its brokers restart under a permit")
    } else if zone.fixed && files_missing(look, allowed).is_none() {
        work.acting(vec![orphan(zone, set)])
    } else if zone.change == Change::Operator && !allowed.permits(Urgency::Operator) {
        // The new set would bring the template that is held back.
        work.waiting("its template waits for approval")
    } else if zone.change != Change::None {
        work.waiting("its template changes first")
    } else {
        work.acting(vec![orphan(zone, set)])
    })
}

fn orphan(zone: &ZoneSet<'_>, set: &SetView) -> Act {
    Act::DeleteSetKeepPods {
        name: zone.name.clone(),
        uid: set.uid.clone(),
    }
}

/// A class that makes volumes before it is known where the pod runs puts them into any zone.
fn immediate(look: &Look<'_>) -> Option<Finding> {
    let stuck = look.names.iter().find_map(|name| {
        let pod = look.pod(name.id).filter(|pod| pod.node.is_none())?;
        let trouble = pod.trouble.as_ref()?;
        let claim = look.observed.claims.get(&name.claim)?;
        let class = claim.class.as_ref()?;
        let seen = look.observed.storage_classes.get(class)?;
        (!seen.waits_for_pod).then_some((name, class, trouble))
    });
    let (name, class, trouble) = stuck.filter(|_| look.several_zones())?;
    Some(Finding {
        reason: "VolumeInWrongZone",
        message: format!(
            "pod {} cannot be placed ({trouble}), and storage class {class} makes volumes before it \
             is known in which zone they are needed: use a class with volumeBindingMode \
             WaitForFirstConsumer",
            name.pod
        ),
        stalled: true,
    })
}

/// Bytes of a quantity.
fn bytes(quantity: &str) -> Option<u64> {
    holdfast_api::quantity_bytes(quantity)
}
