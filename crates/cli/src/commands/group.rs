//! `holdfast group`: list, describe and delete consumer groups, and move their offsets.

mod reset;

use std::collections::BTreeMap;

use anyhow::Context;
use clap::{Args, Subcommand};
use holdfast_client::admin::{GroupDescription, GroupMember};
use holdfast_client::{Admin, Error, Start};
use holdfast_model::ErrorCode;
use serde::Serialize;

use self::reset::Reset;
use crate::output::{self, Table};
use crate::session::Reach;
use crate::text::add;

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum Group {
    /// List the groups
    List,
    /// Show the members of groups, their offsets, and how far they are behind
    Describe(Describe),
    /// Move the offsets of a group that has no members: shows what would change, and with --yes
    /// changes it
    ResetOffsets(Reset),
    /// Delete groups that have no members, with their offsets
    Delete(Delete),
}

/// Which groups to show.
#[derive(Args, Debug)]
pub(crate) struct Describe {
    /// Their names
    #[arg(required = true)]
    names: Vec<String>,
}

/// Which groups to delete.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// Their names
    #[arg(required = true)]
    names: Vec<String>,
    /// Succeed for a group that does not exist
    #[arg(long)]
    if_exists: bool,
}

/// A group in a list, as it is printed.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    state: String,
    kind: String,
}

/// A group as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    state: String,
    kind: String,
    protocol: String,
    coordinator: i32,
    members: Vec<ShownMember>,
    partitions: Vec<ShownPartition>,
}

#[derive(Debug, Serialize)]
struct ShownMember {
    id: String,
    instance: Option<String>,
    client_id: String,
    host: String,
    partitions: usize,
}

#[derive(Debug, Serialize)]
struct ShownPartition {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    end: i64,
    lag: Option<i64>,
    member: Option<String>,
}

#[derive(Debug, Serialize)]
struct Deletion {
    name: String,
    deleted: bool,
}

/// Does what the command asks for.
pub(crate) async fn run(group: Group, reach: &Reach) -> anyhow::Result<()> {
    match group {
        Group::List => list(reach).await,
        Group::Describe(describe) => self::describe(&describe, reach).await,
        Group::ResetOffsets(reset) => reset::run(&reset, reach).await,
        Group::Delete(delete) => self::delete(&delete, reach).await,
    }
}

async fn list(reach: &Reach) -> anyhow::Result<()> {
    let groups = reach.admin().await?.list_groups().await?;
    let groups: Vec<Listed> = groups
        .into_iter()
        .map(|group| Listed {
            name: group.name,
            state: group.state,
            kind: group.protocol_type,
        })
        .collect();
    if reach.is_json() {
        return reach.print(&groups);
    }
    let mut table = Table::new(&["GROUP", "STATE", "KIND"]);
    for group in groups {
        table.row(vec![group.name, group.state, or_dash(&group.kind)]);
    }
    output::print(&table.render())?;
    Ok(())
}

async fn describe(describe: &Describe, reach: &Reach) -> anyhow::Result<()> {
    let admin = reach.admin().await?;
    let mut all = Vec::new();
    for name in &describe.names {
        let group = found(&admin, name).await?;
        all.push(shown(&admin, group).await?);
    }
    if reach.is_json() {
        return reach.print(&all);
    }
    let text: Vec<String> = all.iter().map(described).collect();
    output::print(&text.join("\n"))?;
    Ok(())
}

/// A group that must be there.
async fn found(admin: &Admin, name: &str) -> anyhow::Result<GroupDescription> {
    let group = admin.describe_group(name).await?;
    group.with_context(|| {
        format!("there is no group {name}; `holdfast group list` shows those there are")
    })
}

