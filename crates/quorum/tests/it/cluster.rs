//! Several brokers.

use std::net::SocketAddr;

use holdfast_kernel::image::{CHANGE_FORMAT, Change, ChangeBatch};
use holdfast_model::{Incarnation, RecoveryGeneration, ReplicaId, StartNumber};
use holdfast_quorum::{Document, Error, Options, Outcome, Phase, Voter};
use tempfile::TempDir;

use crate::node::{Node, Site, broker, cluster_id, eventually};

/// Directories and addresses of a cluster; keeps the directories alive.
pub(crate) struct Ground {
    pub(crate) sites: Vec<Site>,
    _dir: TempDir,
}

/// Addresses that were free a moment ago.
fn addresses(count: usize) -> Vec<SocketAddr> {
    let bind = |_| std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let listeners: Vec<_> = (0..count).map(bind).collect();
    listeners
        .iter()
        .map(|listener| listener.local_addr().expect("address"))
        .collect()
}

impl Ground {
    /// Brokers 1.. on fresh disks; the first `voters` of them share a formation document.
    pub(crate) fn new(count: usize, voters: usize, options: Options) -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let mut sites: Vec<Site> = addresses(count)
            .into_iter()
            .zip(1..)
            .map(|(address, id)| Site {
                replica: ReplicaId {
                    broker: broker(id),
                    incarnation: Incarnation(100 + id as u64),
                },
                address,
                path: dir.path().join(id.to_string()),
                document: None,
                recovery: RecoveryGeneration(0),
                options,
                start: StartNumber(1),
                process: 1,
            })
            .collect();
        let named = sites[..voters].iter().map(|site| Voter {
            broker: site.replica.broker,
            host: site.address.ip().to_string(),
            port: site.address.port(),
            zone: Some("a".to_owned()),
        });
        let document = Document::new(cluster_id(), named.collect()).expect("document");
        let text = document.render().expect("text");
        assert_eq!(Document::parse(&text).expect("parse"), document);
        for site in &mut sites[..voters] {
            site.document = Some(document.clone());
        }
        Self { sites, _dir: dir }
    }

    pub(crate) async fn start(&self) -> Vec<Node> {
        let mut nodes = Vec::new();
        for site in &self.sites {
            nodes.push(site.start().await);
        }
        nodes
    }
}

/// The position of the node that leads and may decide.
pub(crate) async fn leader(nodes: &[Node]) -> usize {
    eventually("a leader is ready", || {
        nodes.iter().position(Node::is_ready)
    })
    .await
}

/// Waits until every node is a member that knows its cluster.
pub(crate) async fn formed(nodes: &[Node]) {
    eventually("all are members", || {
        let member = |node: &Node| {
            node.phase() == Phase::Member && node.quorum.image().cluster_id == Some(cluster_id())
        };
        nodes.iter().all(member).then_some(())
    })
    .await;
}

/// A change that leaves a mark in the image.
pub(crate) fn mark(number: u64) -> Change {
    Change::SetClusterConfig {
        key: format!("mark.{number}"),
        value: Some(number.to_string()),
    }
}

/// Commits a change as a broker would: decided on the leader's image, and again elsewhere if
/// leadership moved.
pub(crate) async fn commit(nodes: &[Node], change: Change) -> Outcome {
    loop {
        let quorum = &nodes[leader(nodes).await].quorum;
        let decided_on = quorum.image().version;
        let changes = vec![change.clone()];
        let batch = ChangeBatch {
            format: CHANGE_FORMAT,
            decided_on,
            changes,
        };
        match quorum.propose(&batch).await {
            Ok(outcome) if outcome.applied => return outcome,
            Ok(_) | Err(Error::NotLeader { .. } | Error::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until every node shows the same image, at a version or above.
pub(crate) async fn agreed(nodes: &[Node], version: u64) {
    eventually("all images are equal", || {
        let first = nodes[0].quorum.image();
        let same = nodes.iter().all(|node| node.quorum.image() == first);
        (same && first.version >= version).then_some(())
    })
    .await;
}

/// Ends every process, so that no database is open when the test's own process ends.
pub(crate) async fn stop(nodes: Vec<Node>) {
    for node in nodes {
        node.stop().await;
    }
}
