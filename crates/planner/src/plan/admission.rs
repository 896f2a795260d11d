//! New disks are let in. A disk that comes under the name of a broker that the cluster knows is never
//! let in by the operator: it may be an empty one in the place of a full one.

use super::steps::step;
use super::{Look, Work};
use crate::{Act, Finding, Lifecycle, ProcessView, StepKind, Urgency};

/// Admits what is new.
pub(super) fn works(look: &Look<'_>, findings: &mut Vec<Finding>) -> Vec<Work> {
    if look.view.is_none() {
        return Vec::new();
    }
    let mut works = Vec::new();
    for name in &look.names {
        let Some(process) = look.process(name.id) else {
            continue;
        };
        if process.lifecycle == Lifecycle::Replaced {
            findings.push(refused(process));
        }
        if process.lifecycle != Lifecycle::WaitingForAdmission {
            continue;
        }
        let known = look.known(name.id);
        if known.is_some_and(|broker| broker.incarnation == process.incarnation) {
            continue;
        }
        if known.is_some() || look.votes(name.id) {
            findings.push(replaced(look, process));
            continue;
        }
        let step = step(
            StepKind::AdmitBrokers,
            format!("broker {}", name.id),
            "",
            Urgency::Upkeep,
        )
        .because("its disk is new to the cluster");
        let work = Work::new(step);
        works.push(
            if process.rpc_host.is_empty() || process.incarnation.is_empty() {
                work.waiting("it has not said yet where it listens")
            } else {
                work.acting(vec![Act::Admit {
                    broker: name.id,
                    incarnation: process.incarnation.clone(),
                    host: process.rpc_host.clone(),
                    port: process.rpc_port,
                }])
            },
        );
    }
    works
}

/// The cluster refuses its disk, or another process has its place.
fn refused(process: &ProcessView) -> Finding {
    let ProcessView { broker, detail, .. } = process;
    Finding {
        reason: "DiskRefused",
        message: format!(
            "broker {broker} is refused: {detail}. Nothing is done to it. Only if its disk was set back \
             or cloned, and others hold what it held, delete its claim and its pod, and admit the disk \
             that comes then"
        ),
        stalled: true,
    }
}

/// Another disk than before.
fn replaced(look: &Look<'_>, process: &ProcessView) -> Finding {
    let id = process.broker;
    let held = look.known(id).map_or(0, |broker| broker.replicas);
    Finding {
        reason: "DiskReplaced",
        message: format!(
            "broker {id} has another disk than the cluster knows, and {held} replicas are on the \
             known one. If that is lost for good: `holdfast cluster admit {id}@{}` fills the new \
             one from the others; otherwise bring the old volume back. Nothing is done to either",
            process.incarnation
        ),
        stalled: true,
    }
}
