//! The checks: from what was seen to what is to be mended. No question is asked here.

mod clients;

use std::collections::{BTreeMap, BTreeSet};

use holdfast_client::Partition;
use holdfast_client::admin::ConfigEntry;

use super::{Check, Finding, Seen, Severity};
use crate::commands::cluster::{Lacking, lacking};

/// Brokers, replicas and voters with which any one may be lost.
const COPIES: usize = 3;

/// Replicas that must have a record before it is acknowledged.
const SYNCED: usize = 2;

/// Entries by which a voter may lag without being worth a word.
const VOTER_LAG: i64 = 1_000;

/// Names in one sentence.
const NAMED: usize = 5;

/// Every check, the most urgent first.
pub(super) fn all(seen: &Seen) -> Vec<Check> {
    let check = |name, findings: Vec<Finding>| Check { name, findings };
    let of_clients = seen.habits.as_deref().map(|habits| {
        let findings = clients::findings(habits);
        check("clients write and commit safely", findings)
    });
    let of_cluster = vec![
        check("every broker answers", brokers_answer(seen)),
        check("every broker that is counted on is there", registered(seen)),
        check("a controller decides", controller(seen)),
        check("the metadata quorum is complete", quorum(seen)),
        check(
            "every partition has a leader and all replicas",
            partitions(seen),
        ),
        check("every partition takes writes with acks=all", writable(seen)),
        check("brokers are spread over zones", zones(seen)),
        check("topics have enough replicas", replicas(seen)),
        check("acknowledged means on two disks", synced(seen)),
        check("all brokers speak the same versions", versions(seen)),
    ];
    of_cluster.into_iter().chain(of_clients).collect()
}

fn problem(what: String, why: &'static str, mend: impl Into<String>) -> Finding {
    let mend = mend.into();
    Finding {
        severity: Severity::Problem,
        what,
        why,
        mend,
    }
}

fn warning(what: String, why: &'static str, mend: impl Into<String>) -> Finding {
    let mend = mend.into();
    Finding {
        severity: Severity::Warning,
        what,
        why,
        mend,
    }
}

fn brokers_answer(seen: &Seen) -> Vec<Finding> {
    let fenced = seen.cluster.brokers.iter().filter(|b| b.fenced).map(|b| {
        problem(
            format!("broker {} is fenced", b.id),
            "its replicas follow nobody and it leads nothing, so the next failure may stop writes",
            "look at its log and at /readyz; start it if it does not run",
        )
    });
    let silent = seen.brokers.iter().filter_map(|(id, answer)| {
        let reason = answer.as_ref().err()?;
        Some(problem(
            format!("broker {id} does not answer: {reason}"),
            "clients cannot reach the partitions that it leads",
            "check that its advertised address can be reached from here",
        ))
    });
    fenced.chain(silent).collect()
}

fn registered(seen: &Seen) -> Vec<Finding> {
    let known: BTreeSet<i32> = seen.cluster.brokers.iter().map(|b| b.id).collect();
    let topics = seen.metadata.topics.values();
    let partitions = topics.flat_map(|topic| topic.partitions.values());
    let replicas = partitions.flat_map(|p| p.replicas.iter().copied());
    let voters = seen.quorum.voters.iter().map(|voter| voter.id);
    let counted: BTreeSet<i32> = replicas.chain(voters).collect();
    let missing = counted.difference(&known);
    missing
        .map(|id| {
            problem(
                format!("broker {id} has replicas or a vote, and the cluster does not name it"),
                "what it should hold has one copy less until it comes",
                "start it; if its disk is lost, format another one and let it in with `holdfast \
                 cluster admit`",
            )
        })
        .collect()
}

fn controller(seen: &Seen) -> Vec<Finding> {
    if seen.cluster.controller >= 0 {
        return Vec::new();
    }
    vec![problem(
        "no controller is known".to_owned(),
        "leaders cannot change and topics cannot be made until there is one",
        "a majority of the voters must run and reach each other",
    )]
}

