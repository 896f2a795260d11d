//! `holdfast certificates`: the authority of a cluster that no operator looks after, and what it
//! issues.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use holdfast_model::{BrokerId, ClusterId};
use holdfast_security::Role;
use serde_json::json;

use crate::certificates;
use crate::session::Reach;

/// What to make.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Certificates {
    /// Make the authority of a cluster, in a folder to be kept safe
    Authority(Authority),
    /// Issue a certificate for the admin API, into a folder with ca.crt, tls.crt and tls.key
    Issue(Issue),
}

/// An authority to make.
#[derive(Args, Clone, Debug)]
pub(crate) struct Authority {
    /// Where it is kept
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The cluster that it vouches for
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    cluster_id: ClusterId,
}

/// A certificate to issue.
#[derive(Args, Clone, Debug)]
pub(crate) struct Issue {
    /// The folder of the authority
    #[arg(long, value_name = "DIR")]
    authority: PathBuf,
    /// The cluster that it vouches for
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    cluster_id: ClusterId,
    /// For whom
    #[arg(long, value_enum)]
    role: RoleName,
    /// The broker's number, for a broker
    #[arg(long, value_name = "ID", required_if_eq("role", "broker"),
          value_parser = clap::value_parser!(i32).range(0..))]
    broker_id: Option<i32>,
    /// Where it is written
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many days it is valid; brokers take a new one without a restart
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    /// A broker
    Broker,
    /// A Kubernetes operator
    Operator,
    /// A person, who may do everything
    Admin,
}

/// Makes it.
pub(crate) fn run(certificates: Certificates, reach: &Reach) -> anyhow::Result<()> {
    match certificates {
        Certificates::Authority(Authority { dir, cluster_id }) => {
            certificates::authority(&dir, cluster_id)?;
            reach.tell(
                &json!({ "authority": dir, "cluster_id": cluster_id.to_string() }),
                &format!(
                    "{} holds the authority of cluster {}; whoever has it rules the cluster",
                    dir.display(),
                    cluster_id
                ),
            )
        }
        Certificates::Issue(issue) => {
            let authority = certificates::read_authority(&issue.authority, issue.cluster_id)?;
            let role = match (issue.role, issue.broker_id) {
                (RoleName::Broker, id) => Role::Broker(BrokerId(id.unwrap_or_default())),
                (RoleName::Operator, _) => Role::Operator,
                (RoleName::Admin, _) => Role::Admin,
            };
            let life = Duration::from_hours(24 * issue.days);
            certificates::issue(&authority, role, &[], life, &issue.out)?;
            reach.tell(
                &json!({ "role": role.to_string(), "folder": issue.out }),
                &format!("{} holds a certificate of {role}", issue.out.display()),
            )
        }
    }
}
