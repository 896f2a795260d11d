//! Makes a plan of descriptions.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_model::{BrokerEpoch, Incarnation, RecoveryGeneration, ReplicaId, StartNumber};

use super::partition::{Evidence, decide};
use super::{
    Description, EPOCH_MARGIN, Error, Member, PRODUCER_ID_MARGIN, Plan, PlannedDisk, Position,
    Stray,
};
use crate::image::ClusterImage;

/// Chooses the newest metadata among the descriptions and says what becomes of every partition. Every
/// disk that is not described counts as lost.
///
/// # Errors
/// [`Error`]: the descriptions do not belong together, or there is no need.
pub fn plan(mut descriptions: Vec<Description>) -> Result<Plan, Error> {
    descriptions.sort_by_key(|one| one.replica);
    let disks = check(&descriptions)?;
    let newest = descriptions
        .iter()
        .max_by_key(|one| (one.last_log, std::cmp::Reverse(one.replica)))
        .ok_or(Error::Nothing)?;
    for one in &descriptions {
        check_standing(one, newest)?;
    }
    let (votes_described, votes) = count_votes(newest, &descriptions);
    if votes_described * 2 > votes {
        return Err(Error::NotNeeded {
            there: votes_described,
            voters: votes,
        });
    }
    let here: BTreeSet<ReplicaId> = descriptions.iter().map(|one| one.replica).collect();
    let members = members(newest, &here)?;
    let lost = lost(&descriptions, &here);
    let mut image = newest.image.clone();
    raise_counters(&mut image, &descriptions);
    retire(&mut image, &lost);
    let evidence = Evidence::new(&descriptions, &here);
    let partitions = decide(&mut image, &evidence);
    let strays = strays(&image, &descriptions);
    let top = descriptions
        .iter()
        .map(|one| one.last_log.unwrap_or_default());
    let votes_cast = descriptions.iter().map(|one| one.vote_term);
    let position = Position {
        term: top
            .clone()
            .map(|at| at.term)
            .chain(votes_cast)
            .max()
            .unwrap_or(0)
            + 1,
        index: top.map(|at| at.index).max().unwrap_or(0) + 1,
    };
    let from = newest.recovery;
    Ok(Plan {
        cluster: newest.cluster,
        from,
        to: RecoveryGeneration(from.0 + 1),
        newest: newest.replica,
        newest_position: newest.last_log.unwrap_or_default(),
        votes_described,
        votes,
        disks,
        members,
        position,
        lost: lost.into_keys().collect(),
        partitions,
        strays,
        image,
    })
}

/// Whether the descriptions belong together.
fn check(descriptions: &[Description]) -> Result<Vec<PlannedDisk>, Error> {
    let first = descriptions.first().ok_or(Error::Nothing)?;
    for pair in descriptions.windows(2) {
        if let [first, second] = pair
            && first.replica.broker == second.replica.broker
        {
            return Err(Error::Twice {
                first: first.replica,
                second: second.replica,
            });
        }
    }
    let mut disks = Vec::with_capacity(descriptions.len());
    for one in descriptions {
        let replica = one.replica;
        if one.cluster != first.cluster {
            return Err(Error::OtherCluster {
                replica,
                found: one.cluster,
                expected: first.cluster,
            });
        }
        if one.recovery != first.recovery {
            return Err(Error::OtherGeneration {
                replica,
                found: one.recovery,
                expected: first.recovery,
            });
        }
        let last_log = one.last_log.ok_or(Error::Blank(replica))?;
        disks.push(PlannedDisk {
            replica,
            start: one.start,
            last_log,
        });
    }
    Ok(disks)
}

/// Whether the newest metadata counts a disk in.
fn check_standing(one: &Description, newest: &Description) -> Result<(), Error> {
    let (image, replica) = (&newest.image, one.replica);
    let admitted = image.admitted.get(&replica.broker) == Some(&replica.incarnation);
    if !admitted || image.retired.contains_key(&replica) {
        return Err(Error::NotAdmitted {
            replica,
            newest: newest.replica,
        });
    }
    let seen = image.replica(replica).map(|record| record.start);
    if let Some(seen) = seen.filter(|seen| *seen > one.start) {
        return Err(Error::RolledBack {
            replica,
            found: one.start,
            seen,
        });
    }
    Ok(())
}

