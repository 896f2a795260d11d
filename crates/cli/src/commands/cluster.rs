//! `holdfast cluster`: who is there, whether every partition has all its replicas, and who may come.

pub(crate) mod admit;
pub(crate) mod state;

use clap::Subcommand;
use holdfast_client::admin::{ClusterDescription, QuorumDescription};
use holdfast_client::{Admin, Cluster as Metadata};
use serde::Serialize;

use crate::output::{self, Paint, Table};
use crate::rule::Rule;
use crate::session::Reach;
use crate::text::add;

/// What to show of the cluster.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Cluster {
    /// Show the brokers, the metadata quorum and the partitions that lack replicas
    Describe,
    /// Let a disk into the cluster: one formatted in the place of a lost one, or a new broker's
    Admit(admit::Admit),
    /// Show what the controller knows: brokers, replicas, the permit (over the admin API)
    State(Rule),
    /// Print what happens to the cluster until Ctrl-C (over the admin API)
    Watch(Rule),
    /// Allow the formats of a newer version; there is no way back (over the admin API)
    RaiseFeatureLevel(state::Raise),
}

/// Most partitions that lack replicas to name one by one in a table.
const NAMED: usize = 50;

/// The cluster as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    cluster_id: String,
    controller: Option<i32>,
    brokers: Vec<ShownBroker>,
    quorum: ShownQuorum,
    topics: usize,
    partitions: usize,
    under_replicated: Vec<Lacking>,
    offline: Vec<Lacking>,
}

#[derive(Debug, Serialize)]
struct ShownBroker {
    id: i32,
    address: String,
    zone: Option<String>,
    fenced: bool,
    leads: usize,
    replicas: usize,
}

#[derive(Debug, Serialize)]
struct ShownQuorum {
    leader: Option<i32>,
    term: i32,
    committed: i64,
    voters: Vec<Member>,
    observers: Vec<Member>,
}

#[derive(Debug, Serialize)]
struct Member {
    id: i32,
    /// Its disk, as `cluster admit` and the logs name it.
    disk: Option<String>,
    log_end: i64,
    lag: Option<i64>,
}

/// A partition that lacks replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Lacking {
    /// The topic.
    pub(crate) topic: String,
    /// The partition.
    pub(crate) partition: i32,
    /// The replicas it should have.
    pub(crate) replicas: Vec<i32>,
    /// Those in sync.
    pub(crate) in_sync: Vec<i32>,
}

/// The partitions whose in-sync set is smaller than their replicas, and those without a leader.
pub(crate) fn lacking(metadata: &Metadata) -> (Vec<Lacking>, Vec<Lacking>) {
    let mut under_replicated = Vec::new();
    let mut offline = Vec::new();
    for topic in metadata.topics.values() {
        for p in topic.partitions.values() {
            let row = || Lacking {
                topic: topic.name.clone(),
                partition: p.index,
                replicas: p.replicas.clone(),
                in_sync: p.isr.clone(),
            };
            if p.leader < 0 {
                offline.push(row());
            } else if p.isr.len() < p.replicas.len() {
                under_replicated.push(row());
            }
        }
    }
    (under_replicated, offline)
}

/// Prints the state of the cluster.
pub(crate) async fn describe(reach: &Reach) -> anyhow::Result<()> {
    let client = reach.client().await?;
    let admin = Admin::new(client.clone());
    let cluster = admin.describe_cluster().await?;
    let quorum = admin.describe_quorum().await?;
    let metadata = client.describe_all().await?;
    let shown = collect(cluster, &quorum, &metadata);
    if reach.is_json() {
        return reach.print(&shown);
    }
    output::print(&text(&shown, Paint::of_stdout()))?;
    Ok(())
}

fn collect(cluster: ClusterDescription, quorum: &QuorumDescription, metadata: &Metadata) -> Shown {
    let (under_replicated, offline) = lacking(metadata);
    let partitions = || metadata.topics.values().flat_map(|t| t.partitions.values());
    let brokers = cluster
        .brokers
        .into_iter()
        .map(|b| ShownBroker {
            id: b.id,
            address: format!("{}:{}", b.host, b.port),
            zone: b.rack,
            fenced: b.fenced,
            leads: partitions().filter(|p| p.leader == b.id).count(),
            replicas: partitions().filter(|p| p.replicas.contains(&b.id)).count(),
        })
        .collect();
    let end = quorum.voters.iter().map(|v| v.log_end).max().unwrap_or(-1);
    let member = |m: &holdfast_client::admin::QuorumReplica| Member {
        id: m.id,
        disk: (m.incarnation != 0).then(|| format!("{}@{:016x}", m.id, m.incarnation)),
        log_end: m.log_end,
        lag: (m.log_end >= 0).then(|| end - m.log_end),
    };
    Shown {
        cluster_id: cluster.cluster_id,
        controller: (cluster.controller >= 0).then_some(cluster.controller),
        brokers,
        quorum: ShownQuorum {
            leader: (quorum.leader >= 0).then_some(quorum.leader),
            term: quorum.leader_epoch,
            committed: quorum.high_watermark,
            voters: quorum.voters.iter().map(member).collect(),
            observers: quorum.observers.iter().map(member).collect(),
        },
        topics: metadata.topics.len(),
        partitions: partitions().count(),
        under_replicated,
        offline,
    }
}

