//! What stands against admitting a disk: said to the operator before anything is changed.
//!
//! Safety does not rest on it: registering an admitted disk removes the older one of its broker from
//! every ISR in the same commit, whoever admitted it.

use holdfast_model::{Incarnation, ReplicaId};

use super::Controller;
use crate::image::{ClusterImage, IsrMember};

impl Controller {
    /// Why a disk may not be admitted now, and what to do; none if nothing stands against it. A disk
    /// that is admitted already may always be admitted again.
    pub fn hindrance(image: &ClusterImage, replica: ReplicaId) -> Option<String> {
        if replica.incarnation == Incarnation(0) || replica.broker.0 < 0 {
            return Some(format!("{replica} is no disk"));
        }
        if image.retired.contains_key(&replica) {
            return Some(format!(
                "disk {replica} was replaced and never returns; format it anew"
            ));
        }
        let old = image.brokers.get(&replica.broker)?;
        if old.incarnation == replica.incarnation {
            return None;
        }
        let old_disk = old.replica();
        if !old.fenced {
            return Some(format!(
                "disk {old_disk} is in use as broker {}; stop that broker first",
                replica.broker
            ));
        }
        let (first, more) = last_held(image, old_disk)?;
        Some(format!(
            "disk {old_disk} alone holds what was acknowledged in {first}{}; bring it back, or delete \
             those topics first",
            match more {
                0 => String::new(),
                more => format!(" and {more} more partitions"),
            }
        ))
    }
}

/// The first partition whose last ISR member or eligible leader is a disk, and how many more there
/// are.
fn last_held(image: &ClusterImage, disk: ReplicaId) -> Option<(String, usize)> {
    let mut held = image.topics.iter().flat_map(|(_, topic)| {
        let partitions = topic.partitions.iter().enumerate();
        partitions.filter_map(|(index, record)| {
            let is_it = |member: &IsrMember| member.replica == disk;
            let mut holders = record.isr.iter().chain(&record.elr);
            let alone = holders.clone().any(is_it) && holders.all(is_it);
            alone.then(|| format!("{}/{index}", topic.name))
        })
    });
    let first = held.next()?;
    Some((first, held.count()))
}
