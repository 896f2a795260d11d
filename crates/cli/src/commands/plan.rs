//! `holdfast plan`: what the operator would do for a resource in a file. The same planner decides, on
//! what kubectl printed, or on nothing at all for a cluster that is new.

mod files;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use holdfast_api::MessageCluster;
use holdfast_api::validate::{Problem, read_cluster, validate_cluster, validate_cluster_update};
use holdfast_planner::seen::{self, State, believe};
use holdfast_planner::{Decision, NodeView, Operator, decide, fates};
use holdfast_runtime::Config;
use serde_json::Value;

use crate::exit::FINDINGS;
use crate::session::Reach;
use show::Shown;

/// The namespace where neither the file nor the command line names one, as for kubectl.
const DEFAULT_NAMESPACE: &str = "default";

/// Stands for the id that a new cluster is given when it is made; no hash depends on it.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// What the help says besides.
fn help() -> String {
    format!(
        "With a file alone the plan is that of a new cluster. For a cluster that exists, give the state of its
namespace as kubectl prints it:

  {} | holdfast plan --file cluster.yaml --state -

Nothing is asked of Kubernetes or brokers, and nothing is changed. The plan's hash is the one that the
operator will show in status.plan, so that approvedPlan can be part of the same change, as long as the
state and the versions of the operator and of this tool stay the same.

Exit codes: 0 nothing to do; 3 something to do; 1 the file is invalid, or a part of it is refused",
        seen::how_to_get("shop")
    )
}

/// What to plan for.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = help())]
pub(crate) struct Plan {
    /// The file with the MessageCluster, in YAML or JSON; - is standard input
    #[arg(long, short = 'f', value_name = "FILE")]
    file: PathBuf,
    /// What there is, as kubectl prints it in YAML or JSON; several files, or - for standard input
    #[arg(long, value_name = "FILE")]
    state: Vec<PathBuf>,
    /// The namespace, where the file names none
    #[arg(long, short = 'n', value_name = "NAME")]
    namespace: Option<String>,
    /// The zones that the nodes have, where neither the file names zones nor the state has nodes
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    zones: Vec<String>,
}

/// Plans, prints the plan, and says by the exit code whether there is something to do.
pub(crate) fn run(plan: &Plan, reach: &Reach) -> anyhow::Result<ExitCode> {
    let stdin = |path: &PathBuf| path.as_os_str() == "-";
    if stdin(&plan.file) && plan.state.iter().any(stdin) {
        bail!("standard input can be the file or the state, and not both: save one of them");
    }
    let document = files::only_cluster(&plan.file)?;
    let mut states = Vec::new();
    for path in &plan.state {
        states.extend(files::documents(path)?);
    }
    let (shown, code) = planned(plan, &document, &states)?;
    if reach.is_json() {
        reach.print(&shown)?;
    } else {
        crate::output::print(&show::text(&shown, crate::output::Paint::of_stdout()))?;
    }
    Ok(ExitCode::from(code))
}

/// The plan, and the exit code.
fn planned(plan: &Plan, document: &Value, states: &[Value]) -> anyhow::Result<(Shown, u8)> {
    let mut wish = read_cluster(document).map_err(|problems| invalid(&problems))?;
    let namespace = wish.metadata.namespace.clone().or(plan.namespace.clone());
    let namespace = namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    wish.metadata.namespace = Some(namespace.clone());
    validate_cluster(&wish).map_err(|problems| invalid(&problems))?;
    let name = wish.metadata.name.clone().unwrap_or_default();
    let topology_key = &wish.spec.topology_key;
    let mut state =
        seen::state((&namespace, &name), topology_key, states).map_err(anyhow::Error::msg)?;
    if let Some(live) = state.live.clone() {
        let change = validate_cluster_update(&live.spec, &wish.spec);
        change.map_err(|problems| invalid(&problems))?;
        take_over(&mut wish, &live);
    } else if !states.is_empty() {
        state.assumed.push(format!(
            "the state has no MessageCluster {namespace}/{name}: it is taken for one to be made"
        ));
    }
    NO_ID.clone_into(&mut state.observed.fresh_cluster_id);
    assume_nodes(&mut state, &plan.zones);
    let observed = &state.observed;
    if observed.nodes.is_empty() && observed.identity.is_none() && wish.spec.zones.is_empty() {
        let way_out = "no node is known: name the zones of the nodes with --zones a,b,c";
        state.assumed.push(way_out.to_owned());
    }
    let check = &Config::check_properties;
    believe(&mut state, check);
    let operator = Operator {
        version: holdfast_model::VERSION.to_owned(),
        ..Operator::default()
    };
    let decision = decide(&wish, &state.observed, &operator, check);
    let children = fates(&wish, &state.observed, &operator, check).unwrap_or_default();
    let code = code(&decision);
    let cluster = format!("{namespace}/{name}");
    Ok((
        Shown::new(cluster, &wish, decision, &children, state.assumed),
        code,
    ))
}

/// What a stored resource has besides what the file says.
fn take_over(wish: &mut MessageCluster, live: &MessageCluster) {
    let before = live.metadata.generation.unwrap_or(0);
    let changed = i64::from(live.spec != wish.spec);
    wish.metadata.generation = Some(before + changed);
    wish.metadata.uid.clone_from(&live.metadata.uid);
    wish.status.clone_from(&live.status);
}

/// A node for each zone that the command line names, if the state has none.
fn assume_nodes(state: &mut State, zones: &[String]) {
    if !state.observed.nodes.is_empty() || state.observed.identity.is_some() {
        return;
    }
    for zone in zones {
        let node = NodeView {
            zone: Some(zone.clone()),
            schedulable: true,
            ready: true,
            out_of_service: false,
        };
        state
            .observed
            .nodes
            .insert(format!("a node in {zone}"), node);
    }
}

fn code(decision: &Decision) -> u8 {
    if decision.findings.iter().any(|finding| finding.stalled) {
        1
    } else if decision.steps.is_empty() {
        0
    } else {
        FINDINGS
    }
}

fn invalid(problems: &[Problem]) -> anyhow::Error {
    let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("the file is invalid: {}", sentences.join("; "))
}

#[cfg(test)]
mod tests;
