//! The children that restart nothing by themselves: accounts, Services, policies, and the files that
//! brokers read at their start; and certificates.
//!
//! Files are applied before templates, and templates only once the files are seen to be there. The file of
//! all brokers says for which wish it was written; if that is the resource's and it differs all the same,
//! the operator's version does. In a file of a version that did not say so, a set tells for it.

use serde_json::Value;

use super::identity::Standing;
use super::sets::ZoneSet;
use super::steps::{certificates, short, step};
use super::{Look, Work};
use crate::build::{self, names};
use crate::digest::json_hex;
use crate::{Act, Object, ObjectKey, Observed, StepKind, Urgency, ValidCluster};

/// The files of all brokers together, and those of single brokers.
pub(super) const COMMON_FILES: &str = "config";
pub(super) const BROKER_FILES: &str = "brokers";

/// How a child differs from what it shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Not at all.
    None,
    /// Somebody changed it by hand, or removed it.
    Edited,
    /// The resource asks for something else.
    Wish,
    /// The resource asks for the same, this operator writes it in another way.
    Operator,
}

impl Change {
    pub(super) fn urgency(self) -> Urgency {
        match self {
            Self::None | Self::Edited => Urgency::Upkeep,
            Self::Wish => Urgency::Wish,
            Self::Operator => Urgency::Operator,
        }
    }
}

/// A child as it shall be, and how it differs.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) object: Object,
    pub(super) change: Change,
    /// Somebody else's object has its name.
    pub(super) taken: bool,
}

impl Child {
    /// All of them but the sets, and but what is written by an act of its own.
    pub(super) fn all(
        cluster: &ValidCluster,
        observed: &Observed,
        zones: &[ZoneSet<'_>],
    ) -> Vec<Self> {
        let common = names::config(&cluster.name);
        let made = zones.iter().any(|zone| zone.set.is_some());
        build::children(cluster, &observed.services)
            .into_iter()
            .map(|object| {
                let is_common = object.key.kind == "ConfigMap" && object.key.name == common;
                let live = observed.children.get(&object.key);
                let taken = live.is_some_and(|live| !is_ours(cluster, live));
                let change = match live {
                    Some(_) if taken => Change::None,
                    Some(live) if build::is_applied(&object, live) => Change::None,
                    Some(live) if digest_of(live) == digest_of(&object.value) => Change::Edited,
                    Some(live) if is_common && agrees(cluster, live, zones) => Change::Operator,
                    None if is_common && made => Change::Edited,
                    _ => Change::Wish,
                };
                Self {
                    object,
                    change,
                    taken,
                }
            })
            .collect()
    }
}

/// Whether the file of all brokers was written for what the resource asks for now.
fn agrees(cluster: &ValidCluster, live: &Value, zones: &[ZoneSet<'_>]) -> bool {
    match live["metadata"]["annotations"][build::WISH_ANNOTATION].as_str() {
        Some(wish) => wish == build::wish_of_files(cluster),
        None => zones.iter().any(ZoneSet::wish_agrees),
    }
}

/// Whether an object is a child of the cluster: by its owner, or by its labels (which somebody may
/// have taken off).
pub(super) fn is_ours(cluster: &ValidCluster, live: &Value) -> bool {
    let owners = live["metadata"]["ownerReferences"].as_array();
    let owned =
        owners.is_some_and(|all| all.iter().any(|owner| owner["uid"] == cluster.uid.as_str()));
    owned || build::belongs_to(&cluster.name, live)
}

/// The digest that a child carries.
pub(super) fn digest_of(value: &Value) -> Option<&str> {
    value["metadata"]["annotations"][build::DIGEST_ANNOTATION].as_str()
}

impl Look<'_> {
    /// How the files differ from what brokers shall read.
    pub(super) fn files(&self, suffix: &str) -> Change {
        self.child(suffix)
            .map_or(Change::None, |child| child.change)
    }

    /// A digest of what all brokers shall read, without what Kubernetes gives only later.
    pub(super) fn files_digest(&self) -> String {
        short(&[&build::configuration::common(self.cluster)])
    }

    /// A digest of the brokers that have a file, and of what the resource says about single ones.
    fn broker_files_digest(&self) -> String {
        let ids: Vec<String> = self.names.iter().map(|name| name.id.to_string()).collect();
        short(&[&ids.join(" "), &format!("{:?}", self.cluster.parked)])
    }

    /// A digest without what a new cluster gets only when it is made, and without what a resource gets
    /// only when it is stored: a plan has the same hash before and after that, also in
    /// `holdfast plan`.
    pub(super) fn stable(&self, value: &Value) -> String {
        let text = value
            .to_string()
            .replace(&self.cluster.identity.cluster_id, "");
        let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
        // The digest is one of the owner's uid too.
        let metadata = value.get_mut("metadata").and_then(Value::as_object_mut);
        if let Some(metadata) = metadata {
            metadata.remove("ownerReferences");
            let annotations = metadata.get_mut("annotations");
            if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
                annotations.remove(build::DIGEST_ANNOTATION);
            }
        }
        json_hex(&value).chars().take(16).collect()
    }
}

