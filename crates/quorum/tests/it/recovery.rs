//! A cluster of five that loses three for ever.

use std::sync::Arc;

use holdfast_kernel::recovery::{Description, Plan, plan};
use holdfast_model::{RecoveryGeneration, StartNumber};
use holdfast_quorum::{Keyspace, recovery};

use crate::cluster::{Ground, agreed, commit, formed, leader, mark, stop};
use crate::node::{Site, cluster_id, eventually, options};

fn describe(site: &Site) -> Description {
    let keyspace: Arc<dyn Keyspace> = site.open();
    let found = recovery::read(&keyspace).expect("readable");
    Description {
        cluster: cluster_id(),
        recovery: site.recovery,
        replica: site.replica,
        start: StartNumber(1),
        vote_term: found.vote_term,
        last_log: found.last,
        members: found.members,
        copies: Vec::new(),
        image: found.image,
    }
}

fn install(site: &Site, plan: &Plan) -> Site {
    let keyspace: Arc<dyn Keyspace> = site.open();
    recovery::install(&keyspace, plan).expect("installed");
    assert!(recovery::is_installed(&*keyspace, plan).expect("readable"));
    Site {
        recovery: plan.to,
        ..site.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_five_go_on_with_all_that_they_knew_and_the_others_are_foreign() {
    let ground = Ground::new(5, 5, options());
    let nodes = ground.start().await;
    formed(&nodes).await;
    let mut version = 0;
    for number in 0..5 {
        version = commit(&nodes, mark(number)).await.version;
    }
    agreed(&nodes, version).await;
    let mut sites = Vec::new();
    for node in nodes {
        sites.push(node.stop().await);
    }
    let (lost, left) = sites.split_at(3);

    let plan = plan(left.iter().map(describe).collect()).expect("a plan");
    assert_eq!((plan.votes_described, plan.votes), (2, 5));
    assert_eq!(plan.lost.len(), 3);
    let mut nodes = Vec::new();
    for site in left {
        nodes.push(install(site, &plan).start().await);
    }
    let at = leader(&nodes).await;
    assert_eq!(nodes[at].quorum.image(), Arc::new(plan.image.clone()));
    assert_eq!(nodes[at].quorum.voters().len(), 2);
    let version = commit(&nodes, mark(9)).await.version;
    agreed(&nodes, version).await;
    for number in [0, 4, 9] {
        let image = nodes[at].quorum.image();
        assert!(
            image
                .cluster_configs
                .contains_key(&format!("mark.{number}"))
        );
    }

    // One of the lost comes back: it is told, and its vote disturbs nobody.
    assert_eq!(lost[0].recovery, RecoveryGeneration(0));
    let back = lost[0].start().await;
    let told = eventually("the lost one is told that it is foreign", || {
        back.quorum.foreign().borrow().clone()
    })
    .await;
    assert!(told.contains("--recovery-generation 1"), "{told}");
    commit(&nodes, mark(10)).await;
    nodes.push(back);
    stop(nodes).await;
}
