//! A cluster on one machine: a supervisor that starts each broker as a process of its own, shows
//! how they are, and does to them what a person wants to watch.
//!
//! The brokers' messages to each other pass through relays of the supervisor, so that a broker can
//! be cut off from its peers without the rights that a firewall or a network namespace needs. Each
//! broker calls from a loopback address of its own, by which a relay tells who calls.

mod admit;
pub(crate) mod control;
mod cuts;
mod layout;
mod prepare;
mod process;
mod readiness;
mod relay;
mod screen;
mod supervisor;

use std::process::ExitCode;

use holdfast_runtime::{Metrics, Tasks};

use control::{Command, Reply};
pub(crate) use layout::Layout;

/// Runs a cluster until a person stops it.
pub(crate) fn start(layout: Layout, brokers: Option<u16>) -> anyhow::Result<ExitCode> {
    let prepared = prepare::prepare(layout, brokers)?;
    // The future runs on this thread, which lives as long as the process: the brokers are started
    // from it and end with the thread that started them.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let code = runtime.block_on(async {
        let tasks = Tasks::new(&Metrics::new());
        Box::pin(supervisor::run(prepared, tasks)).await
    });
    runtime.shutdown_background();
    code
}

/// Asks the supervisor that runs.
pub(crate) fn call(layout: &Layout, command: Command) -> anyhow::Result<Reply> {
    control::call(&layout.socket(), command)
}
