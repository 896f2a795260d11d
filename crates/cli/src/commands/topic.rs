//! `holdfast topic`: create, list, describe, change and delete topics.

mod outcome;

use std::io::IsTerminal;

use anyhow::Context;
use clap::{Args, Subcommand};
use holdfast_client::admin::{ConfigChange, NewTopic, Resource};
use holdfast_client::{Admin, Error, Topic as KnownTopic};
use holdfast_model::ErrorCode;
use serde::Serialize;

use self::outcome::{Alteration, Creation, Deletion, Fate};
use crate::output::{self, Table};
use crate::session::Reach;
use crate::text::{add, assignment};

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub(crate) enum Topic {
    /// Create a topic
    Create(Create),
    /// List the topics
    List(List),
    /// Show the partitions and the changed settings of topics
    Describe(Describe),
    /// Add partitions, or change settings
    Alter(Alter),
    /// Delete topics with all their records
    Delete(Delete),
}

/// A topic to be created.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name
    name: String,
    /// How many partitions; the cluster's default if not given
    #[arg(long, short = 'p', value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// How many replicas each; the cluster's default if not given
    #[arg(long, short = 'r', value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// Place the replicas by hand: the brokers of each partition, the preferred leader first, as
    /// 0,1,2:1,2,0
    #[arg(long, value_parser = placement, conflicts_with_all = ["partitions", "replication_factor"])]
    placement: Option<Placement>,
    /// A setting, as retention.ms=3600000; may be given many times
    #[arg(long = "config", short = 'c', value_name = "NAME=VALUE", value_parser = assignment)]
    configs: Vec<(String, String)>,
    /// Succeed if the topic exists already
    #[arg(long)]
    if_not_exists: bool,
    /// Only say whether it would work
    #[arg(long)]
    dry_run: bool,
}

/// Which topics to list.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// The cluster's own topics too
    #[arg(long)]
    internal: bool,
}

/// Which topics to show.
#[derive(Args, Debug)]
pub(crate) struct Describe {
    /// Their names; all topics if none is given
    names: Vec<String>,
}

/// What to change.
#[derive(Args, Debug)]
pub(crate) struct Alter {
    /// The topic
    name: String,
    /// The new number of partitions: more than now, and keys go to other partitions from then on
    #[arg(long, short = 'p', value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// A setting to set; may be given many times
    #[arg(long = "config", short = 'c', value_name = "NAME=VALUE", value_parser = assignment)]
    configs: Vec<(String, String)>,
    /// A setting that goes back to its default; may be given many times
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// Only say whether the settings would be accepted
    #[arg(long, conflicts_with = "partitions")]
    dry_run: bool,
}

/// Which topics to delete.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// Their names
    #[arg(required = true)]
    names: Vec<String>,
    /// Do not ask; needed where no person is at a terminal
    #[arg(long, short = 'y')]
    yes: bool,
    /// Succeed for a topic that does not exist
    #[arg(long)]
    if_exists: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placement(Vec<Vec<i32>>);

fn placement(text: &str) -> Result<Placement, String> {
    let broker = |id: &str| {
        id.parse::<u16>()
            .map(i32::from)
            .map_err(|_wrong| format!("{id:?} is not a broker id"))
    };
    let partition = |brokers: &str| brokers.split(',').map(broker).collect();
    text.split(':')
        .map(partition)
        .collect::<Result<_, _>>()
        .map(Placement)
}

/// A topic as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    id: String,
    internal: bool,
    partitions: Vec<ShownPartition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Vec<ShownSetting>>,
}

#[derive(Debug, Serialize)]
struct ShownPartition {
    partition: i32,
    leader: Option<i32>,
    leader_epoch: i32,
    replicas: Vec<i32>,
    in_sync: Vec<i32>,
    offline: Vec<i32>,
}

#[derive(Debug, Serialize)]
struct ShownSetting {
    name: String,
    value: Option<String>,
}

/// Does what the command asks for.
pub(crate) async fn run(topic: Topic, reach: &Reach) -> anyhow::Result<()> {
    match topic {
        Topic::Create(create) => self::create(create, reach).await,
        Topic::List(list) => self::list(&list, reach).await,
        Topic::Describe(describe) => self::describe(&describe, reach).await,
        Topic::Alter(alter) => self::alter(alter, reach).await,
        Topic::Delete(delete) => self::delete(&delete, reach).await,
    }
}

