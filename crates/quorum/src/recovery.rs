//! The metadata of a disk whose broker does not run: read as it is, and replaced by what a recovery
//! has planned.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use holdfast_kernel::image::ClusterImage;
use holdfast_kernel::recovery::{Member, Plan, Position};
use holdfast_model::{RecoveryGeneration, ReplicaId};
use openraft::{CommittedLeaderId, EntryPayload, Membership as Members};

use crate::keys::recovery::Marker;
use crate::keys::snapshot::{self, CHUNK_BYTES, Head};
use crate::keys::{self, entry};
use crate::keyspace::Keyspace;
use crate::node::{Entry, LogId, Membership, NodeId, Peer, SnapshotMeta, Vote};
use crate::snapshot_store::{self, SnapshotStore};
use crate::storage::{Error, check_level};

/// Entries read from disk at a time.
const SCAN: usize = 256;

/// What a disk knows of the metadata.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The term of its last vote; 0 if it never voted.
    pub vote_term: u64,
    /// The end of its log; none if it was never in a quorum.
    pub last: Option<Position>,
    /// The members, as its log has them.
    pub members: Vec<Member>,
    /// The newest image that it can build: snapshot and log, with what was perhaps not committed.
    pub image: ClusterImage,
    /// The recovery that was installed last; 0 for none.
    pub recovery: RecoveryGeneration,
}

/// The recovery generation of the metadata on a disk; 0 if there was none. A disk whose identity
/// names an earlier one was not stamped to the end. Blocks.
///
/// # Errors
/// The disk fails, or the value is damaged.
pub fn generation(keyspace: &dyn Keyspace) -> Result<RecoveryGeneration, Error> {
    let marker = keys::recovery::get(keyspace)?;
    Ok(RecoveryGeneration(
        marker.map_or(0, |marker| marker.generation),
    ))
}

/// Reads a disk's metadata and changes nothing. Blocks.
///
/// # Errors
/// The disk fails, or what it holds is damaged.
pub fn read(keyspace: &Arc<dyn Keyspace>) -> Result<Metadata, Error> {
    let snapshot = SnapshotStore::read(keyspace)?;
    let (mut image, mut membership, base) = match snapshot {
        Some((meta, data)) => (
            snapshot_store::decode(&data)?,
            meta.last_membership,
            meta.last_log_id,
        ),
        None => (ClusterImage::default(), Membership::default(), None),
    };
    let purged = keys::purged::get(&**keyspace)?;
    let mut last = purged.max(base);
    let mut next = purged.map_or(0, |id| id.index + 1);
    if next > base.map_or(0, |id| id.index + 1) {
        let detail = format!("the log begins at {next}, the snapshot ends before");
        return Err(Error::damaged("log", detail));
    }
    loop {
        let stored = entry::scan(&**keyspace, next, SCAN)?;
        let Some(first) = stored.first() else { break };
        if first.entry.log_id.index != next {
            return Err(Error::damaged("log", format!("entry {next} is missing")));
        }
        for stored in stored {
            let id = stored.entry.log_id;
            next = id.index + 1;
            if base.is_none_or(|base| id.index > base.index) {
                apply(&mut image, &mut membership, stored.entry)?;
            }
            last = last.max(Some(id));
        }
    }
    let vote = keys::vote::get(&**keyspace)?;
    Ok(Metadata {
        vote_term: vote.map_or(0, |vote| vote.leader_id.term),
        last: last.map(|id| Position {
            term: id.leader_id.term,
            index: id.index,
        }),
        members: members(&membership),
        image,
        recovery: generation(&**keyspace)?,
    })
}

fn apply(image: &mut ClusterImage, membership: &mut Membership, entry: Entry) -> Result<(), Error> {
    let id = entry.log_id;
    match entry.payload {
        EntryPayload::Blank => {}
        EntryPayload::Membership(members) => *membership = Membership::new(Some(id), members),
        EntryPayload::Normal(command) => {
            let what = || format!("log entry {id}");
            let batch = command.decode().map_err(|error| error.in_the_log(what()))?;
            std::panic::catch_unwind(AssertUnwindSafe(|| image.apply_batch(&batch)))
                .map_err(|_logged| Error::damaged(what(), "invariant broken"))?;
            check_level(image)?;
        }
    }
    Ok(())
}

