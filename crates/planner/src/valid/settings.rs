//! Which of the resource's settings stand in files, which are changed while brokers run, and which
//! belong to the operator.

use std::collections::BTreeMap;

use holdfast_api::MessageClusterSpec;
use holdfast_kernel::config::{self, TOPIC_KEYS, TopicKey};

/// The variables that a broker's container has; a file that takes another one keeps it from starting.
const VARIABLES: [&str; 4] = ["BROKER_ID", "NODE_IP", "POD_NAME", "POD_NAMESPACE"];

/// Settings, by where they go.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// In the brokers' files.
    pub(super) in_files: BTreeMap<String, String>,
    /// Changed while the brokers run.
    pub(super) dynamic: BTreeMap<String, String>,
}

/// Sorts the settings of a resource, with what holds for so many brokers where it says nothing.
pub(super) fn split(spec: &MessageClusterSpec, brokers: i32) -> Split {
    let mut all = BTreeMap::from([
        // Not more than 3 however many brokers there are: each one costs a disk and a network.
        (
            "default.replication.factor".to_owned(),
            brokers.min(3).to_string(),
        ),
        // With two replicas every stopped broker would stop all producers.
        (
            "min.insync.replicas".to_owned(),
            if brokers >= 3 { "2" } else { "1" }.to_owned(),
        ),
    ]);
    all.extend(spec.settings.clone());
    let (dynamic, in_files) = all
        .into_iter()
        .partition(|(name, _)| dynamic_key(name).is_some());
    Split { in_files, dynamic }
}

/// What is wrong with the settings of a resource, a sentence for each.
pub(super) fn problems(spec: &MessageClusterSpec) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in &spec.settings {
        let place = format!("spec.settings[{name}]");
        if let Some(instead) = owner_says(name) {
            found.push(format!("{place}: the operator sets it: {instead}"));
        }
        if let Some(variable) = unknown_variable(value) {
            found.push(format!(
                "{place}: brokers have no variable {variable}: use one of {}",
                VARIABLES.join(", ")
            ));
        }
        let judged = dynamic_key(name).map(|key| config::check(key.name, value));
        if let Some(Err(error)) = judged {
            found.push(format!("{place}: {error}"));
        }
    }
    found
}

/// The setting that a running broker can change.
fn dynamic_key(name: &str) -> Option<&'static TopicKey> {
    TOPIC_KEYS.iter().find(|key| key.broker_name == name)
}

/// What to use instead of a setting that the operator owns.
fn owner_says(name: &str) -> Option<&'static str> {
    let ports = "ports between brokers and of the admin API are fixed, so that its Services and \
                 policies fit";
    Some(match name {
        "log.dirs" | "log.dir" => "every broker has one volume, which spec.storage describes",
        "listeners"
        | "advertised.listeners"
        | "listener.security.protocol.map"
        | "controller.listener.names" => "use spec.listeners",
        "node.id" | "broker.id" => "ids come from the zones, as status.zones shows them",
        "broker.rack" => "use spec.zones and spec.topologyKey",
        "holdfast.parked" => "use mode Parked in spec.brokers",
        "holdfast.shutdown.timeout.ms" => "use spec.pod.terminationGracePeriodSeconds",
        "auto.leader.rebalance.enable" => "use spec.preferredLeaders",
        _ if name.starts_with("holdfast.rpc.") => ports,
        _ if name.starts_with("holdfast.admin.") => ports,
        _ => return None,
    })
}

fn unknown_variable(value: &str) -> Option<&str> {
    value
        .split("${env:")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap_or_default())
        .find(|name| !VARIABLES.contains(name))
}
