//! `holdfast permit`: may these brokers be stopped?

use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use holdfast_rpc::admin::Admin;
use holdfast_rpc::proto::admin::{
    AcquirePermitRequest, DescribeClusterRequest, EndPermitRequest, Permit as Shown, PermitStage,
};
use serde_json::json;

use crate::output::{self, Table};
use crate::rule::{Rule, answer};
use crate::session::Reach;

/// Pause between two looks while leaders are moved away.
const PAUSE: Duration = Duration::from_millis(200);

/// What to do about the permit.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Permit {
    /// Ask the controller whether brokers may be stopped, and wait until they may
    Request(Request),
    /// Show the permit in force and those before it
    Show(Rule),
    /// Give a permit back: its brokers are back, or need not be stopped any more
    End(End),
}

/// Ask the controller whether brokers may be stopped. Granted only if every partition keeps enough
/// in-sync replicas and the quorum its majority without them; their leaderships are moved away first.
/// The permit ends by itself once the brokers have restarted and caught up.
#[derive(Args, Clone, Debug)]
pub(crate) struct Request {
    #[command(flatten)]
    rule: Rule,
    /// The brokers; several only if all are in one zone
    #[arg(value_name = "BROKERS", value_delimiter = ',', required = true)]
    brokers: Vec<i32>,
    /// Why, for the record
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Who asks; the same name asking again gets the same permit. Default: $USER
    #[arg(long, value_name = "NAME")]
    holder: Option<String>,
    /// They stay away for a while: the slot is free for others once they have stopped
    #[arg(long)]
    park: bool,
    /// Topics that may be unavailable meanwhile
    #[arg(long, value_name = "TOPICS", value_delimiter = ',')]
    allow_unavailable: Vec<String>,
    /// Seconds after which a permit that nobody used runs out
    #[arg(long, default_value_t = 600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    ttl: u64,
    /// Although rules speak against it; what they say is recorded with the permit
    #[arg(long)]
    force: bool,
}

/// A permit to give back.
#[derive(Args, Clone, Debug)]
pub(crate) struct End {
    #[command(flatten)]
    rule: Rule,
    /// Its number
    #[arg(value_name = "PERMIT")]
    id: u64,
    /// Who holds it. Default: $USER
    #[arg(long, value_name = "NAME")]
    holder: Option<String>,
    /// Free the slot at once, whatever became of its brokers; this is recorded
    #[arg(long)]
    force: bool,
}

/// Does it.
pub(crate) async fn run(permit: Permit, reach: &Reach) -> anyhow::Result<()> {
    match permit {
        Permit::Request(request) => ask(request, reach).await,
        Permit::Show(rule) => show(&rule, reach).await,
        Permit::End(end) => give_back(end, reach).await,
    }
}

fn holder(named: Option<String>) -> String {
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    named.or_else(user).unwrap_or_else(|| "somebody".to_owned())
}

async fn ask(request: Request, reach: &Reach) -> anyhow::Result<()> {
    let mut client = request.rule.client(reach).await?;
    let message = AcquirePermitRequest {
        holder: holder(request.holder),
        reason: request.reason,
        brokers: request.brokers,
        park: request.park,
        allow_unavailable: request.allow_unavailable,
        ttl_ms: request.ttl * 1000,
        force: request.force,
    };
    let waited = tokio::time::timeout(
        Duration::from_secs(reach.timeout),
        until_granted(&mut client, &message),
    );
    let Ok(granted) = waited.await else {
        bail!(
            "leaders are still being moved away; ask again with the same brokers to wait on, or \
             give it back with `holdfast permit end`"
        );
    };
    let granted = granted?;
    let line = format!(
        "permit {}: brokers {:?} may be stopped now; it ends once they are back and caught up",
        granted.id,
        ids(&granted)
    );
    reach.tell(&document(&granted), &line)
}

/// Asks until the brokers may be stopped. The same question gets the same permit.
async fn until_granted(
    client: &mut Admin,
    message: &AcquirePermitRequest,
) -> anyhow::Result<Shown> {
    loop {
        let reply = answer(client.acquire_permit(message.clone()).await)?;
        match reply.permit {
            None => bail!("not permitted: {}", reply.obstacles.join("; ")),
            Some(permit) => match permit.stage() {
                PermitStage::Granted => return Ok(permit),
                PermitStage::Draining => tokio::time::sleep(PAUSE).await,
                PermitStage::Ending | PermitStage::Unspecified => bail!(
                    "permit {} for these brokers is ending: wait until they are caught up",
                    permit.id
                ),
            },
        }
    }
}

async fn show(rule: &Rule, reach: &Reach) -> anyhow::Result<()> {
    let mut client = rule.client(reach).await?;
    let cluster = answer(client.describe_cluster(DescribeClusterRequest {}).await)?;
    let ended: Vec<(&Shown, &str)> = cluster
        .ended_permits
        .iter()
        .filter_map(|ended| Some((ended.permit.as_ref()?, ended.outcome.as_str())))
        .collect();
    if reach.is_json() {
        let ended: Vec<_> = ended
            .iter()
            .map(|(permit, outcome)| json!({ "permit": document(permit), "outcome": outcome }))
            .collect();
        let permit = cluster.permit.as_ref().map(document);
        return reach.print(&json!({ "permit": permit, "ended": ended }));
    }
    let mut table = Table::new(&["PERMIT", "BROKERS", "HOLDER", "STATE", "REASON"]);
    let in_force = cluster.permit.iter().map(|permit| (permit, stage(permit)));
    for (permit, state) in in_force.chain(ended.into_iter().rev()) {
        let brokers: Vec<String> = ids(permit).iter().map(ToString::to_string).collect();
        table.row(vec![
            permit.id.to_string(),
            brokers.join(","),
            permit.holder.clone(),
            state.to_owned(),
            permit.reason.clone(),
        ]);
    }
    if cluster.permit.is_none() {
        output::note("no permit is in force");
    }
    output::print(&table.render())?;
    Ok(())
}

async fn give_back(end: End, reach: &Reach) -> anyhow::Result<()> {
    let mut client = end.rule.client(reach).await?;
    let message = EndPermitRequest {
        id: end.id,
        holder: holder(end.holder),
        force: end.force,
    };
    let left = answer(client.end_permit(message).await)?.permit;
    let line = match &left {
        None => format!("permit {} has ended", end.id),
        Some(_) => format!(
            "permit {} ends once its brokers are caught up; until then nobody else gets one",
            end.id
        ),
    };
    reach.tell(&json!({ "permit": left.as_ref().map(document) }), &line)
}

fn ids(permit: &Shown) -> Vec<i32> {
    permit.brokers.iter().map(|named| named.broker).collect()
}

fn stage(permit: &Shown) -> &'static str {
    match permit.stage() {
        PermitStage::Draining => "draining",
        PermitStage::Granted => "granted",
        PermitStage::Ending => "ending",
        PermitStage::Unspecified => "unknown",
    }
}

fn document(permit: &Shown) -> serde_json::Value {
    json!({
        "id": permit.id,
        "holder": permit.holder,
        "reason": permit.reason,
        "purpose": if permit.park { "park" } else { "restart" },
        "brokers": ids(permit),
        "stage": stage(permit),
        "allow_unavailable": permit.allow_unavailable,
        "forced": permit.forced,
    })
}
