//! Brokers that stay away for a while, with their disks; and those that come back.

use std::collections::BTreeSet;

use super::approval::Allowed;
use super::children::{BROKER_FILES, Change};
use super::permit::Round;
use super::roll::stop;
use super::steps::step;
use super::{Look, Work};
use crate::{Lifecycle, PermitPurpose, StepKind, Urgency};

/// Parks and unparks.
pub(super) fn works(look: &Look<'_>, allowed: Allowed) -> Vec<Work> {
    let change = look.files(BROKER_FILES);
    let early = change != Change::None;
    let held = early && !allowed.permits(change.urgency());
    let mut works = Vec::new();
    for name in &look.names {
        let wanted = look.cluster.parked.contains(&name.id);
        let parked = look.lifecycle(name.id) == Some(Lifecycle::Parked);
        if look.pod(name.id).is_none() || wanted == parked {
            continue;
        }
        let work = if wanted {
            park(look, name.id, early)
        } else {
            unpark(look, name.id, early)
        };
        works.push(if held {
            work.waiting("its file waits for approval")
        } else {
            work
        });
    }
    works
}

fn park(look: &Look<'_>, id: i32, early: bool) -> Work {
    let step = step(
        StepKind::ParkBrokers,
        format!("broker {id}"),
        "parked",
        Urgency::Wish,
    )
    .because("spec.brokers says so")
    .risking("its partitions have one replica less until it comes back")
    .restarting(vec![id]);
    let mut work = Work::new(step);
    work.permits = 1;
    if early {
        return work.waiting("its file is written first");
    }
    if look.is_down(id) {
        return work.waiting("it is down, and parks itself at its next start");
    }
    let services = &look.observed.services;
    let wanted = crate::build::configuration_digest(look.cluster, id, services);
    match look.process(id) {
        None => work.waiting("its process does not answer"),
        Some(process) if Some(&process.configuration) == wanted.as_ref() => {
            work.waiting("it has read its file and parks")
        }
        Some(_) => {
            work.rounds = vec![Round {
                brokers: BTreeSet::from([id]),
                purpose: PermitPurpose::Park,
                reason: format!("broker {id} is parked"),
            }];
            work
        }
    }
}

fn unpark(look: &Look<'_>, id: i32, early: bool) -> Work {
    let step = step(
        StepKind::UnparkBrokers,
        format!("broker {id}"),
        "running",
        Urgency::Wish,
    )
    .because("spec.brokers no longer parks it")
    .risking("it copies what it missed")
    .restarting(vec![id]);
    let work = Work::new(step);
    if early {
        return work.waiting("its file is written first");
    }
    let acts = stop(look, id, "it was parked and serves nothing");
    work.acting(acts.into_iter().collect())
}
