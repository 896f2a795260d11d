//! `holdfast serve`: runs a broker.

use std::path::PathBuf;

use clap::Args;
use holdfast_broker::serve;
use holdfast_runtime::config::{Config, Loaded, Notice, Sources};
use holdfast_runtime::{logs, panics};
use rustix::process::{Pid, Signal};
use serde_json::json;

use crate::output;
use crate::session::Reach;
use crate::text::assignment;

/// Run a broker until SIGTERM or Ctrl-C. The files come first, then the environment
/// (`HOLDFAST_...`), then `--set`; the later wins. `docs/configuration.md` lists the keys.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The configuration: holdfast.toml, or a Kafka server.properties; may be given many times, and
    /// of two files that set one value the later wins
    #[arg(
        long,
        short = 'c',
        env = "HOLDFAST_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    config: Vec<PathBuf>,
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
pub(crate) fn run(serve: Serve, reach: &Reach) -> anyhow::Result<()> {
    if let Some(parent) = serve.with_parent {
        end_with(parent)?;
    }
    let sources = Sources {
        flags: serve.set,
        ..Sources::from_process(serve.config)
    };
    let Loaded {
        config,
        notices,
        files_digest,
    } = Config::load(&sources)?;
    if serve.check && reach.is_json() {
        return reach.print(&checked(&config, &notices));
    }
    if serve.check {
        for notice in &notices {
            output::note(&format!("{}: {}", notice.key, notice.message));
        }
        output::print(&config.to_toml())?;
        return Ok(());
    }
    logs::init(config.log.format, &config.log.filter)?;
    panics::abort_on_broken_state();
    for notice in notices {
        tracing::warn!(key = notice.key, "configuration: {}", notice.message);
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = config.network_threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().thread_name("network").build()?;
    let stopped = runtime.block_on(Box::pin(serve::run(config, files_digest)))?;
    tracing::info!(?stopped, "the broker has stopped");
    // Everything is synced. Destructors that run while other threads end would abort the process
    // and make a clean stop look like a crash.
    serve::end_process(0)
}

/// What would be in force, for a program.
fn checked(config: &Config, notices: &[Notice]) -> serde_json::Value {
    let notice = |Notice { key, message }: &Notice| json!({ "key": key, "message": message });
    let notices: Vec<serde_json::Value> = notices.iter().map(notice).collect();
    json!({ "config": config, "notices": notices })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_what_would_be_in_force_and_what_has_no_effect() {
        let flags = [("log.roll.ms", "5"), ("log.preallocate", "true")];
        let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let loaded = Config::load(&Sources {
            flags: flags.into(),
            ..Sources::default()
        })
        .unwrap();
        let shown = checked(&loaded.config, &loaded.notices);
        assert_eq!(shown["config"]["topic_defaults"]["segment_ms"], 5);
        assert_eq!(shown["config"]["log"]["format"], "text");
        assert_eq!(shown["notices"][0]["key"], "log.preallocate");
    }
}