fn text(shown: &Shown, paint: Paint) -> String {
    let or_none = |id: Option<i32>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let mut out = format!(
        "cluster {}  controller {}  {} topics, {} partitions\n\n",
        shown.cluster_id,
        or_none(shown.controller),
        shown.topics,
        shown.partitions
    );
    let mut table = Table::new(&["BROKER", "ADDRESS", "ZONE", "STATE", "LEADS", "REPLICAS"]);
    for b in &shown.brokers {
        table.row(vec![
            b.id.to_string(),
            b.address.clone(),
            b.zone.clone().unwrap_or_else(|| "-".to_owned()),
            if b.fenced { "fenced" } else { "up" }.to_owned(),
            b.leads.to_string(),
            b.replicas.to_string(),
        ]);
    }
    out += &table.render();
    add(
        &mut out,
        format_args!(
            "\nmetadata quorum: leader {}, term {}, committed {}\n\n",
            or_none(shown.quorum.leader),
            shown.quorum.term,
            shown.quorum.committed
        ),
    );
    let mut table = Table::new(&["MEMBER", "DISK", "VOTES", "LOG END", "LAG"]);
    let voters = shown.quorum.voters.iter().map(|m| (m, "yes"));
    let observers = shown.quorum.observers.iter().map(|m| (m, "no"));
    for (m, votes) in voters.chain(observers) {
        let lag = m
            .lag
            .map_or_else(|| "unknown".to_owned(), |lag| lag.to_string());
        table.row(vec![
            m.id.to_string(),
            m.disk.clone().unwrap_or_else(|| "-".to_owned()),
            votes.to_owned(),
            m.log_end.to_string(),
            lag,
        ]);
    }
    out += &table.render();
    out.push('\n');
    let offline = format!("{} partitions without a leader", shown.offline.len());
    let under = format!(
        "{} under-replicated partitions",
        shown.under_replicated.len()
    );
    for (rows, line) in [(&shown.offline, offline), (&shown.under_replicated, under)] {
        if rows.is_empty() {
            add(&mut out, format_args!("{}\n", paint.green(&line)));
            continue;
        }
        add(&mut out, format_args!("{}\n", paint.red(&line)));
        for row in rows.iter().take(NAMED) {
            let Lacking {
                topic,
                partition,
                replicas,
                in_sync,
            } = row;
            add(
                &mut out,
                format_args!("  {topic}/{partition}: replicas {replicas:?}, in sync {in_sync:?}\n"),
            );
        }
        if rows.len() > NAMED {
            add(
                &mut out,
                format_args!("  and {} more\n", rows.len() - NAMED),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use holdfast_client::{Partition, Topic};
    use holdfast_model::TopicId;

    use super::*;

    fn metadata(partitions: &[(i32, &[i32])]) -> Metadata {
        let partition = |(index, (leader, isr)): (usize, &(i32, &[i32]))| {
            let index = i32::try_from(index).unwrap();
            let partition = Partition {
                index,
                leader: *leader,
                leader_epoch: 1,
                replicas: vec![0, 1, 2],
                isr: isr.to_vec(),
                offline: Vec::new(),
            };
            (index, partition)
        };
        let topic = Topic {
            name: "t".to_owned(),
            id: TopicId::default(),
            internal: false,
            partitions: partitions.iter().enumerate().map(partition).collect(),
            error: None,
        };
        Metadata {
            topics: BTreeMap::from([("t".to_owned(), topic)]),
            ..Metadata::default()
        }
    }

    #[test]
    fn lacking_partitions_are_told_apart() {
        let metadata = metadata(&[(0, &[0, 1, 2]), (1, &[1, 2]), (-1, &[])]);
        let (under, offline) = lacking(&metadata);
        let index = |rows: &[Lacking]| rows.iter().map(|r| r.partition).collect::<Vec<_>>();
        assert_eq!((index(&under), index(&offline)), (vec![1], vec![2]));
    }

    #[test]
    fn the_lag_is_measured_from_the_longest_log() {
        let cluster = ClusterDescription {
            cluster_id: "c".to_owned(),
            controller: 1,
            brokers: Vec::new(),
        };
        let voter = |id, log_end| holdfast_client::admin::QuorumReplica {
            incarnation: 7,
            id,
            log_end,
            caught_up_ms: -1,
        };
        let quorum = QuorumDescription {
            leader: 1,
            leader_epoch: 3,
            high_watermark: 9,
            voters: vec![voter(0, 7), voter(1, 10), voter(2, -1)],
            observers: Vec::new(),
        };
        let shown = collect(cluster, &quorum, &metadata(&[(1, &[1, 2])]));
        let lags: Vec<Option<i64>> = shown.quorum.voters.iter().map(|v| v.lag).collect();
        assert_eq!(lags, [Some(3), Some(0), None]);
        let text = text(&shown, Paint::of_stdout());
        assert!(
            text.contains("t/0: replicas [0, 1, 2], in sync [1, 2]"),
            "{text}"
        );
    }
}
