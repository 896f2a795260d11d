//! `holdfast cluster admit`: lets a disk into the cluster.

use std::time::Duration;

use clap::Args;
use holdfast_broker::admission::{
    self, Admission, AdmissionRequest, AskError, RpcAddress as Address,
};
use holdfast_model::{ClusterId, ReplicaId};
use holdfast_rpc::proto::admin::{AdmitDiskReply, AdmitDiskRequest, DescribeBrokerRequest};
use holdfast_runtime::config::HostPort;
use serde::Serialize;

use crate::exit::Unreachable;
use crate::output;
use crate::rule::{Rule, answer};
use crate::session::Reach;
use crate::text::add;

/// Let a disk into the cluster: one formatted in the place of a lost one, or a new broker's.
///
/// The broker of that disk must run; while it waits, its log and /readyz name this command. An older
/// disk of the same broker is out for ever once the new one has registered, so nothing is done while
/// that older disk is in use, or while it alone holds records that were acknowledged. Its vote in
/// the metadata quorum goes to the new disk. Repeating the command is harmless.
///
/// It goes over the admin API; with --rpc, to a cluster whose brokers serve none.
#[derive(Args, Clone, Debug)]
pub(crate) struct Admit {
    /// The disk, as its broker names it: 2@5ffeff0285257a55
    #[arg(value_name = "DISK")]
    disk: ReplicaId,
    #[command(flatten)]
    rule: Rule,
    /// Without the admin API: where brokers of the cluster listen for other brokers (not for
    /// clients), as host:port,host:port; one that answers is enough
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    rpc: Vec<HostPort>,
    /// Where the disk's broker listens for other brokers; if not given, where that broker was known
    /// to listen
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<HostPort>,
    /// Refuse to do anything in another cluster than this. Over the admin API the certificate says
    /// which it is
    #[arg(long, value_name = "ID", allow_hyphen_values = true, requires = "rpc")]
    cluster_id: Option<ClusterId>,
    /// Give the disk a vote in the metadata quorum, even if no older disk of its broker has one
    #[arg(long)]
    vote: bool,
}

#[derive(Debug, Serialize)]
struct Shown {
    cluster_id: String,
    disk: String,
    address: String,
    newly_admitted: bool,
    newly_member: bool,
    votes: bool,
    vote_taken_from: Option<String>,
}

/// Asks for the admission and says what was done.
pub(crate) async fn run(admit: Admit, reach: &Reach) -> anyhow::Result<()> {
    let shown = if admit.rpc.is_empty() {
        by_the_admin_api(&admit, reach).await?
    } else {
        by_rpc(&admit, reach).await?
    };
    if reach.is_json() {
        return reach.print(&shown);
    }
    output::print(&text(&shown))?;
    Ok(())
}

async fn by_the_admin_api(admit: &Admit, reach: &Reach) -> anyhow::Result<Shown> {
    let mut client = admit.rule.client(reach).await?;
    let broker = answer(client.describe_broker(DescribeBrokerRequest {}).await)?;
    let (host, port) = admit.address.as_ref().map_or_else(
        || (String::new(), 0),
        |address| (address.host.clone(), address.port),
    );
    let request = AdmitDiskRequest {
        broker: admit.disk.broker.0,
        incarnation: format!("{:016x}", admit.disk.incarnation.0),
        host,
        port: port.into(),
        replace: true,
        vote: admit.vote,
    };
    let reply = answer(client.admit_disk(request).await)?;
    Ok(told(admit.disk, broker.cluster_id, reply))
}

async fn by_rpc(admit: &Admit, reach: &Reach) -> anyhow::Result<Shown> {
    let brokers: Vec<Address> = admit.rpc.iter().map(address).collect();
    let request = AdmissionRequest {
        cluster: admit.cluster_id,
        replica: admit.disk,
        address: admit.address.as_ref().map(address),
        vote: admit.vote,
        replaces: None,
        only_ask: false,
    };
    let patience = Duration::from_secs(reach.timeout);
    match admission::ask(&brokers, &request, patience).await {
        Ok(admission) => Ok(show(admit.disk, &admission)),
        Err(AskError::Unreachable { addresses, reason }) => {
            Err(Unreachable::rpc(addresses, reason).into())
        }
        Err(error) => Err(error.into()),
    }
}

fn told(disk: ReplicaId, cluster_id: String, reply: AdmitDiskReply) -> Shown {
    Shown {
        cluster_id,
        disk: disk.to_string(),
        address: format!("{}:{}", reply.host, reply.port),
        newly_admitted: reply.newly_admitted,
        newly_member: reply.newly_member,
        votes: reply.votes,
        vote_taken_from: Some(reply.vote_taken_from).filter(|older| !older.is_empty()),
    }
}

fn address(endpoint: &HostPort) -> Address {
    Address::new(endpoint.host.clone(), endpoint.port)
}

fn show(disk: ReplicaId, admission: &Admission) -> Shown {
    Shown {
        cluster_id: admission.cluster.to_string(),
        disk: disk.to_string(),
        address: admission.address.to_string(),
        newly_admitted: admission.newly_admitted,
        newly_member: admission.newly_member,
        votes: admission.votes,
        vote_taken_from: admission.vote_taken_from.map(|older| older.to_string()),
    }
}

fn text(shown: &Shown) -> String {
    let verb = if shown.newly_admitted {
        "is admitted to"
    } else {
        "was admitted before to"
    };
    let mut out = format!(
        "disk {} at {} {verb} cluster {}\n",
        shown.disk, shown.address, shown.cluster_id
    );
    let vote = match (&shown.vote_taken_from, shown.votes) {
        (Some(older), _) => format!("it votes in the metadata quorum instead of disk {older}"),
        (None, true) => "it votes in the metadata quorum".to_owned(),
        (None, false) => "it follows the metadata without a vote; --vote gives it one".to_owned(),
    };
    add(&mut out, format_args!("{vote}\n"));
    out += "it copies its replicas now and joins their ISRs: see `holdfast cluster describe`\n";
    out
}

#[cfg(test)]
mod tests {
    use holdfast_model::{BrokerId, ClusterId, Incarnation};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_text_says_whose_vote_it_has() {
        let disk = |life| ReplicaId {
            broker: BrokerId(2),
            incarnation: Incarnation(life),
        };
        let mut admission = Admission {
            cluster: ClusterId(Uuid::from_u128(1)),
            address: Address::new("h", 9192),
            newly_admitted: true,
            newly_member: true,
            votes: true,
            vote_taken_from: Some(disk(1)),
        };
        let shown = text(&show(disk(2), &admission));
        assert!(
            shown.contains("2@0000000000000002 at h:9192 is admitted"),
            "{shown}"
        );
        assert!(
            shown.contains("instead of disk 2@0000000000000001"),
            "{shown}"
        );
        admission.vote_taken_from = None;
        admission.votes = false;
        admission.newly_admitted = false;
        let shown = text(&show(disk(2), &admission));
        assert!(shown.contains("was admitted before"), "{shown}");
        assert!(shown.contains("--vote"), "{shown}");
    }
}
