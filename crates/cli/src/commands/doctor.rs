//! `holdfast doctor`: looks for what endangers records or availability.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use holdfast_client::admin::{ClusterDescription, ConfigEntry, QuorumDescription, Resource};
use holdfast_client::{Admin, Client, Cluster as Metadata};
use holdfast_rpc::proto::admin::{ClientHabit, ListClientHabitsRequest};
use holdfast_wire::Api;
use serde::Serialize;

use crate::exit;
use crate::output::{self, Paint};
use crate::rule::{Rule, answer};
use crate::session::Reach;
use crate::text::add;

mod checks;

/// Topics whose settings are looked at; more would make one look a load on the cluster.
const TOPICS: usize = 2_000;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// Something does not work now, or the next failure loses something.
    Problem,
    /// It works, with less in reserve than it should have.
    Warning,
}

/// Something to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    severity: Severity,
    /// What was found.
    what: String,
    /// Why it matters.
    why: &'static str,
    /// How to mend it.
    mend: String,
}

/// What was looked at, and what was found there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    findings: Vec<Finding>,
}

/// What the checks look at.
#[derive(Debug)]
struct Seen {
    cluster: ClusterDescription,
    quorum: QuorumDescription,
    metadata: Metadata,
    /// The settings of each topic looked at.
    settings: BTreeMap<String, Vec<ConfigEntry>>,
    /// For each broker the API versions agreed with it, or why it does not answer.
    brokers: BTreeMap<i32, Result<Vec<(Api, i16)>, String>>,
    /// Topics beyond [`TOPICS`].
    skipped: usize,
    /// What clients were seen to do; none if nobody was asked.
    habits: Option<Vec<ClientHabit>>,
}

/// Look for what endangers records or availability. With a certificate (--certificates) the brokers at --admin
/// are asked besides what their clients do: name all of them, each knows its own clients.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    rule: Rule,
}

/// Looks, prints what is to be mended, and says by the exit code whether there is anything.
pub(crate) async fn run(doctor: &Doctor, reach: &Reach) -> anyhow::Result<ExitCode> {
    let mut seen = look(reach.client().await?).await?;
    if doctor.rule.is_given() {
        seen.habits = habits(&doctor.rule, reach).await?;
    } else {
        output::note("what clients do was not looked at: that needs --admin and --certificates");
    }
    let checks = checks::all(&seen);
    if reach.is_json() {
        reach.print(&checks)?;
    } else {
        output::print(&text(&checks, Paint::of_stdout()))?;
    }
    if seen.skipped > 0 {
        output::note(&format!(
            "the settings of {} topics were not looked at",
            seen.skipped
        ));
    }
    let found = checks.iter().any(|check| !check.findings.is_empty());
    Ok(if found {
        ExitCode::from(exit::FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

/// What clients of any of the brokers were seen to do; none if no broker says.
async fn habits(rule: &Rule, reach: &Reach) -> anyhow::Result<Option<Vec<ClientHabit>>> {
    let mut all = None;
    for (address, client) in rule.clients(reach).await? {
        let habits = match client {
            Ok(mut client) => {
                let reply = client.list_client_habits(ListClientHabitsRequest {}).await;
                answer(reply).map(|reply| reply.habits)
            }
            Err(reason) => Err(anyhow::anyhow!("{reason}")),
        };
        match habits {
            Ok(habits) => all.get_or_insert_with(Vec::new).extend(habits),
            // A broker that does not serve yet, or one of an older version.
            Err(reason) => output::note(&format!(
                "{address} does not say what its clients do: {reason:#}"
            )),
        }
    }
    Ok(all)
}

async fn look(client: Client) -> anyhow::Result<Seen> {
    let admin = Admin::new(client.clone());
    let cluster = admin.describe_cluster().await?;
    let quorum = admin.describe_quorum().await?;
    let metadata = client.describe_all().await?;
    let mut brokers = BTreeMap::new();
    for broker in &cluster.brokers {
        // A fenced broker is in no metadata, so no client has its address.
        if broker.fenced {
            continue;
        }
        let versions = match client.broker(broker.id).await {
            Ok(connection) => Ok(Api::ALL
                .iter()
                .filter_map(|api| Some((*api, connection.version(*api).ok()?)))
                .collect()),
            Err(error) => Err(error.to_string()),
        };
        brokers.insert(broker.id, versions);
    }
    let mut settings = BTreeMap::new();
    for topic in metadata
        .topics
        .values()
        .filter(|t| !t.internal)
        .take(TOPICS)
    {
        let resource = Resource::Topic(topic.name.clone());
        settings.insert(topic.name.clone(), admin.describe_configs(&resource).await?);
    }
    let own = metadata.topics.values().filter(|t| !t.internal).count();
    Ok(Seen {
        skipped: own - settings.len(),
        habits: None,
        cluster,
        quorum,
        metadata,
        settings,
        brokers,
    })
}

fn text(checks: &[Check], paint: Paint) -> String {
    let mut out = String::new();
    for check in checks {
        if check.findings.is_empty() {
            add(
                &mut out,
                format_args!("{} {}\n", paint.green("ok      "), check.name),
            );
        }
        for finding in &check.findings {
            let word = match finding.severity {
                Severity::Problem => paint.red("problem "),
                Severity::Warning => paint.yellow("warning "),
            };
            let Finding {
                what, why, mend, ..
            } = finding;
            add(&mut out, format_args!("{word} {what}\n"));
            add(
                &mut out,
                format_args!("           why:  {why}\n           mend: {mend}\n"),
            );
        }
    }
    out
}
