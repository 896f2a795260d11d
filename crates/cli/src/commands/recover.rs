//! `holdfast recover`: carries a cluster on that lost the majority of its voters for ever.

use std::fs::File;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use holdfast_broker::recovery::{
    self, Applied, DescriptionFile, FILE_BYTES, Fate, Plan, PlanFile, Verdict,
};
use holdfast_model::ClusterId;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::output::{self, Paint, Table};
use crate::session::Reach;
use crate::text::add;

/// How a cluster is carried on without the majority of its voters.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Recover {
    /// Print what the disk of a stopped broker holds, as JSON; changes nothing
    Describe(Describe),
    /// Say what every partition would keep, and write the plan that keeps it; changes nothing
    Plan(PlanArgs),
    /// Carry out a plan on the disk of a stopped broker
    Apply(Apply),
}

/// Print what the disk of a stopped broker holds, as JSON; changes nothing.
///
/// Run it for every disk that is left, and bring the outputs together for `holdfast recover plan`.
/// A disk that is not described counts as lost.
#[derive(Args, Clone, Debug)]
pub(crate) struct Describe {
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

/// Say what every partition would keep, and write the plan that keeps it; changes nothing.
///
/// The newest metadata among the descriptions counts. Every disk that is not described is lost for
/// ever: make sure that no broker ever starts on it again.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlanArgs {
    /// What `holdfast recover describe` printed, one file for each disk
    #[arg(value_name = "FILE", required = true)]
    descriptions: Vec<PathBuf>,
    /// Where the plan is written, for `holdfast recover apply`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Carry out a plan on the disk of a stopped broker.
///
/// Run it on every disk of the plan, then start their brokers. Interrupted, it is run again. It
/// refuses a disk that was used since it was described.
#[derive(Args, Clone, Debug)]
pub(crate) struct Apply {
    /// The plan
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The id of the cluster, in full, to show that this cluster is meant; asked for on a terminal
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    cluster_id: Option<ClusterId>,
}

/// Most partitions of one kind to name one by one.
const NAMED: usize = 200;

/// Does what was asked for.
pub(crate) fn run(recover: Recover, reach: &Reach) -> anyhow::Result<()> {
    match recover {
        Recover::Describe(describe) => {
            let description = recovery::describe(&describe.data_dir)?;
            reach.print(&description)
        }
        Recover::Plan(args) => plan(&args, reach),
        Recover::Apply(args) => apply(&args, reach),
    }
}

fn plan(args: &PlanArgs, reach: &Reach) -> anyhow::Result<()> {
    let descriptions: anyhow::Result<Vec<DescriptionFile>> =
        args.descriptions.iter().map(|path| read(path)).collect();
    let plan = recovery::plan(descriptions?)?;
    if let Some(path) = &args.out {
        write(path, &plan)?;
    }
    if reach.is_json() {
        return reach.print(&plan);
    }
    let mut shown = text(plan.summary(), Paint::of_stdout());
    match &args.out {
        Some(path) => add(
            &mut shown,
            format_args!("\nthe plan is in {}\n", path.display()),
        ),
        None => shown += "\nnothing is written yet: --out FILE writes the plan\n",
    }
    output::print(&shown)?;
    Ok(())
}

fn apply(args: &Apply, reach: &Reach) -> anyhow::Result<()> {
    let plan: PlanFile = read(&args.plan)?;
    let summary = plan.summary();
    let typed = match args.cluster_id {
        Some(typed) => typed,
        None => ask()?,
    };
    anyhow::ensure!(
        typed == summary.cluster,
        "the plan is of cluster {}, not {}; nothing was done",
        summary.cluster,
        typed
    );
    let applied = recovery::apply(&args.data_dir, &plan)?;
    let folder = args.data_dir.display();
    if reach.is_json() {
        let outcome = match applied {
            Applied::Now => "applied",
            Applied::Finished => "finished",
            Applied::Before => "was_applied_before",
        };
        return reach.print(&json!({
            "data_dir": folder.to_string(),
            "cluster_id": summary.cluster.to_string(),
            "recovery_generation": summary.to.0,
            "outcome": outcome,
        }));
    }
    output::note(&match applied {
        Applied::Now => format!("{folder} has recovery generation {} now", summary.to),
        Applied::Finished => format!(
            "{folder}: an interrupted recovery is finished, generation {}",
            summary.to
        ),
        Applied::Before => format!("{folder}: this plan was applied before, nothing was done"),
    });
    output::note(&format!(
        "start its broker once the plan is applied to all of {}; replace lost disks with `holdfast \
         format --cluster-id {} --recovery-generation {}` and `holdfast cluster admit --vote`",
        names(summary),
        summary.cluster,
        summary.to
    ));
    Ok(())
}

/// Has the cluster's id typed on a terminal.
fn ask() -> anyhow::Result<ClusterId> {
    let input = std::io::stdin();
    anyhow::ensure!(
        input.is_terminal(),
        "name the cluster with --cluster-id: what the plan counts as lost never returns"
    );
    output::note("what the plan counts as lost never returns; type the cluster's id to go on:");
    let mut line = String::new();
    input.lock().take(256).read_line(&mut line)?;
    line.trim()
        .parse()
        .map_err(|wrong: String| anyhow::anyhow!("{wrong}; nothing was done"))
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let shown = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(shown)?;
    let length = file.metadata().with_context(shown)?.len();
    anyhow::ensure!(
        length <= FILE_BYTES,
        "{} has {length} bytes, more than any description or plan",
        path.display()
    );
    let mut bytes = Vec::new();
    file.take(FILE_BYTES)
        .read_to_end(&mut bytes)
        .with_context(shown)?;
    serde_json::from_slice(&bytes).with_context(shown)
}

/// Writes the plan, never over another one: disks may have been changed by that.
fn write(path: &Path, plan: &PlanFile) -> anyhow::Result<()> {
    let written = || -> anyhow::Result<()> {
        let mut file = File::options().write(true).create_new(true).open(path)?;
        file.write_all(&serde_json::to_vec_pretty(plan)?)?;
        Ok(file.sync_all()?)
    };
    written().with_context(|| format!("cannot write the plan {}", path.display()))
}

fn names(plan: &Plan) -> String {
    let disks: Vec<String> = plan
        .disks
        .iter()
        .map(|disk| disk.replica.to_string())
        .collect();
    disks.join(", ")
}

fn text(plan: &Plan, paint: Paint) -> String {
    let lost: Vec<String> = plan.lost.iter().map(ToString::to_string).collect();
    let mut out = format!(
        "cluster {}, recovery generation {} -> {}\n\
         go on:    {}\n\
         lost:     {}\n\
         metadata: that of {}, term {}, index {}\n",
        plan.cluster,
        plan.from,
        plan.to,
        names(plan),
        if lost.is_empty() {
            "none".to_owned()
        } else {
            lost.join(", ")
        },
        plan.newest,
        plan.newest_position.term,
        plan.newest_position.index,
    );
    let warning = format!(
        "{} of {} voters are described; what the others agreed on without them is not known. A disk \
         that was\ndown or cut off before the others were lost may have left ISRs without knowing \
         it: then it lacks\nwhat was acknowledged since, though its copies are called complete \
         here.\n\n",
        plan.votes_described, plan.votes
    );
    out += &paint.yellow(&warning);
    let of = |verdict| {
        plan.partitions
            .iter()
            .filter(move |fate| fate.verdict == verdict)
    };
    let complete = of(Verdict::Complete).count();
    let eligible = of(Verdict::CompleteEligible).count();
    let line = format!("{complete} partitions complete, {eligible} complete (eligible)");
    add(&mut out, format_args!("{}\n", paint.green(&line)));
    for verdict in [Verdict::MayLose, Verdict::Lost] {
        let line = format!("{} partitions {}", of(verdict).count(), word(verdict));
        let none = of(verdict).next().is_none();
        let line = if none {
            paint.green(&line)
        } else {
            paint.red(&line)
        };
        add(&mut out, format_args!("{line}\n"));
    }
    out.push('\n');
    out += &table(plan);
    if !plan.strays.is_empty() {
        add(
            &mut out,
            format_args!(
                "\n{} logs of topics that this metadata does not know; they are kept on disk:\n",
                plan.strays.len()
            ),
        );
        for stray in plan.strays.iter().take(NAMED) {
            add(
                &mut out,
                format_args!(
                    "  {}/{} on {}, up to {}\n",
                    stray.topic, stray.at.partition, stray.replica, stray.log_end.0
                ),
            );
        }
    }
    out
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Complete => "complete",
        Verdict::CompleteEligible => "complete (eligible)",
        Verdict::MayLose => "may lose",
        Verdict::Lost => "lost",
    }
}

