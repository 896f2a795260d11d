//! A client of the cluster that the command line names.

use std::future::Future;
use std::io;
use std::time::Duration;

use clap::Args;
use holdfast_client::{Admin, Client, Options};
use serde::Serialize;

use crate::exit::Unreachable;
use crate::output::{self, Format};

/// How a command reaches the cluster and prints what it found.
#[derive(Args, Clone, Debug)]
pub(crate) struct Reach {
    /// Brokers to ask first, as host:port,host:port
    #[arg(
        long,
        short = 'b',
        global = true,
        env = "HOLDFAST_BOOTSTRAP",
        hide_env_values = true,
        default_value = "localhost:9092",
        value_name = "ADDRESSES"
    )]
    pub(crate) bootstrap: String,
    /// Seconds after which a question to the cluster is given up
    #[arg(long, global = true, default_value_t = 15, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// How data is printed
    #[arg(
        long,
        short = 'o',
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(crate) output: Format,
}

impl Reach {
    /// Whether data is to be printed as documents for a program.
    pub(crate) fn is_json(&self) -> bool {
        self.output != Format::Text
    }

    /// Prints such a document.
    pub(crate) fn print(&self, document: &impl Serialize) -> anyhow::Result<()> {
        output::print_document(self.output, document)
    }

    /// Says what was done: to a program as a document, to a person as a line.
    pub(crate) fn tell(&self, document: &impl Serialize, line: &str) -> anyhow::Result<()> {
        if self.is_json() {
            return self.print(document);
        }
        output::note(line);
        Ok(())
    }

    /// A client whose first question was answered.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        self.client_with(false).await
    }

    /// The same, and whether asking for a topic may make it.
    pub(crate) async fn client_with(&self, auto_create_topics: bool) -> anyhow::Result<Client> {
        let timeout = Duration::from_secs(self.timeout);
        let options = Options {
            client_id: "holdfast-cli".to_owned(),
            connect_timeout: timeout.min(Duration::from_secs(5)),
            request_timeout: timeout.min(Duration::from_secs(30)),
            operation_timeout: timeout,
            auto_create_topics,
            ..Options::default()
        };
        let client = Client::new(&self.bootstrap, options)?;
        // One round without retries: a wrong address is to be said at once.
        let refreshed = client.refresh().await;
        refreshed.map_err(|reason| Unreachable::clients(&self.bootstrap, &reason))?;
        Ok(client)
    }

    /// Admin calls through such a client.
    pub(crate) async fn admin(&self) -> anyhow::Result<Admin> {
        Ok(Admin::new(self.client().await?))
    }
}

/// Runs a command that only asks and prints, on this thread.
pub(crate) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command)
}

/// Resolves when a person wants the command to end: SIGINT or SIGTERM, from now on.
pub(crate) fn interrupted() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
