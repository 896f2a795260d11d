//! The zones' StatefulSets: made, scaled out, given new templates. None of that restarts a broker.

use serde_json::Value;

use super::approval::Allowed;
use super::children::{BROKER_FILES, COMMON_FILES, Change, digest_of, is_ours};
use super::identity::Standing;
use super::steps::{short, step};
use super::{Look, Work};
use crate::{Act, Object, Observed, SetView, StepKind, Urgency, ValidCluster, ValidZone, build};

/// A zone with its set.
#[derive(Debug)]
pub(super) struct ZoneSet<'a> {
    pub(super) zone: ValidZone,
    pub(super) name: String,
    pub(super) set: Option<&'a SetView>,
    /// How its template (and what else is not the number of pods) differs.
    pub(super) change: Change,
    /// The zone is not in the resource any more: its brokers stay as they are.
    kept: bool,
    /// As it shall be, with the claims that it has: those cannot change in place.
    pub(super) object: Object,
    live: Option<&'a Value>,
    /// Somebody else's set has its name.
    pub(super) taken: bool,
    /// It differs in what cannot be changed in place.
    pub(super) fixed: bool,
}

impl<'a> ZoneSet<'a> {
    pub(super) fn new(
        cluster: &ValidCluster,
        observed: &'a Observed,
        zone: &ValidZone,
        kept: bool,
    ) -> Self {
        let name = cluster.set_name(zone);
        let set = observed.sets.get(&name);
        let mut as_is = zone.clone();
        if let Some(set) = set.filter(|set| !set.claim_size.is_empty()) {
            as_is.storage.size.clone_from(&set.claim_size);
        }
        let object = build::stateful_set(cluster, &as_is);
        let live = observed.children.get(&object.key);
        let mut this = Self {
            zone: zone.clone(),
            name,
            set,
            change: Change::None,
            kept,
            object,
            live,
            taken: live.is_some_and(|live| !is_ours(cluster, live)),
            fixed: false,
        };
        let left_alone = kept || this.taken;
        if let (Some(set), Some(live), false) = (set, live, left_alone) {
            this.change = this.changed(cluster, &as_is, set, live);
            this.fixed = build::needs_new_set(&this.object, live);
        }
        this
    }

    fn changed(
        &self,
        cluster: &ValidCluster,
        as_is: &ValidZone,
        set: &SetView,
        live: &Value,
    ) -> Change {
        if build::is_applied(&self.object, live) {
            return Change::None;
        }
        if digest_of(live) == digest_of(&self.object.value) {
            return Change::Edited;
        }
        let mut same_number = as_is.clone();
        same_number.replicas = set.replicas;
        let same = build::stateful_set(cluster, &same_number);
        if build::is_applied(&same, live) {
            return Change::None;
        }
        // It is to grow, too: what was written by hand is none of this operator's all the same.
        if digest_of(live) == digest_of(&same.value) {
            return Change::Edited;
        }
        if self.wish_agrees() {
            Change::Operator
        } else {
            Change::Wish
        }
    }

    /// Whether the set was built from what the resource asks for now.
    pub(super) fn wish_agrees(&self) -> bool {
        let wished = self.object.value["metadata"]["annotations"][build::WISH_ANNOTATION].as_str();
        self.set.is_some_and(|set| set.wish.as_deref() == wished)
    }

    /// Whether pods of it may be deleted: it makes them again, from its newest template.
    pub(super) fn replaces_pods(&self) -> bool {
        self.set.is_some_and(|set| set.observed && !set.deleting)
    }

    fn short_of_pods(&self) -> bool {
        self.set.is_none_or(|set| set.replicas < self.zone.replicas)
    }

    /// The set with more pods and the template that it has, for as long as the new one is held back.
    fn with_live_template(&self) -> Object {
        let mut object = self.object.clone();
        if let Some(live) = self.live {
            object.value["spec"]["template"] = live["spec"]["template"].clone();
            for annotation in [build::DIGEST_ANNOTATION, build::WISH_ANNOTATION] {
                object.value["metadata"]["annotations"][annotation] =
                    live["metadata"]["annotations"][annotation].clone();
            }
        }
        object
    }
}

