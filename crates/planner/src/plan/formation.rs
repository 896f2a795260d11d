//! The brokers of a new cluster become one. Nothing is done but to wait, and to take the formation
//! document away once it has been used: from then on a disk that is formatted again is a stranger.

use super::identity::Standing;
use super::steps::step;
use super::{Look, Work};
use crate::{Act, Lifecycle, StepKind, Urgency, formed};

/// Waits for the formation, and closes it.
pub(super) fn works(look: &Look<'_>, standing: &Standing) -> Vec<Work> {
    let written = standing.written.as_ref();
    if written.is_some_and(|identity| identity.formed && identity.formation.is_none()) {
        return Vec::new();
    }
    let identity = &standing.identity;
    let step = step(
        StepKind::FormCluster,
        super::steps::named(&identity.voters),
        "",
        Urgency::Upkeep,
    )
    .because("they are the first voters of the new cluster")
    .risking("its id stays for ever");
    let work = Work::new(step);
    let Some(written) = written else {
        return vec![work.waiting("the identity is written first")];
    };
    let member = look.names.iter().any(|name| {
        matches!(
            look.lifecycle(name.id),
            Some(
                Lifecycle::Registering | Lifecycle::Fenced | Lifecycle::Serving | Lifecycle::Parked
            )
        )
    });
    if member && look.view.is_some() {
        return vec![work.acting(vec![Act::UpdateIdentity(formed(written))])];
    }
    let silent: Vec<i32> = identity
        .voters
        .iter()
        .copied()
        .filter(|id| look.process(*id).is_none())
        .collect();
    vec![if silent.is_empty() {
        work.waiting("the voters confirm to each other that they are new")
    } else {
        let who = super::steps::named(&silent);
        work.waiting(format!(
            "all voters must answer, and there is no answer from {who}"
        ))
    }]
}
