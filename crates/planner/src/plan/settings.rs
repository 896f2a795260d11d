//! Settings that brokers take while they run.

use std::collections::BTreeMap;

use super::identity::Standing;
use super::steps::{named, short, step};
use super::{Look, Work};
use crate::{Act, StepKind, Urgency};

/// The settings that differ. The resource is the whole truth: one that it does not name goes.
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
        .filter(|key| !wanted.contains_key(*key))
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
