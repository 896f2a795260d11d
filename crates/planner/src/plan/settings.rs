//! Settings that brokers take while they run.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::Standing;
use super::steps::{named, short, step};
use super::{Look, Work};
use crate::{Act, StepKind, Urgency};

/// As many as the status holds; Kafka has fewer that can be changed while brokers run.
const MOST: usize = 256;

/// The settings that differ. What the resource named is its own, and goes when it names it no longer;
/// what it never named is somebody else's, and stays.
pub(super) fn works(look: &Look<'_>, standing: &Standing) -> Vec<Work> {
    let wanted = &look.cluster.dynamic_settings;
    let text: Vec<String> = wanted
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let texts: Vec<&str> = text.iter().map(String::as_str).collect();
    let step = step(
        StepKind::ChangeSettings,
        "all brokers",
        short(&texts),
        Urgency::Wish,
    );
    let Some(view) = look.view else {
        let formed = standing
            .written
            .as_ref()
            .is_some_and(|identity| identity.formed);
        // Without a controller nobody knows what differs, but for a cluster that is not yet one.
        if formed || wanted.is_empty() {
            return Vec::new();
        }
        let work = Work::new(step.because(texts.join(", ")));
        let voters = named(&standing.identity.voters);
        return vec![work.waiting(format!("{voters} form the cluster first"))];
    };
    let set = wanted
        .iter()
        .filter(|(key, value)| view.settings.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), Some(value.clone())));
    let removed = view
        .settings
        .keys()
        .filter(|key| !wanted.contains_key(*key) && look.observed.managed_settings.contains(*key))
        .map(|key| (key.clone(), None));
    let changes: BTreeMap<String, Option<String>> = set.chain(removed).collect();
    if changes.is_empty() {
        return Vec::new();
    }
    let described: Vec<String> = changes
        .iter()
        .map(|(key, value)| match value {
            Some(value) => format!("{key}={value}"),
            None => format!("{key} returns to its default"),
        })
        .collect();
    let deletes = changes
        .keys()
        .any(|key| key.contains("retention") || key.contains("cleanup"));
    let step = step.because(described.join(", ")).risking(if deletes {
        "no restart; records may be deleted sooner than before"
    } else {
        "no restart"
    });
    vec![Work::new(step).acting(vec![Act::ChangeSettings(changes)])]
}

/// The settings that are the resource's after this look: those that it names, and those that it named
/// and that are still to return to their default.
pub(super) fn managed(look: &Look<'_>) -> Vec<String> {
    let wanted = look.cluster.dynamic_settings.keys();
    let before = look.observed.managed_settings.iter();
    let is_set = |key: &&String| {
        look.view
            .is_none_or(|view| view.settings.contains_key(*key))
    };
    let all: BTreeSet<&String> = wanted.chain(before.filter(is_set)).collect();
    all.into_iter().take(MOST).cloned().collect()
}

/// The settings that somebody else changed.
pub(super) fn unmanaged(look: &Look<'_>) -> Vec<String> {
    let managed = managed(look);
    let set = look.view.iter().flat_map(|view| view.settings.keys());
    set.filter(|key| !managed.contains(key))
        .take(MOST)
        .cloned()
        .collect()
}
