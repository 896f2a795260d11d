//! From the configuration to the options of each part.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::controller::ControllerOptions;
use holdfast_quorum::{Document, Spawn};
use holdfast_runtime::Tasks;
use holdfast_runtime::config::Config;
use holdfast_runtime::tasks::Class;

use super::{DOCUMENT_FILE, StartError};
use crate::topic_defaults;

pub(super) fn read_document(data_dir: &std::path::Path) -> Result<Option<Document>, StartError> {
    let path: PathBuf = data_dir.join(DOCUMENT_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(Document::parse(&text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StartError::File {
            action: "read",
            path: path.display().to_string(),
            source,
        }),
    }
}

pub(super) fn quorum_spawn(tasks: &Tasks) -> Spawn {
    let tasks = tasks.clone();
    Arc::new(move |name, task| {
        // The founder's work ends with the formation; everything else runs as long as the process.
        let class = if name == "quorum-founder" {
            Class::Job
        } else {
            Class::Critical
        };
        tasks.spawn(name, class, task);
    })
}

pub(super) fn rpc_options(config: &Config) -> holdfast_rpc::Options {
    holdfast_rpc::Options {
        source: config.rpc.source,
        ..holdfast_rpc::Options::default()
    }
}

pub(super) fn controller_options(config: &Config) -> ControllerOptions {
    let replication = &config.replication;
    let preferred = Duration::from_secs(replication.preferred_leader_interval_s);
    ControllerOptions {
        session_timeout: Duration::from_millis(replication.session_timeout_ms),
        heartbeat_interval: Duration::from_millis(replication.heartbeat_interval_ms),
        preferred_interval: if replication.preferred_leaders {
            preferred
        } else {
            Duration::MAX
        },
        default_partitions: config.topics.partitions,
        default_replication_factor: config.topics.replication_factor,
        topic_defaults: topic_defaults::of(&config.topic_defaults),
        ..ControllerOptions::default()
    }
}
