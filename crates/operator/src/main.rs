//! The `holdfast-operator` binary.

use clap::Parser;
use holdfast_operator::Options;
use holdfast_runtime::{logs, panics};

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    logs::init(options.log_format, &options.log_filter)?;
    panics::abort_on_broken_state();
    // What it does is waiting, for the most part.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .thread_name("operator")
        .build()?;
    runtime
        .block_on(Box::pin(holdfast_operator::run(options)))
        .inspect_err(|error| tracing::error!(error = format!("{error:#}"), "the operator ends"))
}
