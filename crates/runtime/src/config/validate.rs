//! What no single key can check.

use std::collections::BTreeSet;

use super::{Config, Error, Notice, Protocol};

/// Heartbeats that must fit into a session: fewer, and one lost packet fences a broker.
const HEARTBEATS: u64 = 3;

pub(super) fn validate(config: &Config, notices: &mut Vec<Notice>) -> Result<(), Error> {
    listeners(config)?;
    let replication = &config.replication;
    if replication.session_timeout_ms < replication.heartbeat_interval_ms * HEARTBEATS {
        return Err(contradiction(format!(
            "broker.session.timeout.ms={} is less than {HEARTBEATS} x \
             broker.heartbeat.interval.ms={}",
            replication.session_timeout_ms, replication.heartbeat_interval_ms
        )));
    }
    let groups = &config.groups;
    if groups.consumer_heartbeat_interval_ms >= groups.consumer_session_timeout_ms {
        return Err(contradiction(format!(
            "group.consumer.heartbeat.interval.ms={} is not less than \
             group.consumer.session.timeout.ms={}",
            groups.consumer_heartbeat_interval_ms, groups.consumer_session_timeout_ms
        )));
    }
    if groups.min_session_timeout_ms > groups.max_session_timeout_ms {
        return Err(contradiction(format!(
            "group.min.session.timeout.ms={} exceeds group.max.session.timeout.ms={}",
            groups.min_session_timeout_ms, groups.max_session_timeout_ms
        )));
    }
    let wanted = config.topic_defaults.min_insync_replicas;
    let copies = config.topics.replication_factor;
    if i64::from(wanted) > i64::from(copies) {
        notices.push(Notice {
            key: "min.insync.replicas".to_owned(),
            message: format!(
                "{wanted} exceeds default.replication.factor={copies}: topics with fewer replicas \
                 count as if it were the number of their replicas"
            ),
        });
    }
    if config.topic_defaults.max_message_bytes > config.request_max_bytes {
        return Err(contradiction(format!(
            "message.max.bytes={} exceeds socket.request.max.bytes={}: no request could carry it",
            config.topic_defaults.max_message_bytes, config.request_max_bytes
        )));
    }
    Ok(())
}

fn listeners(config: &Config) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    let mut binds = BTreeSet::new();
    binds.insert(config.rpc.bind.to_string());
    if !binds.insert(config.admin_bind.to_string()) {
        return Err(contradiction(
            "rpc.bind and admin_bind are the same address".to_owned(),
        ));
    }
    let api = &config.admin_api;
    if api.files().is_some() {
        if !binds.insert(api.bind.to_string()) {
            return Err(contradiction(format!("{} is bound twice", api.bind)));
        }
    } else if api.certificate.is_some() || api.key.is_some() || api.authority.is_some() {
        return Err(contradiction(
            "holdfast.admin.api.certificate, .key and .authority belong together: name all three, \
             or none"
                .to_owned(),
        ));
    }
    for listener in &config.listeners {
        if listener.name.is_empty() || !names.insert(&listener.name) {
            return Err(contradiction(format!(
                "the listener name {:?} is empty or used twice",
                listener.name
            )));
        }
        // Port 0 takes any free port, so two of them never collide.
        if !binds.insert(listener.bind.to_string()) && listener.bind.port != 0 {
            return Err(contradiction(format!("{} is bound twice", listener.bind)));
        }
        if listener.protocol != Protocol::Plaintext {
            return Err(contradiction(format!(
                "the listener {} wants {}, and only PLAINTEXT is served in this version",
                listener.name, listener.protocol
            )));
        }
    }
    Ok(())
}

fn contradiction(reason: String) -> Error {
    Error::Contradiction { reason }
}
