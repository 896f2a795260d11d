//! The `holdfast` binary: runs a broker, prepares its disk, starts a cluster on one machine for a
//! person to try, and talks to any cluster as an ordinary Kafka client.
//!
//! `holdfast plan` has the planner of the operator decide about a file.
//!
//! Knows nothing about how a broker works or what a request looks like in bytes: it hands a
//! configuration to `holdfast-broker` and asks its questions through `holdfast-client`, or through the
//! admin API of `holdfast-rpc` ([`rule`]).
//!
//! Invariants:
//! - what is data goes to standard output, everything else to standard error;
//! - with `-o json` or `-o yaml` a command that is done has printed a document, and one that failed has written one JSON
//!   object to standard error;
//! - an error is one sentence that names the way out, and its kind is the exit code ([`exit`]);
//! - `holdfast dev` never starts a broker again by itself: a crash stays visible.

mod certificates;
mod cli;
mod commands;
mod dev;
mod exit;
mod output;
mod progress;
#[cfg(test)]
mod reference;
mod rule;
mod session;
mod text;

use std::process::ExitCode;

use clap::Parser;

/// Replaces the allocator of the system in the whole process, RocksDB included: long-running
/// brokers fragment its heap.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::refuse(&error),
    };
    let format = cli.reach.output;
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => exit::report(&error, format),
    }
}