fn members(membership: &Membership) -> Vec<Member> {
    let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
    let describe = |(id, peer): (&NodeId, &Peer)| Member {
        replica: id.0,
        host: peer.host.clone(),
        port: peer.port,
        zone: peer.zone.clone(),
        votes: voters.contains(id),
    };
    membership.membership().nodes().map(describe).collect()
}

/// An image in its written form, checksum included: as snapshots hold it.
///
/// # Errors
/// It is larger than a snapshot may be.
pub fn encode_image(image: &ClusterImage) -> Result<Vec<u8>, Error> {
    Ok(snapshot_store::encode(image)?.to_vec())
}

/// The image of its written form.
///
/// # Errors
/// The bytes are damaged, or of a newer version.
pub fn decode_image(bytes: &[u8]) -> Result<ClusterImage, Error> {
    snapshot_store::decode(bytes)
}

/// Whether a plan was installed on this disk already. Blocks.
///
/// # Errors
/// The disk fails, or the value is damaged.
pub fn is_installed(keyspace: &dyn Keyspace, plan: &Plan) -> Result<bool, Error> {
    let Some(begins_after) = begins_after(plan) else {
        return Ok(false);
    };
    let marker = Marker {
        generation: plan.to.0,
        begins_after,
    };
    Ok(keys::recovery::get(keyspace)? == Some(marker))
}

/// Replaces the metadata of a disk by that of a plan: its image as the snapshot, its members, an
/// empty log behind it, and a vote that no one else was given. Synced when it returns. Interrupted,
/// it leaves the old metadata or the new, never a mixture; it may be repeated. Blocks.
///
/// # Errors
/// The disk fails, or the image does not fit into a snapshot.
pub fn install(keyspace: &Arc<dyn Keyspace>, plan: &Plan) -> Result<(), Error> {
    let id =
        begins_after(plan).ok_or_else(|| Error::Unwritable("a plan without disks".to_owned()))?;
    let data = snapshot_store::encode(&plan.image)?;
    let voters: BTreeSet<NodeId> = plan.members.iter().map(|m| NodeId(m.replica)).collect();
    let nodes: BTreeMap<NodeId, Peer> = plan
        .members
        .iter()
        .map(|member| {
            let peer = Peer {
                host: member.host.clone(),
                port: member.port,
                zone: member.zone.clone(),
            };
            (NodeId(member.replica), peer)
        })
        .collect();
    let generation = snapshot::head(&**keyspace)?.map_or(0, |head| head.generation) + 1;
    // Unpublished chunks are nothing: the next start, or the next try, removes them.
    keyspace.write(vec![snapshot::delete_above(generation - 1)])?;
    for (chunk, part) in (0u32..).zip(data.chunks(CHUNK_BYTES)) {
        keyspace.write(vec![snapshot::put_chunk(generation, chunk, part)])?;
    }
    let head = Head {
        generation,
        bytes: data.len() as u64,
        meta: SnapshotMeta {
            last_log_id: Some(id),
            last_membership: Membership::new(Some(id), Members::new(vec![voters], nodes)),
            snapshot_id: id.to_string(),
        },
    };
    // The moment at which the new metadata counts: one batch, all of it or nothing.
    let mut ops = snapshot::publish(&head)?;
    ops.push(entry::delete_from(0));
    ops.push(keys::purged::put(&id)?);
    ops.push(keys::committed::put(&id)?);
    ops.push(keys::vote::put(&Vote::new(
        id.leader_id.term,
        id.leader_id.node_id,
    ))?);
    ops.push(keys::recovery::put(&Marker {
        generation: plan.to.0,
        begins_after: id,
    })?);
    keyspace.write(ops)?;
    Ok(())
}

/// The log id that stands before the new log, the same on every disk of the plan.
fn begins_after(plan: &Plan) -> Option<LogId> {
    let first: ReplicaId = plan.disks.first()?.replica;
    let leader = CommittedLeaderId::new(plan.position.term, NodeId(first));
    Some(LogId::new(leader, plan.position.index))
}

#[cfg(test)]
mod tests;
