//! One file for each command: its arguments and what it does.

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::session::block_on;

pub(crate) mod bench;
pub(crate) mod certificates;
pub(crate) mod cluster;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod consume;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod format;
pub(crate) mod group;
pub(crate) mod permit;
pub(crate) mod plan;
pub(crate) mod produce;
pub(crate) mod recover;
pub(crate) mod serve;
pub(crate) mod topic;
pub(crate) mod verify;

/// Does what the command line asks for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let reach = cli.reach;
    match cli.command {
        Command::Serve(serve) => serve::run(serve, &reach)?,
        Command::Format(format) => format::run(format, &reach)?,
        Command::Dev(dev) => return dev::run(dev, &reach),
        Command::Topic(topic) => block_on(topic::run(topic, &reach))?,
        Command::Group(group) => block_on(group::run(group, &reach))?,
        Command::Produce(produce) => return block_on(produce::run(produce, &reach)),
        Command::Consume(consume) => block_on(consume::run(consume, &reach))?,
        Command::Bench(bench) => return block_on(bench::run(bench, &reach)),
        Command::Config(config) => match config {
            config::Config::Explain(file) => config::explain(&file, &reach)?,
            online => block_on(config::run(online, &reach))?,
        },
        Command::Cluster(cluster::Cluster::Describe) => block_on(cluster::describe(&reach))?,
        Command::Cluster(cluster::Cluster::Admit(admit)) => {
            block_on(cluster::admit::run(admit, &reach))?;
        }
        Command::Cluster(cluster::Cluster::State(rule)) => {
            block_on(cluster::state::state(&rule, &reach))?;
        }
        Command::Cluster(cluster::Cluster::Watch(rule)) => {
            block_on(cluster::state::watch(&rule, &reach))?;
        }
        Command::Cluster(cluster::Cluster::RaiseFeatureLevel(raise)) => {
            block_on(cluster::state::raise(raise, &reach))?;
        }
        Command::Permit(permit) => block_on(permit::run(permit, &reach))?,
        Command::Certificates(certificates) => certificates::run(certificates, &reach)?,
        Command::Verify(verify) => verify::run(&verify, &reach)?,
        Command::Recover(recover) => recover::run(recover, &reach)?,
        Command::Plan(plan) => return plan::run(&plan, &reach),
        Command::Doctor(doctor) => return block_on(doctor::run(&doctor, &reach)),
        Command::Completion(completion) => completion::run(&completion, &reach)?,
    }
    Ok(ExitCode::SUCCESS)
}