async fn create(create: Create, reach: &Reach) -> anyhow::Result<()> {
    let admin = reach.admin().await?;
    let topic = NewTopic {
        name: create.name.clone(),
        partitions: create.partitions.unwrap_or(-1),
        replication_factor: create.replication_factor.unwrap_or(-1),
        assignment: create.placement.map(|p| p.0).unwrap_or_default(),
        configs: create.configs,
    };
    let (id, outcome) = match admin.create_topic(&topic, create.dry_run).await {
        Ok(_) if create.dry_run => (None, Fate::WouldBeCreated),
        Ok(made) => (Some(made.id.to_string()), Fate::Created),
        Err(error) if create.if_not_exists && is(&error, ErrorCode::TopicAlreadyExists) => {
            (None, Fate::ExistsAlready)
        }
        Err(error) => return Err(error.into()),
    };
    let creation = Creation {
        name: create.name,
        id,
        outcome,
    };
    reach.tell(&creation, &creation.text())
}

async fn list(list: &List, reach: &Reach) -> anyhow::Result<()> {
    let cluster = reach.client().await?.describe_all().await?;
    let topics: Vec<&KnownTopic> = cluster
        .topics
        .values()
        .filter(|topic| list.internal || !topic.internal)
        .collect();
    if reach.is_json() {
        let shown: Vec<Shown> = topics.into_iter().map(shown).collect();
        return reach.print(&shown);
    }
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "REPLICAS", "UNDER-REPLICATED"]);
    for topic in topics {
        let copies = topic.partitions.values().map(|p| p.replicas.len()).max();
        let lacking = topic
            .partitions
            .values()
            .filter(|p| p.isr.len() < p.replicas.len());
        table.row(vec![
            topic.name.clone(),
            topic.partitions.len().to_string(),
            copies.unwrap_or(0).to_string(),
            lacking.count().to_string(),
        ]);
    }
    output::print(&table.render())?;
    Ok(())
}

async fn describe(describe: &Describe, reach: &Reach) -> anyhow::Result<()> {
    let client = reach.client().await?;
    let cluster = client.describe_all().await?;
    let admin = Admin::new(client);
    let names: Vec<String> = if describe.names.is_empty() {
        let own = cluster.topics.values().filter(|topic| !topic.internal);
        own.map(|topic| topic.name.clone()).collect()
    } else {
        describe.names.clone()
    };
    let mut all = Vec::new();
    for name in names {
        let Some(topic) = cluster.topics.get(&name) else {
            anyhow::bail!("there is no topic {name}; `holdfast topic list` shows those there are");
        };
        let resource = Resource::Topic(name.clone());
        let settings = admin.describe_configs(&resource).await?;
        let mut shown = shown(topic);
        let changed = settings.into_iter().filter(|s| !s.is_default);
        let setting = |s: holdfast_client::admin::ConfigEntry| ShownSetting {
            name: s.name,
            value: s.value,
        };
        shown.settings = Some(changed.map(setting).collect());
        all.push(shown);
    }
    if reach.is_json() {
        return reach.print(&all);
    }
    let text: Vec<String> = all.iter().map(described).collect();
    output::print(&text.join("\n"))?;
    Ok(())
}

fn described(topic: &Shown) -> String {
    let mut out = format!("{}  id {}\n", topic.name, topic.id);
    for setting in topic.settings.iter().flatten() {
        let value = setting.value.as_deref().unwrap_or("(hidden)");
        add(&mut out, format_args!("  {}={value}\n", setting.name));
    }
    let mut table = Table::new(&[
        "PARTITION",
        "LEADER",
        "EPOCH",
        "REPLICAS",
        "IN SYNC",
        "OFFLINE",
    ]);
    for p in &topic.partitions {
        table.row(vec![
            p.partition.to_string(),
            p.leader
                .map_or_else(|| "none".to_owned(), |id| id.to_string()),
            p.leader_epoch.to_string(),
            ids(&p.replicas),
            ids(&p.in_sync),
            ids(&p.offline),
        ]);
    }
    out + &table.render()
}

fn ids(ids: &[i32]) -> String {
    if ids.is_empty() {
        return "-".to_owned();
    }
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(",")
}

fn shown(topic: &KnownTopic) -> Shown {
    let partition = |p: &holdfast_client::Partition| ShownPartition {
        partition: p.index,
        leader: (p.leader >= 0).then_some(p.leader),
        leader_epoch: p.leader_epoch,
        replicas: p.replicas.clone(),
        in_sync: p.isr.clone(),
        offline: p.offline.clone(),
    };
    Shown {
        name: topic.name.clone(),
        id: topic.id.to_string(),
        internal: topic.internal,
        partitions: topic.partitions.values().map(partition).collect(),
        settings: None,
    }
}