/// Every partition, the worst first.
fn table(plan: &Plan) -> String {
    let mut table = Table::new(&["PARTITION", "VERDICT", "FROM", "LOG END", "REMARK"]);
    let mut fates: Vec<&Fate> = plan.partitions.iter().collect();
    fates.sort_by_key(|fate| std::cmp::Reverse(fate.verdict));
    for fate in fates.iter().take(NAMED) {
        table.row(vec![
            format!("{}/{}", fate.topic, fate.at.partition),
            word(fate.verdict).to_owned(),
            fate.source
                .map_or_else(|| "-".to_owned(), |disk| disk.to_string()),
            fate.log_end.0.to_string(),
            remark(fate),
        ]);
    }
    let mut out = table.render();
    if fates.len() > NAMED {
        add(
            &mut out,
            format_args!("and {} more: -o json\n", fates.len() - NAMED),
        );
    }
    out
}

fn remark(fate: &Fate) -> String {
    let mut remarks = Vec::new();
    if let Some(from) = fate.may_lose_from {
        remarks.push(format!("records from offset {} on may be missing", from.0));
    }
    if fate.verdict == Verdict::Lost {
        remarks.push("no leader until its topic is deleted".to_owned());
    }
    for disk in &fate.offline {
        remarks.push(format!(
            "the copy on {disk} knows of more and goes offline, its data is kept"
        ));
    }
    remarks.join("; ")
}

