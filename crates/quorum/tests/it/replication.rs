//! Elections, replication, restarts, subscriptions, members, snapshots.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_kernel::image::{CHANGE_FORMAT, Change, ChangeBatch};
use holdfast_model::{Incarnation, ReplicaId};
use holdfast_quorum::{Changes, Error, KeyOp, Keyspace, Options, Phase, StorageError};

use crate::cluster::{Ground, agreed, commit, formed, leader, mark, stop};
use crate::node::{Node, PATIENCE, broker, eventually, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_brokers_replicate_and_come_back_after_all_stopped() {
    let ground = Ground::new(3, 3, options());
    let nodes = ground.start().await;
    formed(&nodes).await;

    // Every broker's subscription sees every change exactly once and in order.
    let mut followed = Vec::new();
    for node in &nodes {
        let mut updates = node.quorum.subscribe();
        let first = updates.next().await.expect("update");
        assert!(matches!(first.changes, Changes::Full));
        followed.push((updates, first.image.version));
    }
    let mut version = 0;
    for number in 0..20 {
        version = commit(&nodes, mark(number)).await.version;
    }
    agreed(&nodes, version).await;
    for (updates, mut seen) in followed {
        let mut updates = updates;
        let mut marks = Vec::new();
        while seen < version {
            let update = updates.next().await.expect("update");
            assert!(
                matches!(update.changes, Changes::Since(_)),
                "no change may be summed up"
            );
            marks.extend(update.changes.iter().cloned());
            seen = update.image.version;
        }
        assert_eq!(marks, (0..20).map(mark).collect::<Vec<Change>>());
    }

    // A batch decided on an older image has no effect.
    let at = leader(&nodes).await;
    let stale = ChangeBatch {
        format: CHANGE_FORMAT,
        decided_on: 1,
        changes: vec![mark(99)],
    };
    let outcome = nodes[at].quorum.propose(&stale).await.expect("committed");
    assert!(!outcome.applied);
    assert_eq!(outcome.version, version);

    // Elsewhere a proposal is refused and names the leader.
    let other = &nodes[(at + 1) % 3].quorum;
    let Err(Error::NotLeader { leader: Some(hint) }) = other.propose(&stale).await else {
        panic!("a follower took a proposal");
    };
    assert_eq!(hint.replica, nodes[at].site.replica);
    assert_eq!(hint.address, nodes[at].site.peer().address());

    let status = nodes[at].quorum.status();
    assert_eq!(status.leader, Some(hint.replica));
    assert_eq!(status.voters.len(), 3);
    for voter in &status.voters {
        assert!(
            voter.log_end.is_some() && voter.last_caught_up_ms.is_some(),
            "{voter:?}"
        );
    }

    let before = nodes[at].quorum.image();
    let mut sites = Vec::new();
    for node in nodes {
        sites.push(node.stop().await);
    }
    let mut nodes = Vec::new();
    for site in &sites {
        nodes.push(site.start().await);
    }
    agreed(&nodes, version).await;
    assert_eq!(nodes[0].quorum.image(), before);
    commit(&nodes, mark(100)).await;
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_leader_is_replaced_and_comes_back_as_a_follower() {
    let ground = Ground::new(3, 3, options());
    let mut nodes = ground.start().await;
    formed(&nodes).await;
    for round in 0..3 {
        let version = commit(&nodes, mark(round)).await.version;
        let lost = nodes.remove(leader(&nodes).await);
        let site = lost.stop().await;
        commit(&nodes, mark(100 + round)).await;
        nodes.push(site.start().await);
        agreed(&nodes, version + 1).await;
    }
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_hands_over_when_asked() {
    let ground = Ground::new(3, 3, options());
    let nodes = ground.start().await;
    formed(&nodes).await;
    let before = leader(&nodes).await;
    assert!(
        nodes[before].quorum.step_down(PATIENCE).await,
        "nobody took over"
    );
    let hinted = eventually("another leader is known", || {
        nodes[before].quorum.leadership().borrow().leader.clone()
    });
    assert_ne!(hinted.await.replica, nodes[before].site.replica);
    commit(&nodes, mark(1)).await;
    stop(nodes).await;
}

/// A new disk of a broker, admitted by the leader, gets the vote of the old one.
async fn admit_in_place_of(nodes: &[Node], old: ReplicaId, new: &Node) {
    loop {
        let quorum = &nodes[leader(nodes).await].quorum;
        let admitted = async {
            quorum.admit(new.site.replica, new.site.peer()).await?;
            quorum.replace_voter(old, new.site.replica).await
        };
        match admitted.await {
            Ok(()) => return,
            Err(Error::NotLeader { .. } | Error::TimedOut | Error::Members(_)) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_disk_is_refused_until_it_is_admitted_as_another() {
    // The initiator of the formation and another voter: neither may form anything again.
    for wiped in [0, 2] {
        let ground = Ground::new(3, 3, options());
        let mut nodes = ground.start().await;
        formed(&nodes).await;
        commit(&nodes, mark(1)).await;
        let old = nodes.remove(wiped).stop().await;
        let new = old.wiped(777).start().await;
        eventually("the new disk waits", || {
            matches!(new.phase(), Phase::WaitingForAdmission { .. }).then_some(())
        })
        .await;
        commit(&nodes, mark(2)).await;
        // The members still send to the old disk at this address; none of it may arrive.
        assert_eq!(new.quorum.image().version, 0);
        assert!(new.quorum.voters().is_empty());

        admit_in_place_of(&nodes, old.replica, &new).await;
        nodes.push(new);
        let version = commit(&nodes, mark(3)).await.version;
        formed(&nodes).await;
        agreed(&nodes, version).await;
        let voters = nodes[leader(&nodes).await].quorum.voters();
        let expected: BTreeSet<ReplicaId> = nodes.iter().map(|node| node.site.replica).collect();
        assert_eq!(voters, expected);
        stop(nodes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_a_vote_learns_from_a_snapshot() {
    let short = Options {
        snapshot_entries: 10,
        keep_entries: 0,
        ..options()
    };
    let ground = Ground::new(4, 3, short);
    let mut nodes = Vec::new();
    for site in &ground.sites[..3] {
        nodes.push(site.start().await);
    }
    formed(&nodes).await;
    let learner = ground.sites[3].start().await;
    let mut version = 0;
    for number in 0..300 {
        version = commit(&nodes, mark(number)).await.version;
    }
    let at = leader(&nodes).await;
    eventually("the log was cut", || {
        (nodes[at].quorum.status().log_start > 0).then_some(())
    })
    .await;
    assert!(matches!(learner.phase(), Phase::WaitingForAdmission { .. }));
    let quorum = &nodes[at].quorum;
    quorum
        .admit(learner.site.replica, learner.site.peer())
        .await
        .expect("admitted");
    let image = learner
        .quorum
        .wait_applied(version, PATIENCE)
        .await
        .expect("caught up");
    assert_eq!(image, quorum.image());
    eventually("a member", || {
        (learner.phase() == Phase::Member).then_some(())
    })
    .await;
    assert!(!quorum.voters().contains(&learner.site.replica));

    // And it starts again from that snapshot.
    let site = learner.stop().await;
    let learner = site.start().await;
    learner
        .quorum
        .wait_applied(version, PATIENCE)
        .await
        .expect("state is back");

    // Another disk of the same broker takes the learner's place.
    let again = learner.stop().await.wiped(888).start().await;
    quorum
        .admit(again.site.replica, again.site.peer())
        .await
        .expect("admitted");
    again
        .quorum
        .wait_applied(version, PATIENCE)
        .await
        .expect("caught up");
    let learners: Vec<ReplicaId> = quorum
        .status()
        .learners
        .iter()
        .map(|learner| learner.replica)
        .collect();
    assert_eq!(
        learners,
        [ReplicaId {
            broker: broker(4),
            incarnation: Incarnation(888)
        }]
    );

    // And a vote beside the others.
    let mut voters = quorum.voters();
    assert!(voters.insert(again.site.replica));
    quorum.change_voters(voters.clone()).await.expect("a vote");
    assert_eq!(quorum.voters(), voters);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_vote_stops_the_start() {
    let ground = Ground::new(1, 1, options());
    let mut nodes = ground.start().await;
    formed(&nodes).await;
    let site = nodes.remove(0).stop().await;
    let db = site.open();
    let mut value = Keyspace::get(&*db, b"raft/vote")
        .expect("read")
        .expect("voted");
    let last = value.len() - 1;
    value[last] ^= 1;
    let op = KeyOp::Put {
        key: b"raft/vote".to_vec(),
        value,
    };
    Keyspace::write(&*db, vec![op]).expect("write");
    let keyspace: std::sync::Arc<dyn Keyspace> = db.clone();
    match site.start_on(keyspace, db).await {
        Err(Error::Storage(StorageError::Damaged { .. })) => {}
        Err(error) => panic!("{error}"),
        Ok(_node) => panic!("started on a damaged vote"),
    }
}