/// The steps that make or change sets.
pub(super) fn works(look: &Look<'_>, standing: &Standing, allowed: Allowed) -> Vec<Work> {
    let mut works = Vec::new();
    for zone in look.zones.iter().filter(|zone| !zone.kept && !zone.taken) {
        let recreated = zone.set.is_none() && look.observed.pods.keys().any(|id| owns(zone, *id));
        if zone.zone.replicas > 0 && zone.short_of_pods() && !recreated {
            works.push(adding(look, standing, allowed, zone));
        }
        if zone.change != Change::None {
            works.push(updating(look, allowed, zone));
        }
    }
    works
}

fn owns(zone: &ZoneSet<'_>, id: i32) -> bool {
    let first = zone.zone.first_id;
    (first..first.saturating_add(holdfast_api::IDS_PER_ZONE)).contains(&id)
}

/// A zone gets its first set, or more brokers.
fn adding(look: &Look<'_>, standing: &Standing, allowed: Allowed, zone: &ZoneSet<'_>) -> Work {
    let ids: Vec<i32> = look
        .names
        .iter()
        .filter(|name| name.zone == zone.zone.name)
        .map(|name| name.id)
        .collect();
    let before = zone.set.map_or(0, |set| set.replicas);
    let step = step(
        StepKind::AddBrokers,
        format!("zone {}", zone.zone.name),
        zone.zone.replicas.to_string(),
        Urgency::Wish,
    )
    .because(format!("it has {before} brokers of {}", zone.zone.replicas))
    .risking("replicas are not moved to new brokers yet; new topics use them");
    let work = Work::new(step);
    let Some(written) = &standing.written else {
        return work.waiting("the identity is written first");
    };
    if !standing.knows(&zone.zone.name) {
        let extend = vec![Act::UpdateIdentity(standing.identity.clone())];
        return if written.formed {
            work.acting(extend)
                .waiting("the zone gets its range of broker ids first")
        } else {
            work.waiting("the cluster forms first")
        };
    }
    if let Some(reason) = files_missing(look, allowed) {
        return work.waiting(reason);
    }
    if !ids.iter().all(|id| look.observed.certified.contains(id)) {
        return work.waiting("the brokers' certificates are made first");
    }
    if zone.fixed {
        return work.waiting("the set is made again first");
    }
    let held = zone.change == Change::Operator && !allowed.permits(Urgency::Operator);
    let object = if held {
        zone.with_live_template()
    } else {
        zone.object.clone()
    };
    work.acting(vec![Act::Apply(Box::new(object))])
}

/// A set gets its new template.
fn updating(look: &Look<'_>, allowed: Allowed, zone: &ZoneSet<'_>) -> Work {
    let reason = match zone.change {
        Change::Edited => "it was changed by hand",
        Change::Operator => "this version of the operator writes pods in another way",
        Change::Wish | Change::None => "the resource asks for other pods",
    };
    let step = step(
        StepKind::UpdateTemplate,
        format!("zone {}", zone.zone.name),
        towards(look, zone),
        zone.change.urgency(),
    )
    .because(reason)
    .risking("a broker that stops by itself comes back with it");
    let work = Work::new(step);
    match files_missing(look, allowed) {
        Some(reason) => work.waiting(reason),
        None if zone.fixed => work.waiting("the set is made again"),
        None => work.acting(vec![Act::Apply(Box::new(zone.object.clone()))]),
    }
}

/// Names the state that a zone's brokers shall reach. Nothing is in it that Kubernetes gives later,
/// as addresses: a plan keeps its hash while it is carried out.
pub(super) fn towards(look: &Look<'_>, zone: &ZoneSet<'_>) -> String {
    let template = look.stable(&zone.object.value["spec"]["template"]);
    short(&[&template, &look.files_digest()])
}

/// What must be there before a pod is made from a new template. Files that are held back are not
/// waited for.
pub(super) fn files_missing(look: &Look<'_>, allowed: Allowed) -> Option<String> {
    if !look.addresses_missing.is_empty() {
        return Some(format!("addresses: {}", look.missing_addresses()));
    }
    let pending = [COMMON_FILES, BROKER_FILES].into_iter().any(|suffix| {
        let change = look.files(suffix);
        change != Change::None && allowed.permits(change.urgency())
    });
    pending.then(|| "the brokers' files are written first".to_owned())
}

/// The set is made again after its claims grew, with the pods that are still there.
pub(super) fn recreating(look: &Look<'_>, zone: &ZoneSet<'_>) -> Option<Act> {
    let orphaned = zone.set.is_none() && look.observed.pods.keys().any(|id| owns(zone, *id));
    (orphaned && !zone.kept).then(|| Act::Apply(Box::new(zone.object.clone())))
}