async fn alter(alter: Alter, reach: &Reach) -> anyhow::Result<()> {
    let names = alter.configs.iter().map(|(name, _)| name);
    let alteration = Alteration {
        name: alter.name.clone(),
        dry_run: alter.dry_run,
        settings: names.chain(&alter.unset).cloned().collect(),
        partitions: alter.partitions,
    };
    let set = alter
        .configs
        .into_iter()
        .map(|(n, v)| ConfigChange::Set(n, v));
    let unset = alter.unset.into_iter().map(ConfigChange::Delete);
    let changes: Vec<ConfigChange> = set.chain(unset).collect();
    if changes.is_empty() && alter.partitions.is_none() {
        anyhow::bail!("nothing to change: give --partitions, --config or --unset");
    }
    let admin = reach.admin().await?;
    // The settings first: they are all or none, while partitions cannot be taken back.
    if !changes.is_empty() {
        let resource = Resource::Topic(alter.name.clone());
        admin
            .alter_configs(&resource, &changes, alter.dry_run)
            .await?;
        let done = if alter.dry_run {
            "would be accepted"
        } else {
            "changed"
        };
        if !reach.is_json() {
            output::note(&format!("settings of {}: {done}", alter.name));
        }
    }
    if let Some(count) = alter.partitions {
        let grown = admin.create_partitions(&alter.name, count).await;
        if changes.is_empty() {
            grown?;
        } else {
            grown.context("the settings are changed, the partitions are not")?;
        }
        if !reach.is_json() {
            output::note(&format!("{} has {count} partitions now", alter.name));
        }
    }
    if reach.is_json() {
        reach.print(&alteration)?;
    }
    Ok(())
}

async fn delete(delete: &Delete, reach: &Reach) -> anyhow::Result<()> {
    if !delete.yes {
        confirm(&delete.names)?;
    }
    let admin = reach.admin().await?;
    let mut all: Vec<Deletion> = Vec::new();
    for name in &delete.names {
        let deleted = match admin.delete_topic(name).await {
            Ok(()) => true,
            Err(error) if delete.if_exists && is(&error, ErrorCode::UnknownTopicOrPartition) => {
                false
            }
            // A program gets the error alone, so the error says what is gone already.
            Err(error) if reach.is_json() && all.iter().any(|topic| topic.deleted) => {
                let gone = all.iter().filter(|topic| topic.deleted);
                let gone: Vec<&str> = gone.map(|topic| topic.name.as_str()).collect();
                let context = format!("deleted {}, then failed", gone.join(", "));
                return Err(anyhow::Error::new(error).context(context));
            }
            Err(error) => return Err(error.into()),
        };
        let deletion = Deletion {
            name: name.clone(),
            deleted,
        };
        if !reach.is_json() {
            output::note(&deletion.text());
        }
        all.push(deletion);
    }
    if reach.is_json() {
        reach.print(&all)?;
    }
    Ok(())
}

fn confirm(names: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "deleting a topic deletes its records for good: add --yes to do it without being asked"
    );
    output::note(&format!(
        "this deletes {} and all records for good; type yes to go on:",
        names.join(", ")
    ));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    anyhow::ensure!(answer.trim() == "yes", "nothing was deleted");
    Ok(())
}

fn is(error: &Error, code: ErrorCode) -> bool {
    error.code() == Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placements_name_brokers_by_partition() {
        let expected = Placement(vec![vec![0, 1, 2], vec![1, 2, 0]]);
        assert_eq!(placement("0,1,2:1,2,0"), Ok(expected));
        for wrong in ["", "0,,1", "a", "0:-1"] {
            placement(wrong).unwrap_err();
        }
    }

    #[test]
    fn a_partition_without_leader_says_so() {
        let shown = Shown {
            name: "t".to_owned(),
            id: "x".to_owned(),
            internal: false,
            partitions: vec![ShownPartition {
                partition: 0,
                leader: None,
                leader_epoch: 4,
                replicas: vec![0, 1],
                in_sync: vec![],
                offline: vec![0],
            }],
            settings: Some(vec![ShownSetting {
                name: "retention.ms".to_owned(),
                value: Some("5".to_owned()),
            }]),
        };
        assert_eq!(
            described(&shown),
            "t  id x\n  retention.ms=5\n\
             PARTITION  LEADER  EPOCH  REPLICAS  IN SYNC  OFFLINE\n\
             0          none    4      0,1       -        0\n"
        );
    }
}
