//! A way to the admin API, for commands that look deeper than Kafka's protocol does or change what
//! only people may.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use holdfast_model::ClusterId;
use holdfast_rpc::admin::{Admin, connect};
use holdfast_rpc::{Address, Status};
use holdfast_runtime::config::HostPort;
use holdfast_security::server_name;

use crate::certificates;
use crate::exit::Unreachable;
use crate::session::Reach;

/// Where the admin API is, and who asks.
#[derive(Args, Clone, Debug)]
pub(crate) struct Rule {
    /// Where brokers serve the admin API, as host:port,host:port; one that answers is enough
    #[arg(
        long,
        env = "HOLDFAST_ADMIN",
        hide_env_values = true,
        default_value = "localhost:9392",
        value_delimiter = ',',
        value_name = "ADDRESSES"
    )]
    admin: Vec<HostPort>,
    /// The folder with the caller's certificate: tls.crt, tls.key and ca.crt
    #[arg(
        long,
        env = "HOLDFAST_CERTIFICATES",
        hide_env_values = true,
        value_name = "DIR"
    )]
    certificates: Option<PathBuf>,
}

impl Rule {
    /// A client of the first broker that answers.
    pub(crate) async fn client(&self, reach: &Reach) -> anyhow::Result<Admin> {
        let mut last = String::new();
        for address in &self.admin {
            match self.client_of(address, reach).await? {
                Ok(client) => return Ok(client),
                Err(reason) => last = reason,
            }
        }
        let addresses: Vec<String> = self.admin.iter().map(ToString::to_string).collect();
        Err(Unreachable::admin(addresses.join(","), last).into())
    }

    /// Whether a caller's certificate is named.
    pub(crate) fn is_given(&self) -> bool {
        self.certificates.is_some()
    }

    /// A client of each broker, or why it does not answer.
    pub(crate) async fn clients(
        &self,
        reach: &Reach,
    ) -> anyhow::Result<Vec<(String, Result<Admin, String>)>> {
        let mut clients = Vec::new();
        for address in &self.admin {
            let client = self.client_of(address, reach).await?;
            clients.push((address.to_string(), client));
        }
        Ok(clients)
    }

    async fn client_of(
        &self,
        address: &HostPort,
        reach: &Reach,
    ) -> anyhow::Result<Result<Admin, String>> {
        let dir = self.certificates.as_ref().context(
            "the admin API wants a certificate: name its folder with --certificates or \
             HOLDFAST_CERTIFICATES",
        )?;
        let (tls, cluster) = certificates::identity(dir)?;
        let timeout = Duration::from_secs(reach.timeout);
        let address = Address::new(address.host.clone(), address.port);
        let mut client = connect(&address, tls.client, server_name(cluster), timeout)?;
        let asked = tokio::time::timeout(timeout, client.describe_broker(request()));
        Ok(match asked.await {
            Ok(Ok(reply)) => {
                check(&reply.into_inner().cluster_id, cluster)?;
                Ok(client)
            }
            Ok(Err(status)) => Err(explain(&status)),
            Err(_elapsed) => Err("no answer in time".to_owned()),
        })
    }
}

fn request() -> holdfast_rpc::proto::admin::DescribeBrokerRequest {
    holdfast_rpc::proto::admin::DescribeBrokerRequest {}
}

fn check(found: &str, wanted: ClusterId) -> anyhow::Result<()> {
    anyhow::ensure!(
        found == wanted.to_string(),
        "the broker is of cluster {found}, the certificate of {wanted}"
    );
    Ok(())
}

/// What a refusal says, with its deepest cause where the transport gives one.
pub(crate) fn explain(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}

/// The answer, or the refusal as an error.
pub(crate) fn answer<T>(reply: Result<holdfast_rpc::Response<T>, Status>) -> anyhow::Result<T> {
    reply
        .map(holdfast_rpc::Response::into_inner)
        .map_err(|status| anyhow::anyhow!("{}", explain(&status)))
}
