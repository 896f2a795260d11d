//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    bench, certificates, cluster, completion, config, consume, dev, doctor, format, group, permit,
    plan, produce, recover, serve, topic, verify,
};
use crate::exit;
use crate::session::Reach;

/// A Kafka-compatible message broker that never loses an acknowledged record.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version = holdfast_model::VERSION, after_help = exit::CODES, propagate_version = false)]
pub(crate) struct Cli {
    /// Where the cluster is, and how data is printed.
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the tool can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a broker until SIGTERM or Ctrl-C
    Serve(serve::Serve),
    /// Prepare an empty disk for a broker, or write the formation document of a new cluster
    Format(format::Format),
    /// Run a cluster on this machine to try things out, and break its brokers on purpose
    Dev(dev::Dev),
    /// Create, list, describe, change and delete topics
    #[command(subcommand)]
    Topic(topic::Topic),
    /// List, describe and delete consumer groups, and move their offsets
    #[command(subcommand)]
    Group(group::Group),
    /// Write the lines of standard input to a topic as records
    Produce(produce::Produce),
    /// Print the records of a topic
    Consume(consume::Consume),
    /// Put an open load on a topic, and say how long its records took
    Bench(bench::Bench),
    /// Show and change settings, or explain a Kafka configuration file
    #[command(subcommand)]
    Config(config::Config),
    /// Show the brokers, the metadata quorum and the partitions that lack replicas; admit disks
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    /// Ask whether brokers may be stopped, and give the permit back
    #[command(subcommand)]
    Permit(permit::Permit),
    /// Make the authority and the certificates of the admin API, where no operator does
    #[command(subcommand)]
    Certificates(certificates::Certificates),
    /// Say what the operator would do for a MessageCluster in a file, without touching anything
    Plan(plan::Plan),
    /// Look for what endangers records or availability, and say how to mend it
    Doctor(doctor::Doctor),
    /// Compare the replicas on the disks of stopped brokers, byte for byte
    Verify(verify::Verify),
    /// Carry on a cluster that lost the majority of its voters for ever
    #[command(subcommand)]
    Recover(recover::Recover),
    /// Print the completions for a shell
    Completion(completion::Completion),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let cli = Cli::parse_from(["holdfast", "topic", "list", "-b", "h:1", "-o", "json"]);
        assert_eq!(cli.reach.bootstrap, "h:1");
        assert!(cli.reach.is_json());
        Cli::try_parse_from(["holdfast", "topic"]).unwrap_err();
    }
}