async fn shown(admin: &Admin, group: GroupDescription) -> anyhow::Result<Shown> {
    let mut partitions: BTreeMap<(String, i32), (Option<i64>, Option<String>)> = BTreeMap::new();
    for offset in admin.group_offsets(&group.name).await? {
        let key = (offset.topic, offset.partition);
        partitions.insert(key, (Some(offset.offset), None));
    }
    for member in &group.members {
        for (topic, indexes) in &member.assignment {
            for index in indexes {
                let row = partitions.entry((topic.clone(), *index)).or_default();
                row.1 = Some(member.id.clone());
            }
        }
    }
    let mut rows = Vec::with_capacity(partitions.len());
    for ((topic, partition), (committed, member)) in partitions {
        let end = admin.offset_of(&topic, partition, Start::Latest).await?;
        rows.push(ShownPartition {
            lag: committed.map(|committed| end.saturating_sub(committed).max(0)),
            topic,
            partition,
            committed,
            end,
            member,
        });
    }
    let member = |member: GroupMember| ShownMember {
        partitions: member.assignment.iter().map(|(_, p)| p.len()).sum(),
        id: member.id,
        instance: member.instance,
        client_id: member.client_id,
        host: member.host,
    };
    Ok(Shown {
        name: group.name,
        state: group.state,
        kind: group.protocol_type,
        protocol: group.protocol,
        coordinator: group.coordinator,
        members: group.members.into_iter().map(member).collect(),
        partitions: rows,
    })
}

fn described(group: &Shown) -> String {
    let mut out = format!("{}  {}\n", group.name, group.state);
    let lag: i64 = group.partitions.iter().filter_map(|p| p.lag).sum();
    add(
        &mut out,
        format_args!(
            "  kind {}, protocol {}, coordinated by broker {}, {lag} records behind\n",
            or_dash(&group.kind),
            or_dash(&group.protocol),
            group.coordinator
        ),
    );
    if !group.members.is_empty() {
        let mut table = Table::new(&["MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS"]);
        for member in &group.members {
            table.row(vec![
                member.id.clone(),
                or_dash(member.instance.as_deref().unwrap_or("")),
                or_dash(&member.client_id),
                member.host.clone(),
                member.partitions.to_string(),
            ]);
        }
        out.push_str(&table.render());
    }
    if !group.partitions.is_empty() {
        let mut table = Table::new(&["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER"]);
        for row in &group.partitions {
            table.row(vec![
                row.topic.clone(),
                row.partition.to_string(),
                number(row.committed),
                row.end.to_string(),
                number(row.lag),
                or_dash(row.member.as_deref().unwrap_or("")),
            ]);
        }
        out.push_str(&table.render());
    }
    out
}

fn number(number: Option<i64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

async fn delete(delete: &Delete, reach: &Reach) -> anyhow::Result<()> {
    let admin = reach.admin().await?;
    let mut all = Vec::new();
    for name in &delete.names {
        let deleted = match admin.delete_group(name).await {
            Ok(()) => true,
            Err(error) if delete.if_exists && is(&error, ErrorCode::GroupIdNotFound) => false,
            Err(error) if is(&error, ErrorCode::NonEmptyGroup) => {
                return Err(anyhow::Error::new(error)
                    .context(format!("{name} has members: stop them first")));
            }
            Err(error) => return Err(error.into()),
        };
        if !reach.is_json() {
            output::note(&if deleted {
                format!("deleted {name} and its offsets")
            } else {
                format!("{name} does not exist")
            });
        }
        all.push(Deletion {
            name: name.clone(),
            deleted,
        });
    }
    if reach.is_json() {
        reach.print(&all)?;
    }
    Ok(())
}

fn is(error: &Error, code: ErrorCode) -> bool {
    error.code() == Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_shown_with_its_members_and_its_lag() {
        let group = Shown {
            name: "g".to_owned(),
            state: "Stable".to_owned(),
            kind: "consumer".to_owned(),
            protocol: "range".to_owned(),
            coordinator: 2,
            members: vec![ShownMember {
                id: "m".to_owned(),
                instance: None,
                client_id: "app".to_owned(),
                host: "/10.0.0.1".to_owned(),
                partitions: 1,
            }],
            partitions: vec![
                ShownPartition {
                    topic: "t".to_owned(),
                    partition: 0,
                    committed: Some(7),
                    end: 9,
                    lag: Some(2),
                    member: Some("m".to_owned()),
                },
                ShownPartition {
                    topic: "t".to_owned(),
                    partition: 1,
                    committed: None,
                    end: 5,
                    lag: None,
                    member: None,
                },
            ],
        };
        assert_eq!(
            described(&group),
            "g  Stable\n  kind consumer, protocol range, coordinated by broker 2, 2 records behind\n\
             MEMBER  INSTANCE  CLIENT  HOST       PARTITIONS\n\
             m       -         app     /10.0.0.1  1\n\
             TOPIC  PARTITION  COMMITTED  END  LAG  MEMBER\n\
             t      0          7          9    2    m\n\
             t      1          -          5    -    -\n"
        );
    }
}
