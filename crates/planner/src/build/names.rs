//! The names of a cluster's children.

use std::collections::BTreeMap;

use holdfast_api::{Listener, ListenerType, MessageClusterSpec};

/// The longest name of a Service.
const LONGEST: usize = 63;

/// The longest id of a broker, with its hyphen.
const ID_LENGTH: usize = 6;

/// The ConfigMap of its identity, which has no owner.
pub fn identity(cluster: &str) -> String {
    format!("{cluster}-identity")
}

/// The Secret of its authority for certificates, which has no owner; only the operator reads it.
pub fn authority(cluster: &str) -> String {
    format!("{cluster}-ca")
}

/// The Secret of its brokers' certificates.
pub fn broker_tls(cluster: &str) -> String {
    format!("{cluster}-broker-tls")
}

/// The Secret of the certificate with which people use the admin API.
pub fn admin_tls(cluster: &str) -> String {
    format!("{cluster}-admin-tls")
}

/// The ConfigMap of what its brokers have in common.
pub fn config(cluster: &str) -> String {
    format!("{cluster}-config")
}

/// The ConfigMap of what is each broker's own, and the headless Service of the brokers.
pub fn brokers(cluster: &str) -> String {
    format!("{cluster}-brokers")
}

/// The Service at which the clients of a listener begin.
pub fn bootstrap(cluster: &str, listeners: &[Listener], listener: &Listener) -> String {
    let first = listeners.iter().find(|l| l.kind == ListenerType::Internal);
    if first.is_some_and(|first| first.name == listener.name) {
        format!("{cluster}-bootstrap")
    } else {
        format!("{cluster}-{}", label(listener))
    }
}

/// The Service of one broker on a listener that is reached from outside.
pub fn broker_service(cluster: &str, listener: &Listener, id: i32) -> String {
    format!("{cluster}-{}-{id}", label(listener))
}

/// A listener's name as a part of names.
fn label(listener: &Listener) -> String {
    let lower = listener.name.to_ascii_lowercase().replace('_', "-");
    lower.trim_end_matches('-').to_owned()
}

/// What is wrong with the names of listeners, a sentence for each: Services are named after them.
pub(crate) fn problems(cluster: &str, spec: &MessageClusterSpec) -> Vec<String> {
    let mut found = Vec::new();
    let mut taken = BTreeMap::from([(brokers(cluster), "the brokers")]);
    for (index, listener) in spec.listeners.iter().enumerate() {
        let place = format!("spec.listeners[{index}].name");
        let name = bootstrap(cluster, &spec.listeners, listener);
        let longest = match listener.kind {
            ListenerType::Internal => name.len(),
            ListenerType::NodePort | ListenerType::LoadBalancer => name.len() + ID_LENGTH,
        };
        if longest > LONGEST {
            found.push(format!(
                "{place}: the names of its Services would have more than {LONGEST} characters: \
                 choose a shorter name"
            ));
        }
        let of_a_broker = |other: &&Listener| {
            let front = format!("{cluster}-{}-", label(other));
            let number = name.strip_prefix(&front).filter(|rest| !rest.is_empty());
            number.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        };
        let same = taken.get(&name).copied();
        let clash = spec.listeners.iter().find(of_a_broker);
        if let Some(other) = same.or(clash.map(|other| other.name.as_str())) {
            found.push(format!(
                "{place}: its Service {name} would have the name of one of {other}: choose another \
                 name"
            ));
        }
        taken.insert(name, &listener.name);
    }
    found
}
