//! `holdfast dev`: a cluster on this machine for a person to try, and its faults on demand.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::dev::control::{Command, Reply};
use crate::dev::{Layout, call, start};
use crate::output::{self, Table};
use crate::session::Reach;
use crate::text::assignment;

/// Run a cluster on this machine: brokers as separate processes in the zones a, b and c, which stop
/// with Ctrl-C and find their data when started again.
///
/// Ports, from the base port P on, one for each broker: P for clients, P+500 for the admin API, P+1000 where other brokers
/// connect (a relay that `cut-off` interrupts), P+2000 for metrics and probes, P+3000 behind the
/// relay.
#[derive(Args, Debug)]
pub(crate) struct Dev {
    /// Where the cluster is kept
    #[command(flatten)]
    place: Place,
    /// How many brokers; 3 for a new cluster, else as many as there are
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    brokers: Option<u16>,
    /// A setting of every broker, in Kafka's syntax, for as long as the cluster runs; may be given many
    /// times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    settings: Vec<(String, String)>,
    /// What to do to a cluster that runs
    #[command(subcommand)]
    action: Option<Action>,
}

/// Which of the clusters on this machine.
#[derive(Args, Debug)]
struct Place {
    /// The port of the first broker; another one is another cluster
    #[arg(long, global = true, value_name = "PORT", default_value_t = 9092,
          value_parser = clap::value_parser!(u16).range(1024..=62_000))]
    base_port: u16,
    /// Where the data is kept. Default: holdfast/dev in $XDG_DATA_HOME or ~/.local/share, with the
    /// base port behind it if that is not 9092
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A fault, its end, or a question.
#[derive(Clone, Copy, Debug, Subcommand)]
enum Action {
    /// End a broker's process at once (SIGKILL)
    Kill(Which),
    /// Stop a broker's process without ending it (SIGSTOP), as a hypervisor or a long pause would
    Pause(Which),
    /// Drop everything between a broker and its peers, in both directions; clients reach it still
    CutOff(Which),
    /// Start a broker again, let it go on, connect it to its peers: whatever it needs
    Revive(Which),
    /// Show the brokers and what was done to them
    Status,
}

/// A broker.
#[derive(Args, Clone, Copy, Debug)]
struct Which {
    /// Its number, from 0
    broker: u16,
}

/// Runs the cluster, or talks to the one that runs.
pub(crate) fn run(dev: Dev, reach: &Reach) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(dev.place.dir, dev.place.base_port)?;
    let Some(action) = dev.action else {
        return start(layout.with_settings(dev.settings), dev.brokers);
    };
    let command = match action {
        Action::Kill(which) => Command::Kill {
            broker: which.broker,
        },
        Action::Pause(which) => Command::Pause {
            broker: which.broker,
        },
        Action::CutOff(which) => Command::CutOff {
            broker: which.broker,
        },
        Action::Revive(which) => Command::Revive {
            broker: which.broker,
        },
        Action::Status => Command::Status,
    };
    let reply = call(&layout, command)?;
    if reach.is_json() {
        reach.print(&reply.brokers)?;
    } else {
        output::print(&table(&reply))?;
    }
    if command != Command::Status {
        output::note(&reply.message);
    }
    Ok(ExitCode::SUCCESS)
}

fn table(reply: &Reply) -> String {
    let mut table = Table::new(&["BROKER", "ZONE", "STATE", "PEERS", "CLIENTS", "PID", "LOG"]);
    for broker in &reply.brokers {
        table.row(vec![
            broker.broker.to_string(),
            broker.zone.clone(),
            broker.state.clone(),
            if broker.cut_off {
                "cut off"
            } else {
                "reachable"
            }
            .to_owned(),
            broker.clients.clone(),
            broker
                .pid
                .map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            broker.log.clone(),
        ]);
    }
    table.render()
}
