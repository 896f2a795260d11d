//! A cluster forms once, whatever crashes on the way.

use std::sync::Arc;
use std::time::Duration;

use holdfast_quorum::{Keyspace, Phase};

use crate::cluster::{Ground, agreed, commit, formed, mark, stop};
use crate::crash::CrashDisk;
use crate::node::{Node, broker, eventually, options};

/// The writes of a young initiator that happen in any case: opening, the binding, the first
/// membership, its vote, its election, the first entry of its term.
const INITIATOR_WRITES: u64 = 6;

/// And of another voter: opening, the binding, its vote, the first entries, the first changes.
const VOTER_WRITES: u64 = 5;

/// Crashes one broker at one write, starts it again, and demands one whole cluster.
async fn crash_and_resume(victim: usize, write: u64, keeps: bool) {
    let ground = Ground::new(3, 3, options());
    let mut nodes = Vec::new();
    for (index, site) in ground.sites.iter().enumerate() {
        if index != victim {
            nodes.push(site.start().await);
        }
    }
    let site = &ground.sites[victim];
    let db = site.open();
    let disk = CrashDisk::new(Arc::clone(&db), write, keeps);
    let keyspace: Arc<dyn Keyspace> = disk.clone();
    let held = Arc::clone(&db);
    // The first write is part of opening: then there is no process to stop.
    let started = site.start_on(keyspace, db).await;
    eventually("the disk stopped", || disk.crashed().then_some(())).await;
    drop(disk);
    match started {
        Ok(crashing) => {
            drop(held);
            crashing.stop().await;
        }
        // The last handle must be this one, or the database might still be closing.
        Err(_crashed) => {
            eventually("all handles are closed", || {
                (Arc::strong_count(&held) == 1).then_some(())
            })
            .await;
            drop(held);
        }
    }
    nodes.insert(victim, site.start().await);
    formed(&nodes).await;
    let version = commit(&nodes, mark(1)).await.version;
    agreed(&nodes, version).await;
    assert_eq!(version, 2, "the first changes and the mark, each once");
    for node in &nodes {
        let voters = node.quorum.voters();
        assert!(
            ground
                .sites
                .iter()
                .all(|site| voters.contains(&site.replica)),
            "{voters:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_initiator_may_crash_at_every_write() {
    for write in 1..=INITIATOR_WRITES {
        for keeps in [false, true] {
            crash_and_resume(0, write, keeps).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_may_crash_at_every_write() {
    for write in 1..=VOTER_WRITES {
        for keeps in [false, true] {
            crash_and_resume(2, write, keeps).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_forms_without_every_voter() {
    let ground = Ground::new(3, 3, options());
    let mut nodes = vec![ground.sites[0].start().await, ground.sites[1].start().await];
    eventually("the initiator names who is missing", || {
        match nodes[0].phase() {
            Phase::Forming { waiting_for, .. } => (waiting_for == [broker(3)]).then_some(()),
            Phase::WaitingForAdmission { .. } | Phase::Member => None,
        }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for node in &nodes {
        assert!(
            matches!(node.phase(), Phase::Forming { .. }),
            "{:?}",
            node.phase()
        );
        assert!(node.quorum.voters().is_empty());
        assert_eq!(node.quorum.leadership().borrow().term, 0);
    }
    nodes.push(ground.sites[2].start().await);
    formed(&nodes).await;
    stop(nodes).await;
}

/// A disk that gave its word to an attempt keeps it, although the initiator's disk is gone: that
/// disk might only be away, with the first membership on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_given_word_outlives_the_initiator() {
    let ground = Ground::new(3, 3, options());
    let first = ground.sites[0].start().await;
    let second = ground.sites[1].start().await;
    let waits_for = |node: &Node, id: i32| match node.phase() {
        Phase::Forming {
            waiting_for,
            reason,
        } if waiting_for == [broker(id)] => Some(reason),
        Phase::Forming { .. } | Phase::WaitingForAdmission { .. } | Phase::Member => None,
    };
    eventually("two are bound", || waits_for(&first, 3)).await;
    let first = first.stop().await.wiped(666).start().await;
    let third = ground.sites[2].start().await;
    let reason = eventually("the second refuses", || match first.phase() {
        Phase::Forming {
            waiting_for,
            reason,
        } => waiting_for.contains(&broker(2)).then_some(reason),
        Phase::WaitingForAdmission { .. } | Phase::Member => None,
    });
    let reason = reason.await;
    assert!(reason.contains("gave its word"), "{reason}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    for node in [&first, &second, &third] {
        assert!(node.quorum.voters().is_empty());
    }
    stop(vec![first, second, third]).await;
}