#[cfg(test)]
mod tests {
    use holdfast_broker::recovery::{ClusterImage, Position};
    use holdfast_model::{
        BrokerId, ClusterId, Incarnation, Offset, RecoveryGeneration, ReplicaId, TopicId,
        TopicPartition,
    };
    use uuid::Uuid;

    use super::*;
    use crate::output::Format;

    fn disk(broker: i32) -> ReplicaId {
        ReplicaId {
            broker: BrokerId(broker),
            incarnation: Incarnation(1),
        }
    }

    fn fate(verdict: Verdict, partition: i32) -> Fate {
        Fate {
            at: TopicPartition {
                topic: TopicId::default(),
                partition,
            },
            topic: "t".to_owned(),
            verdict,
            source: None,
            log_end: Offset(90),
            may_lose_from: None,
            offline: Vec::new(),
        }
    }

    #[test]
    fn the_worst_stands_first_and_says_what_is_lost() {
        let may_lose = Fate {
            source: Some(disk(0)),
            may_lose_from: Some(Offset(80)),
            offline: vec![disk(3)],
            ..fate(Verdict::MayLose, 1)
        };
        let plan = Plan {
            cluster: ClusterId(Uuid::from_u128(1)),
            from: RecoveryGeneration(0),
            to: RecoveryGeneration(1),
            newest: disk(0),
            newest_position: Position { term: 2, index: 6 },
            votes_described: 1,
            votes: 3,
            disks: Vec::new(),
            members: Vec::new(),
            position: Position::default(),
            lost: vec![disk(1)],
            partitions: vec![fate(Verdict::Complete, 0), may_lose, fate(Verdict::Lost, 2)],
            strays: Vec::new(),
            image: ClusterImage::default(),
        };
        let text = text(&plan, Paint::of_stdout());
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("t/")).collect();
        assert!(
            rows[0].starts_with("t/2") && rows[0].contains("no leader"),
            "{text}"
        );
        assert!(
            rows[1].contains("records from offset 80 on may be missing"),
            "{text}"
        );
        assert!(
            rows[1].contains("3@0000000000000001 knows of more"),
            "{text}"
        );
        assert!(rows[2].starts_with("t/0"), "{text}");
        assert!(text.contains("1 of 3 voters are described"), "{text}");
    }

    #[test]
    fn a_plan_for_another_cluster_is_refused_before_the_disk_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        std::fs::write(&path, "{}").unwrap();
        let args = Apply {
            plan: path,
            data_dir: folder.path().join("none"),
            cluster_id: None,
        };
        let reach = Reach {
            bootstrap: String::new(),
            timeout: 1,
            output: Format::Json,
        };
        let error = apply(&args, &reach).unwrap_err();
        assert!(format!("{error:#}").contains("cannot read"), "{error:#}");
        assert!(!folder.path().join("none").exists());
    }
}
