//! New formats are allowed once every broker knows them and no roll is left.

use holdfast_api::FeatureLevelPolicy;

use super::steps::step;
use super::{Look, Work};
use crate::{Act, StepKind, Urgency};

/// Raises the level to the highest that all brokers know.
pub(super) fn works(look: &Look<'_>, settled: bool) -> Vec<Work> {
    let automatic = look.cluster.spec.upgrade.feature_level == FeatureLevelPolicy::Auto;
    let Some(view) = look.view.filter(|_| automatic && settled) else {
        return Vec::new();
    };
    let all_known = look
        .names
        .iter()
        .all(|name| view.brokers.contains_key(&name.id));
    let level = view
        .brokers
        .values()
        .map(|broker| broker.max_feature_level)
        .min();
    let Some(level) = level.filter(|level| all_known && *level > view.feature_level) else {
        return Vec::new();
    };
    let step = step(
        StepKind::RaiseFeatureLevel,
        format!("level {level}"),
        level.to_string(),
        Urgency::Wish,
    )
    .because("every broker knows it")
    .risking("versions that do not know it cannot return");
    vec![Work::new(step).acting(vec![Act::RaiseFeatureLevel(level)])]
}
