//! `holdfast group reset-offsets`: where a group goes on reading.

use std::collections::BTreeMap;

use clap::Args;
use holdfast_client::{Admin, Start};
use serde::Serialize;

use crate::output::{self, Table};
use crate::session::Reach;
use crate::text::{Moment, moment};

/// Whose offsets to move, and where to.
#[derive(Args, Debug)]
pub(crate) struct Reset {
    /// The group
    name: String,
    /// Only these topics, or partitions as orders:0,3; may be given many times. Without it: whatever
    /// the group has committed
    #[arg(long = "topic", short = 't', value_name = "TOPIC[:PARTITIONS]", value_parser = topics)]
    topics: Vec<Topics>,
    #[command(flatten)]
    target: Target,
    /// Do it; without this the command only shows what would change
    #[arg(long, short = 'y')]
    yes: bool,
}

/// Where to.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Target {
    /// To the first record that is there
    #[arg(long)]
    to_earliest: bool,
    /// To the end
    #[arg(long)]
    to_latest: bool,
    /// To this offset, or the nearest that is there
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,
    /// To the first record of that time: 10m, 2h, 7d ago, 2026-01-31T12:00:00Z, or milliseconds since
    /// 1970
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to_time: Option<Moment>,
    /// Forward by so many records; backward with a negative number
    #[arg(long, value_name = "RECORDS", allow_negative_numbers = true)]
    shift: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Topics {
    name: String,
    partitions: Option<Vec<i32>>,
}

fn topics(text: &str) -> Result<Topics, String> {
    let Some((name, list)) = text.split_once(':') else {
        return Ok(Topics {
            name: text.to_owned(),
            partitions: None,
        });
    };
    let number = |text: &str| {
        let number = text.parse::<u16>();
        number.map_err(|_wrong| format!("{text:?} is not a partition"))
    };
    let partitions: Result<Vec<i32>, String> = list
        .split(',')
        .map(|text| number(text).map(i32::from))
        .collect();
    Ok(Topics {
        name: name.to_owned(),
        partitions: Some(partitions?),
    })
}

/// One partition's move, as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Move {
    topic: String,
    partition: i32,
    from: Option<i64>,
    to: i64,
    end: i64,
}

#[derive(Debug, Serialize)]
struct Outcome {
    group: String,
    done: bool,
    partitions: Vec<Move>,
}

/// Shows the moves, and makes them if asked to.
pub(crate) async fn run(reset: &Reset, reach: &Reach) -> anyhow::Result<()> {
    let client = reach.client().await?;
    let now_ms = client.options().clock.wall_ms();
    let admin = Admin::new(client.clone());
    if let Some(group) = admin.describe_group(&reset.name).await? {
        anyhow::ensure!(
            group.members.is_empty(),
            "{} has {} members, which would not notice: stop them first",
            reset.name,
            group.members.len()
        );
    }
    let committed: BTreeMap<(String, i32), i64> = admin
        .group_offsets(&reset.name)
        .await?
        .into_iter()
        .map(|offset| ((offset.topic, offset.partition), offset.offset))
        .collect();
    let mut moves = Vec::new();
    for (topic, partition) in wanted(reset, &client, &committed).await? {
        let from = committed.get(&(topic.clone(), partition)).copied();
        let first = admin.offset_of(&topic, partition, Start::Earliest).await?;
        let end = admin.offset_of(&topic, partition, Start::Latest).await?;
        let to = match &reset.target {
            Target {
                to_latest: true, ..
            } => end,
            Target {
                to_offset: Some(offset),
                ..
            } => *offset,
            Target {
                to_time: Some(moment),
                ..
            } => {
                let start = Start::Timestamp(moment.at(now_ms));
                admin.offset_of(&topic, partition, start).await?
            }
            Target {
                shift: Some(by), ..
            } => from.unwrap_or(first).saturating_add(*by),
            Target { .. } => first,
        };
        moves.push(Move {
            topic,
            partition,
            from,
            to: to.clamp(first, end),
            end,
        });
    }
    anyhow::ensure!(
        !moves.is_empty(),
        "{} has committed nothing; name topics with --topic",
        reset.name
    );
    if reset.yes {
        let offsets: Vec<(String, i32, i64)> = moves
            .iter()
            .map(|one| (one.topic.clone(), one.partition, one.to))
            .collect();
        admin.set_group_offsets(&reset.name, &offsets).await?;
    }
    tell(reset, reach, moves)
}

fn tell(reset: &Reset, reach: &Reach, moves: Vec<Move>) -> anyhow::Result<()> {
    let outcome = Outcome {
        group: reset.name.clone(),
        done: reset.yes,
        partitions: moves,
    };
    if reach.is_json() {
        return reach.print(&outcome);
    }
    let mut table = Table::new(&["TOPIC", "PARTITION", "FROM", "TO", "END", "TO READ"]);
    for one in &outcome.partitions {
        table.row(vec![
            one.topic.clone(),
            one.partition.to_string(),
            super::number(one.from),
            one.to.to_string(),
            one.end.to_string(),
            (one.end - one.to).to_string(),
        ]);
    }
    output::print(&table.render())?;
    output::note(if reset.yes {
        "moved"
    } else {
        "nothing is changed yet: add --yes to do it"
    });
    Ok(())
}

/// The partitions to move.
async fn wanted(
    reset: &Reset,
    client: &holdfast_client::Client,
    committed: &BTreeMap<(String, i32), i64>,
) -> anyhow::Result<Vec<(String, i32)>> {
    if reset.topics.is_empty() {
        return Ok(committed.keys().cloned().collect());
    }
    let mut all = Vec::new();
    for topics in &reset.topics {
        let known = client.topic(&topics.name).await?;
        let partitions = topics
            .partitions
            .clone()
            .unwrap_or_else(|| known.partitions.keys().copied().collect());
        for partition in partitions {
            anyhow::ensure!(
                known.partitions.contains_key(&partition),
                "{} has {} partitions, numbered from 0: there is no {partition}",
                topics.name,
                known.partitions.len()
            );
            all.push((topics.name.clone(), partition));
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_may_name_partitions() {
        let parsed = topics("orders:0,3").unwrap();
        assert_eq!(
            (&*parsed.name, parsed.partitions),
            ("orders", Some(vec![0, 3]))
        );
        assert_eq!(topics("orders").unwrap().partitions, None);
        for wrong in ["orders:", "orders:x", "orders:-1"] {
            topics(wrong).unwrap_err();
        }
    }
}
