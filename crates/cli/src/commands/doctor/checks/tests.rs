//! Each check finds what it is for, and nothing in a healthy cluster.

use holdfast_client::admin::{
    ClusterDescription, ConfigEntry, DescribedBroker, QuorumDescription, QuorumReplica,
};
use holdfast_client::{Cluster as Metadata, Partition, Topic};
use holdfast_model::TopicId;
use holdfast_wire::Api;

use super::*;

fn healthy() -> Seen {
    let broker = |(id, zone): (i32, &str)| DescribedBroker {
        id,
        host: "h".to_owned(),
        port: 9092,
        rack: Some(zone.to_owned()),
        fenced: false,
    };
    let voter = |id| QuorumReplica {
        incarnation: 7,
        id,
        log_end: 10,
        caught_up_ms: 1,
    };
    let partition = Partition {
        index: 0,
        leader: 0,
        leader_epoch: 1,
        replicas: vec![0, 1, 2],
        isr: vec![0, 1, 2],
        offline: Vec::new(),
    };
    let topic = Topic {
        name: "t".to_owned(),
        id: TopicId::default(),
        internal: false,
        partitions: BTreeMap::from([(0, partition)]),
        error: None,
    };
    Seen {
        cluster: ClusterDescription {
            cluster_id: "c".to_owned(),
            controller: 0,
            brokers: [(0, "a"), (1, "b"), (2, "c")]
                .into_iter()
                .map(broker)
                .collect(),
        },
        quorum: QuorumDescription {
            leader: 0,
            leader_epoch: 1,
            high_watermark: 10,
            voters: (0..3).map(voter).collect(),
            observers: Vec::new(),
        },
        metadata: Metadata {
            topics: BTreeMap::from([("t".to_owned(), topic)]),
            ..Metadata::default()
        },
        settings: BTreeMap::from([("t".to_owned(), vec![setting("min.insync.replicas", "2")])]),
        brokers: (0..3).map(|id| (id, Ok(vec![(Api::Fetch, 18)]))).collect(),
        skipped: 0,
        habits: Some(Vec::new()),
    }
}

fn setting(name: &str, value: &str) -> ConfigEntry {
    ConfigEntry {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        is_default: true,
        read_only: false,
        sensitive: false,
        documentation: String::new(),
    }
}

/// The names of the checks that find something after a change of a healthy cluster.
fn found(change: impl FnOnce(&mut Seen)) -> Vec<&'static str> {
    let mut seen = healthy();
    change(&mut seen);
    let checks = all(&seen)
        .into_iter()
        .filter(|check| !check.findings.is_empty());
    checks.map(|check| check.name).collect()
}

fn partition(seen: &mut Seen) -> &mut Partition {
    let topic = seen.metadata.topics.get_mut("t").unwrap();
    topic.partitions.get_mut(&0).unwrap()
}

#[test]
fn a_healthy_cluster_has_nothing_to_mend() {
    assert_eq!(found(|_| {}), Vec::<&str>::new());
}

#[test]
fn brokers_and_quorum_are_looked_at() {
    assert_eq!(
        found(|s| s.cluster.brokers[1].fenced = true),
        ["every broker answers"]
    );
    let silent = |s: &mut Seen| drop(s.brokers.insert(1, Err("refused".to_owned())));
    assert_eq!(found(silent), ["every broker answers"]);
    assert_eq!(
        found(|s| s.cluster.controller = -1),
        ["a controller decides"]
    );
    let quorum = ["the metadata quorum is complete"];
    assert_eq!(found(|s| s.quorum.voters.truncate(2)), quorum);
    assert_eq!(found(|s| s.quorum.voters[2].log_end = -1), quorum);
    assert_eq!(found(|s| s.quorum.voters[2].log_end = 10_000), quorum);
    assert_eq!(found(|s| s.quorum.leader = -1), quorum);
    let even = |s: &mut Seen| {
        let (mut broker, mut voter) = (s.cluster.brokers[0].clone(), s.quorum.voters[0]);
        (broker.id, voter.id) = (3, 3);
        s.cluster.brokers.push(broker);
        s.quorum.voters.push(voter);
    };
    assert_eq!(found(even), quorum);
    let newer = |s: &mut Seen| drop(s.brokers.insert(1, Ok(vec![(Api::Fetch, 17)])));
    assert_eq!(found(newer), ["all brokers speak the same versions"]);
}

#[test]
fn a_broker_that_is_counted_on_and_not_there_is_named() {
    let there = "every broker that is counted on is there";
    assert_eq!(found(|s| s.quorum.voters[2].id = 8), [there]);
    let mut seen = healthy();
    // Under-replicated besides, because a replica that is not there is not in sync.
    partition(&mut seen).replicas.push(8);
    let findings = registered(&seen);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].what.starts_with("broker 8 "), "{findings:?}");
}

#[test]
fn partitions_and_zones_are_looked_at() {
    let partitions = ["every partition has a leader and all replicas"];
    assert_eq!(found(|s| partition(s).leader = -1), partitions);
    assert_eq!(found(|s| partition(s).isr = vec![0, 1]), partitions);
    assert_eq!(
        found(|s| partition(s).isr = vec![0]),
        [partitions[0], "every partition takes writes with acks=all"]
    );
    let zones = ["brokers are spread over zones"];
    assert_eq!(found(|s| s.cluster.brokers[0].rack = None), zones);
    assert_eq!(
        found(|s| s.cluster.brokers[0].rack = Some("b".to_owned())),
        zones
    );
    let two = found(|s| drop(s.cluster.brokers.pop()));
    assert!(two.contains(&zones[0]), "{two:?}");
}

#[test]
fn copies_are_counted() {
    let two = |s: &mut Seen| {
        partition(s).replicas = vec![0, 1];
        partition(s).isr = vec![0, 1];
    };
    assert_eq!(
        found(two),
        [
            "topics have enough replicas",
            "acknowledged means on two disks"
        ]
    );
    let set = |name: &'static str, value: &'static str| {
        move |s: &mut Seen| {
            s.settings
                .insert("t".to_owned(), vec![setting(name, value)]);
        }
    };
    let synced = ["acknowledged means on two disks"];
    assert_eq!(found(set("min.insync.replicas", "1")), synced);
    assert_eq!(found(set("min.insync.replicas", "3")), synced);
}

#[test]
fn long_lists_are_cut() {
    let names: Vec<String> = (0..7).map(|n| n.to_string()).collect();
    assert_eq!(list_of(names), "0, 1, 2, 3, 4, ...");
}