fn quorum(seen: &Seen) -> Vec<Finding> {
    if seen.quorum.leader < 0 {
        // How far the voters are only a leader knows.
        return vec![problem(
            "the metadata quorum has no leader".to_owned(),
            "leaders cannot change, brokers cannot come back and topics cannot be made",
            "a majority of the voters must run and reach each other at their addresses for brokers",
        )];
    }
    let mut findings = Vec::new();
    let voters = &seen.quorum.voters;
    if voters.len() < COPIES {
        findings.push(warning(
            format!("the metadata quorum has {} voters", voters.len()),
            "with fewer than three voters the loss of one stops every change of leaders",
            "run at least three brokers that vote",
        ));
    } else if voters.len().is_multiple_of(2) {
        findings.push(warning(
            format!(
                "the metadata quorum has {} voters, an even number",
                voters.len()
            ),
            "it bears no more failures than with one voter less, and commits more slowly",
            "add a voter or remove one",
        ));
    }
    let end = voters.iter().map(|v| v.log_end).max().unwrap_or(-1);
    for voter in voters {
        let lag = end - voter.log_end;
        if voter.log_end < 0 {
            findings.push(problem(
                format!(
                    "the leader of the quorum has not heard of voter {}",
                    voter.id
                ),
                "it counts as lost: fewer further failures are borne",
                format!("start broker {} or look at its log", voter.id),
            ));
        } else if lag > VOTER_LAG {
            findings.push(warning(
                format!("voter {} lags by {lag} entries", voter.id),
                "it cannot take over until it has caught up",
                format!("look at the disk and the network of broker {}", voter.id),
            ));
        }
    }
    findings
}

fn partitions(seen: &Seen) -> Vec<Finding> {
    let (under, offline) = lacking(&seen.metadata);
    let mut findings = Vec::new();
    if !offline.is_empty() {
        findings.push(problem(
            format!(
                "{} partitions have no leader: {}",
                offline.len(),
                names(&offline)
            ),
            "they can be neither written nor read",
            "start the brokers that hold their replicas",
        ));
    }
    if !under.is_empty() {
        findings.push(problem(
            format!(
                "{} partitions lack in-sync replicas: {}",
                under.len(),
                names(&under)
            ),
            "another failure may stop writes to them",
            "start the missing brokers, or look at their disks and network if they run",
        ));
    }
    findings
}

/// Partitions with a leader whose in-sync set is too small for acks=all.
fn writable(seen: &Seen) -> Vec<Finding> {
    let mut short = Vec::new();
    for (name, settings) in &seen.settings {
        let Some((least, topic)) = min_insync(settings).zip(seen.metadata.topics.get(name)) else {
            continue;
        };
        let refuses = |p: &&Partition| p.leader >= 0 && p.isr.len() < least.min(p.replicas.len());
        let partitions = topic.partitions.values().filter(refuses);
        short.extend(partitions.map(|p| format!("{name}/{}", p.index)));
    }
    if short.is_empty() {
        return Vec::new();
    }
    let count = short.len();
    vec![problem(
        format!(
            "{count} partitions have fewer in-sync replicas than min.insync.replicas: {}",
            list_of(short)
        ),
        "they refuse what is produced with acks=all",
        "start the brokers that hold the missing replicas; they join again when they caught up",
    )]
}

/// The replicas that acks=all waits for.
fn min_insync(settings: &[ConfigEntry]) -> Option<usize> {
    let setting = settings.iter().find(|s| s.name == "min.insync.replicas")?;
    setting.value.as_deref()?.parse().ok()
}

fn names(rows: &[Lacking]) -> String {
    let names = rows
        .iter()
        .map(|row| format!("{}/{}", row.topic, row.partition));
    list(names, rows.len())
}

fn list(names: impl Iterator<Item = String>, count: usize) -> String {
    let mut text = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if count > NAMED {
        text.push_str(", ...");
    }
    text
}