/// How many voters the newest metadata knows, and how many of them are described.
fn count_votes(newest: &Description, descriptions: &[Description]) -> (usize, usize) {
    let voters = newest.members.iter().filter(|member| member.votes);
    let described = voters
        .clone()
        .filter(|voter| descriptions.iter().any(|one| one.replica == voter.replica));
    (described.count(), voters.count())
}

/// The members of the new quorum, with their addresses.
fn members(newest: &Description, here: &BTreeSet<ReplicaId>) -> Result<Vec<Member>, Error> {
    let mut members = Vec::with_capacity(here.len());
    for replica in here {
        let known = newest
            .members
            .iter()
            .find(|member| member.replica == *replica)
            .cloned();
        let registered = newest.image.replica(*replica).map(|record| Member {
            replica: *replica,
            host: record.rpc.host.clone(),
            port: record.rpc.port,
            zone: record.rack.clone(),
            votes: true,
        });
        let member = known.or(registered).ok_or(Error::NoAddress(*replica))?;
        members.push(Member {
            votes: true,
            ..member
        });
    }
    Ok(members)
}

/// Every disk of which any description knows that is not described itself, with its last start.
fn lost(
    descriptions: &[Description],
    here: &BTreeSet<ReplicaId>,
) -> BTreeMap<ReplicaId, StartNumber> {
    let mut lost = BTreeMap::new();
    for one in descriptions {
        let image = &one.image;
        let registered = image
            .brokers
            .values()
            .map(|record| (record.replica(), record.start));
        let admitted = image.admitted.iter().map(|(broker, incarnation)| {
            let replica = ReplicaId {
                broker: *broker,
                incarnation: *incarnation,
            };
            (replica, StartNumber(0))
        });
        let members = one
            .members
            .iter()
            .map(|member| (member.replica, StartNumber(0)));
        for (replica, start) in registered.chain(admitted).chain(members) {
            // No incarnation is zero: it stands for a broker of whom no disk is admitted.
            if !here.contains(&replica) && replica.incarnation != Incarnation(0) {
                let seen = lost.entry(replica).or_insert(start);
                *seen = start.max(*seen);
            }
        }
    }
    lost
}

/// Raises what only grows above everything that anybody has seen.
fn raise_counters(image: &mut ClusterImage, descriptions: &[Description]) {
    let images = || descriptions.iter().map(|one| &one.image);
    let version = images().map(|image| image.version).max().unwrap_or(0);
    image.version = version + 1;
    let epoch = images().map(|image| image.next_broker_epoch.0).max();
    let margin = EPOCH_MARGIN.unsigned_abs().into();
    image.next_broker_epoch = BrokerEpoch(epoch.unwrap_or(0).saturating_add(margin));
    let handed_out = images().map(|image| image.next_producer_id);
    let used = descriptions
        .iter()
        .flat_map(|one| &one.copies)
        .map(|copy| copy.largest_producer_id.saturating_add(1));
    let next = handed_out.chain(used).max().unwrap_or(0);
    image.next_producer_id = next.saturating_add(PRODUCER_ID_MARGIN);
}

/// The lost disks never return, and every process has to register anew.
fn retire(image: &mut ClusterImage, lost: &BTreeMap<ReplicaId, StartNumber>) {
    for (replica, start) in lost {
        image.retired.insert(*replica, *start);
        if image.admitted.get(&replica.broker) == Some(&replica.incarnation) {
            image.admitted.remove(&replica.broker);
        }
    }
    for record in image.brokers.values_mut() {
        record.fenced = true;
        record.stopping = false;
    }
}

fn strays(image: &ClusterImage, descriptions: &[Description]) -> Vec<Stray> {
    let mut strays = Vec::new();
    for one in descriptions {
        for copy in &one.copies {
            let deleted = image.deleted.contains_key(&copy.at.topic);
            if image.partition(copy.at).is_none() && !deleted {
                strays.push(Stray {
                    replica: one.replica,
                    at: copy.at,
                    topic: copy.topic.clone(),
                    log_end: copy.log_end,
                });
            }
        }
    }
    strays
}
