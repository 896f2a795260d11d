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
        let old_disk = old.replica();
        if old.incarnation == replica.incarnation {
            return Self::is_a_copy_for_ever(image, replica);
        }
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

    /// Which partition nobody but this disk holds, and how many more; none if the cluster can do without
    /// it.
    pub fn holds_alone(image: &ClusterImage, disk: ReplicaId) -> Option<(String, usize)> {
        last_held(image, disk)
    }

    /// Why a broker may not take a new disk in the place of a damaged one by itself: the cluster knows
    /// another disk of it than the one that it says it had.
    pub fn hindrance_to_renewal(
        image: &ClusterImage,
        replica: ReplicaId,
        replaces: Incarnation,
    ) -> Option<String> {
        let admitted = image.admitted.get(&replica.broker).copied();
        if admitted == Some(replica.incarnation) {
            return None;
        }
        match admitted.or_else(|| image.incarnation(replica.broker)) {
            Some(known) if known == replaces => None,
            Some(other) => Some(format!(
                "broker {} is known with disk {other}, not with {replaces}: a person decides which takes \
                 its place",
                replica.broker
            )),
            None => Some(format!("broker {} was never here", replica.broker)),
        }
    }

    /// Why a disk that was seen twice may not be admitted again: which of its copies holds what it
    /// acknowledged nobody can tell, and others hold it too. If it alone holds a partition, a person may
    /// take the risk.
    pub(super) fn is_a_copy_for_ever(image: &ClusterImage, replica: ReplicaId) -> Option<String> {
        let others_hold_it = last_held(image, replica).is_none();
        (Self::is_shut_out(image, replica) && others_hold_it).then(|| {
            format!(
                "disk {replica} was rolled back or cloned, and may lack what it acknowledged; format \
                 a disk anew in its place"
            )
        })
    }

    /// Whether a disk was seen twice: no copy of it is let in again by itself.
    pub(super) fn is_shut_out(image: &ClusterImage, replica: ReplicaId) -> bool {
        let nobody = image.admitted.get(&replica.broker) == Some(&Incarnation(0));
        let known = image.brokers.get(&replica.broker);
        nobody && known.is_some_and(|record| record.incarnation == replica.incarnation)
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