fn zones(seen: &Seen) -> Vec<Finding> {
    let brokers = &seen.cluster.brokers;
    if brokers.len() < COPIES {
        return vec![warning(
            format!("the cluster has {} brokers", brokers.len()),
            "three copies of each record need three brokers",
            "run at least three brokers, each on a machine of its own",
        )];
    }
    let without = brokers.iter().filter(|b| b.rack.is_none());
    let without: Vec<String> = without.map(|b| b.id.to_string()).collect();
    if !without.is_empty() {
        return vec![warning(
            format!("no zone is set on broker {}", without.join(", ")),
            "replicas of a partition may share what fails together",
            "set `zone` (broker.rack) on every broker",
        )];
    }
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for broker in brokers {
        *sizes
            .entry(broker.rack.as_deref().unwrap_or_default())
            .or_default() += 1;
    }
    if sizes.len() < COPIES {
        return vec![warning(
            format!("the brokers are in {} zones", sizes.len()),
            "the loss of one zone may take two replicas of a partition",
            "spread the brokers over three zones",
        )];
    }
    Vec::new()
}

fn replicas(seen: &Seen) -> Vec<Finding> {
    let zone_of: BTreeMap<i32, Option<&str>> = seen
        .cluster
        .brokers
        .iter()
        .map(|b| (b.id, b.rack.as_deref()))
        .collect();
    let all_zones: BTreeSet<&str> = zone_of.values().flatten().copied().collect();
    let mut few = Vec::new();
    let mut together = Vec::new();
    for topic in seen.metadata.topics.values().filter(|t| !t.internal) {
        let mut partitions = topic.partitions.values();
        if partitions.clone().any(|p| p.replicas.len() < COPIES) {
            few.push(topic.name.clone());
        }
        let in_one_zone = |replicas: &[i32]| {
            let zones: BTreeSet<&str> =
                replicas.iter().filter_map(|id| *zone_of.get(id)?).collect();
            replicas.len() > 1 && zones.len() == 1 && all_zones.len() > 1
        };
        if partitions.any(|p| in_one_zone(&p.replicas)) {
            together.push(topic.name.clone());
        }
    }
    let mut findings = Vec::new();
    if !few.is_empty() {
        let count = few.len();
        findings.push(warning(
            format!(
                "{count} topics have fewer than {COPIES} replicas: {}",
                list_of(few)
            ),
            "with two replicas the loss of a broker stops writes; with one it may lose records",
            "create such topics with --replication-factor 3",
        ));
    }
    if !together.is_empty() {
        let count = together.len();
        findings.push(warning(
            format!(
                "{count} topics have partitions in one zone only: {}",
                list_of(together)
            ),
            "the loss of that zone makes them unavailable",
            "create such topics again, or place their replicas with --placement",
        ));
    }
    findings
}

fn list_of(names: Vec<String>) -> String {
    let count = names.len();
    list(names.into_iter(), count)
}

fn synced(seen: &Seen) -> Vec<Finding> {
    let mut few = Vec::new();
    let mut stiff = Vec::new();
    for (name, settings) in &seen.settings {
        let Some((least, topic)) = min_insync(settings).zip(seen.metadata.topics.get(name)) else {
            continue;
        };
        let copies = topic
            .partitions
            .values()
            .map(|p| p.replicas.len())
            .min()
            .unwrap_or(0);
        if least < SYNCED {
            few.push(name.clone());
        } else if copies > 1 && least >= copies {
            stiff.push(name.clone());
        }
    }
    let mut findings = Vec::new();
    if !few.is_empty() {
        let text = format!("min.insync.replicas is below {SYNCED}: {}", list_of(few));
        findings.push(warning(
            text,
            "a record may be acknowledged when it is on one disk only",
            "holdfast config set topic:NAME min.insync.replicas=2",
        ));
    }
    if !stiff.is_empty() {
        findings.push(warning(
            format!(
                "min.insync.replicas is the number of replicas: {}",
                list_of(stiff)
            ),
            "the loss of any one replica stops writes",
            "keep min.insync.replicas one below the number of replicas",
        ));
    }
    findings
}

fn versions(seen: &Seen) -> Vec<Finding> {
    let distinct: BTreeSet<_> = seen
        .brokers
        .values()
        .filter_map(|v| v.as_ref().ok())
        .collect();
    if distinct.len() <= 1 {
        return Vec::new();
    }
    vec![warning(
        "brokers speak different versions of the protocol".to_owned(),
        "an upgrade is under way or was left unfinished",
        "finish it: bring every broker to the same version",
    )]
}

#[cfg(test)]
mod tests;
