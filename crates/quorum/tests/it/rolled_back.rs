//! A member's disk is set back to an older copy.

use crate::cluster::{Ground, agreed, commit, formed, leader, mark};
use crate::node::{Node, PATIENCE, eventually, options};

/// Changes that the disk does not have any more.
const LOST: u64 = 40;

async fn commit_some(nodes: &[Node], from: u64) -> u64 {
    let mut version = 0;
    for number in from..from + LOST {
        version = commit(nodes, mark(number)).await.version;
    }
    version
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_was_set_back_is_not_listened_to_and_the_leader_stays() {
    let ground = Ground::new(3, 3, options());
    let mut nodes = ground.start().await;
    formed(&nodes).await;
    let version = commit_some(&nodes, 0).await;
    agreed(&nodes, version).await;

    let victim = (leader(&nodes).await + 1) % 3;
    let site = nodes.remove(victim).stop().await;
    let copy = site.path.with_extension("copy");
    site.copy_to(&copy);
    nodes.push(site.started_again(12).start().await);
    let version = commit_some(&nodes, LOST).await;
    agreed(&nodes, version).await;

    let site = nodes.pop().expect("three").stop().await;
    std::fs::remove_dir_all(&site.path).expect("removed");
    std::fs::rename(&copy, &site.path).expect("set back");
    // The same number again, in another process.
    let mut old = site.clone();
    old.process = 13;
    let old = old.start().await;
    let before = old.quorum.image().version;
    assert!(before < version);
    let at = leader(&nodes).await;
    let term = nodes[at].quorum.status().term;
    let version = commit_some(&nodes, 2 * LOST).await;
    // Nobody ended, nobody else was elected, and the old disk brought nobody to vote.
    agreed(&nodes, version).await;
    assert_eq!(leader(&nodes).await, at);
    assert_eq!(nodes[at].quorum.status().term, term);

    // Without it there is no majority once another one is gone: it does not count.
    let follower = nodes.remove(1 - at);
    follower.stop().await;
    let rest = &nodes[0].quorum;
    eventually("the last one steps down", || {
        (!rest.hears_majority(PATIENCE / 30)).then_some(())
    })
    .await;
    old.stop().await;
    nodes.remove(0).stop().await;
}