/// What is to be applied, and who gets a certificate.
pub(super) fn works(look: &Look<'_>, standing: &Standing) -> Vec<Work> {
    let mut works = Vec::new();
    let mut ids = look.names.iter().map(|name| name.id);
    let missing: Vec<i32> = ids
        .by_ref()
        .filter(|id| !look.observed.certified.contains(id))
        .collect();
    let exists = standing.written.is_some();
    if !missing.is_empty() {
        let work = Work::new(certificates(&missing));
        works.push(if exists {
            work.acting(vec![Act::IssueCertificates { brokers: missing }])
        } else {
            work.waiting("the identity is written first")
        });
    }
    let is_file = |child: &&Child| child.object.key.kind == "ConfigMap";
    for (suffix, towards) in [
        (COMMON_FILES, look.files_digest()),
        (BROKER_FILES, look.broker_files_digest()),
    ] {
        let target = format!("ConfigMap {}-{suffix}", look.cluster.name);
        match look.child(suffix) {
            Some(child) => works.extend(applying(&[child], &target, &towards, exists)),
            None => works.extend(addressless(look, suffix, target, towards)),
        }
    }
    let others: Vec<&Child> = look
        .children
        .iter()
        .filter(|child| !is_file(child))
        .collect();
    let texts: Vec<String> = others
        .iter()
        .map(|child| look.stable(&child.object.value))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    works.extend(applying(
        &others,
        "Services and policies",
        &short(&texts),
        exists,
    ));
    works
}

fn common_file<'a>(look: &Look<'a>) -> Option<&'a Value> {
    let key = ObjectKey {
        kind: "ConfigMap".to_owned(),
        name: names::config(&look.cluster.name),
    };
    look.observed.children.get(&key)
}

/// Whether the file of all brokers says what it shall, in which no broker's address is.
pub(super) fn common_file_stands(look: &Look<'_>) -> bool {
    let wanted = build::configuration::common(look.cluster);
    common_file(look).is_some_and(|live| live["data"]["broker.properties"] == wanted.as_str())
}

/// A file that waits for addresses of brokers. It is in the plan already, so that the plan's name does
/// not change when they come.
fn addressless(look: &Look<'_>, suffix: &str, target: String, towards: String) -> Option<Work> {
    if suffix == COMMON_FILES && common_file_stands(look) {
        return None;
    }
    let live = common_file(look).filter(|_| suffix == COMMON_FILES);
    let change = if live.is_some_and(|live| agrees(look.cluster, live, &look.zones)) {
        Change::Operator
    } else {
        Change::Wish
    };
    let step = step(StepKind::ApplyChildren, target, towards, change.urgency())
        .because("the resource asks for it");
    Some(Work::new(step).waiting(format!("addresses: {}", look.missing_addresses())))
}

/// The steps for children that stand together: one for those that were edited by hand, and one for
/// those whose change somebody may have to approve.
fn applying(children: &[&Child], target: &str, towards: &str, exists: bool) -> Vec<Work> {
    let mut works = Vec::new();
    for change in [Change::Edited, Change::Wish, Change::Operator] {
        let acts: Vec<Act> = children
            .iter()
            .filter(|child| child.change == change)
            .map(|child| Act::Apply(Box::new(child.object.clone())))
            .collect();
        if acts.is_empty() {
            continue;
        }
        let reason = match change {
            Change::Edited => "it was changed or removed by hand",
            Change::Operator => "this version of the operator writes it in another way",
            Change::Wish | Change::None => "the resource asks for it",
        };
        let step = step(StepKind::ApplyChildren, target, towards, change.urgency()).because(reason);
        let work = Work::new(step);
        works.push(if exists {
            work.acting(acts)
        } else {
            work.waiting("the identity is written first")
        });
    }
    works
}

/// Children that nobody needs any more, once no broker runs that may still name them.
pub(super) fn removals(look: &Look<'_>, settled: bool) -> Vec<Work> {
    let unwanted = build::unwanted(look.cluster, look.observed);
    if unwanted.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = unwanted
        .iter()
        .map(|(key, _)| format!("{} {}", key.kind, key.name))
        .collect();
    let all = names.join(", ");
    let step = step(
        StepKind::RemoveChildren,
        super::steps::bounded(&all, 200),
        short(&[&all]),
        Urgency::Wish,
    )
    .because("the resource no longer asks for it")
    .risking("clients that use it lose their way in");
    let work = Work::new(step);
    vec![if settled {
        let delete = |(key, uid)| Act::DeleteChild { key, uid };
        work.acting(unwanted.into_iter().map(delete).collect())
    } else {
        work.waiting("brokers restart first")
    }]
}
