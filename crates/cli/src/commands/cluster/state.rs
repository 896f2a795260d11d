//! `holdfast cluster state`, `watch` and `raise-feature-level`: over the admin API.

use clap::Args;
use holdfast_rpc::proto::admin::{
    Broker, DescribeClusterReply, DescribeClusterRequest, Event, RaiseFeatureLevelRequest,
    WatchRequest,
};
use serde_json::{Value, json};

use crate::output::{self, Table};
use crate::rule::{Rule, answer, explain};
use crate::session::{Reach, interrupted};
use crate::text::add;

/// A level to raise to.
#[derive(Args, Clone, Debug)]
pub(crate) struct Raise {
    #[command(flatten)]
    rule: Rule,
    /// The level; every broker must know it
    #[arg(value_name = "LEVEL")]
    level: u32,
}

/// Prints what the controller knows.
pub(crate) async fn state(rule: &Rule, reach: &Reach) -> anyhow::Result<()> {
    let mut client = rule.client(reach).await?;
    let cluster = answer(client.describe_cluster(DescribeClusterRequest {}).await)?;
    if reach.is_json() {
        return reach.print(&document(&cluster));
    }
    output::print(&text(&cluster))?;
    Ok(())
}

/// Prints events until Ctrl-C.
pub(crate) async fn watch(rule: &Rule, reach: &Reach) -> anyhow::Result<()> {
    let interrupted = interrupted()?;
    let mut client = rule.client(reach).await?;
    let mut events = answer(client.watch(WatchRequest {}).await)?;
    tokio::pin!(interrupted);
    loop {
        let next = tokio::select! {
            biased;
            () = &mut interrupted => return Ok(()),
            next = events.message() => next,
        };
        match next {
            Ok(Some(event)) => print_event(&event, reach)?,
            Ok(None) => anyhow::bail!("the broker has stopped; ask another one with --admin"),
            Err(status) => anyhow::bail!("{}", explain(&status)),
        }
    }
}

fn print_event(event: &Event, reach: &Reach) -> anyhow::Result<()> {
    if reach.is_json() {
        return reach.print(&json!({
            "at_ms": event.at_ms,
            "image_version": event.image_version,
            "kind": event.kind,
            "subject": event.subject,
            "message": event.message,
        }));
    }
    let Event {
        kind,
        subject,
        message,
        ..
    } = event;
    output::print(&format!("{kind}  {subject}: {message}\n"))?;
    Ok(())
}

/// Raises the level.
pub(crate) async fn raise(raise: Raise, reach: &Reach) -> anyhow::Result<()> {
    let mut client = raise.rule.client(reach).await?;
    let message = RaiseFeatureLevelRequest { level: raise.level };
    let level = answer(client.raise_feature_level(message).await)?.level;
    reach.tell(
        &json!({ "feature_level": level }),
        &format!("the feature level is {level}: versions that do not know it cannot return"),
    )
}

fn standing(broker: &Broker) -> &'static str {
    match (broker.fenced, broker.stopping) {
        (true, _) => "fenced",
        (false, true) => "stopping",
        (false, false) if broker.in_sync < broker.replicas => "catching up",
        (false, false) => "in sync",
    }
}

fn text(cluster: &DescribeClusterReply) -> String {
    let mut out = String::new();
    let controller = cluster
        .controller
        .map_or_else(|| "none".to_owned(), |id| id.to_string());
    add(
        &mut out,
        format_args!(
            "cluster {}  controller {controller}  feature level {}\n",
            cluster.cluster_id, cluster.feature_level
        ),
    );
    if cluster.stale {
        out += "no controller answers: this is what one broker knows\n";
    }
    out.push('\n');
    let mut table = Table::new(&[
        "BROKER", "ZONE", "STATE", "VERSION", "LEADS", "IN SYNC", "DISK", "VOTES",
    ]);
    for broker in &cluster.brokers {
        let member = cluster.quorum.iter().find(|m| m.broker == broker.id);
        let votes = match member {
            Some(member) if member.votes && member.answers => "yes",
            Some(member) if member.votes => "yes, silent",
            Some(_) | None => "no",
        };
        table.row(vec![
            broker.id.to_string(),
            broker.zone.clone(),
            standing(broker).to_owned(),
            broker.version.clone(),
            broker.leads.to_string(),
            format!("{}/{}", broker.in_sync, broker.replicas),
            broker.incarnation.clone(),
            votes.to_owned(),
        ]);
    }
    out += &table.render();
    if let Some(p) = &cluster.partitions {
        add(
            &mut out,
            format_args!(
                "\n{} partitions: {} without a leader, {} below min.insync.replicas, {} at it, {} \
                 lack a replica\n",
                p.all, p.offline, p.below_min, p.at_min, p.under_replicated
            ),
        );
        if !p.examples.is_empty() {
            add(&mut out, format_args!("  {}\n", p.examples.join(" ")));
        }
    }
    for one in &cluster.damaged {
        let repair = match one.hindrance.as_str() {
            "" => "being mended",
            hindrance => hindrance,
        };
        add(
            &mut out,
            format_args!(
                "damaged: {} on broker {}: {}; {repair}\n",
                one.partition, one.broker, one.reason
            ),
        );
    }
    if let Some(permit) = &cluster.permit {
        add(
            &mut out,
            format_args!(
                "permit {} of {}: {}\n",
                permit.id, permit.holder, permit.reason
            ),
        );
    }
    out
}

fn document(cluster: &DescribeClusterReply) -> Value {
    let brokers: Vec<Value> = cluster
        .brokers
        .iter()
        .map(|broker| {
            json!({
                "id": broker.id,
                "zone": broker.zone,
                "state": standing(broker),
                "version": broker.version,
                "incarnation": broker.incarnation,
                "leads": broker.leads,
                "replicas": broker.replicas,
                "in_sync": broker.in_sync,
                "endpoints": broker.endpoints,
            })
        })
        .collect();
    let partitions = cluster.partitions.as_ref().map(|p| {
        json!({
            "all": p.all,
            "offline": p.offline,
            "below_min": p.below_min,
            "at_min": p.at_min,
            "under_replicated": p.under_replicated,
            "examples": p.examples,
        })
    });
    let damaged = cluster.damaged.iter().map(|one| {
        json!({
            "broker": one.broker,
            "partition": one.partition,
            "reason": one.reason,
            "hindrance": one.hindrance,
        })
    });
    json!({
        "cluster_id": cluster.cluster_id,
        "damaged": damaged.collect::<Vec<_>>(),
        "controller": cluster.controller,
        "feature_level": cluster.feature_level,
        "stale": cluster.stale,
        "brokers": brokers,
        "partitions": partitions,
        "topics": cluster.topics,
        "permit": cluster.permit.as_ref().map(|permit| permit.id),
        "settings": cluster.settings,
    })
}
