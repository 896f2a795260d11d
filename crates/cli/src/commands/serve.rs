//! `holdfast serve`: runs a broker.

use std::path::PathBuf;

use clap::Args;
use holdfast_broker::serve;
use holdfast_runtime::config::{Config, Loaded, Sources};
use holdfast_runtime::logs;
use rustix::process::{Pid, Signal};

use crate::output;
use crate::text::assignment;

/// Run a broker until SIGTERM or Ctrl-C. The file comes first, then the environment
/// (`HOLDFAST_...`), then `--set`; the later wins. `docs/configuration.md` lists the keys.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The configuration: holdfast.toml, or a Kafka server.properties
    #[arg(
        long,
        short = 'c',
        env = "HOLDFAST_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    config: Option<PathBuf>,
    /// A key and its value, in Kafka's names or as a path of the TOML file; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Only check the configuration, and print what would be in force as TOML
    #[arg(long)]
    check: bool,
    /// End at once when the process with this id, the parent, ends; `holdfast dev` uses it
    #[arg(long, hide = true, value_name = "PID")]
    with_parent: Option<i32>,
}

/// Runs the broker until it was stopped.
pub(crate) fn run(serve: Serve) -> anyhow::Result<()> {
    if let Some(parent) = serve.with_parent {
        end_with(parent)?;
    }
    let sources = Sources {
        flags: serve.set,
        ..Sources::from_process(serve.config)
    };
    let Loaded { config, notices } = Config::load(&sources)?;
    if serve.check {
        for notice in &notices {
            output::note(&format!("{}: {}", notice.key, notice.message));
        }
        output::print(&config.to_toml())?;
        return Ok(());
    }
    logs::init(config.log.format, &config.log.filter)?;
    for notice in notices {
        tracing::warn!(key = notice.key, "configuration: {}", notice.message);
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = config.network_threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().thread_name("network").build()?;
    let stopped = runtime.block_on(Box::pin(serve::run(config)))?;
    tracing::info!(?stopped, "the broker has stopped");
    // Everything is synced. Destructors that run while other threads end would abort the process
    // and make a clean stop look like a crash.
    serve::end_process(0)
}

/// A cluster for a person to try must not outlive the program that shows it, however that ended.
/// SIGKILL, because a broker that is paused obeys nothing else; it loses nothing acknowledged.
fn end_with(parent: i32) -> anyhow::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let now = rustix::process::getppid().map(Pid::as_raw_nonzero);
    anyhow::ensure!(
        now.is_some_and(|pid| pid.get() == parent),
        "process {parent}, which started this one, has ended"
    );
    Ok(())
}
