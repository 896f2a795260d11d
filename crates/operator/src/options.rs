//! What can be said on the command line or in the environment.

use std::net::SocketAddr;

use clap::Parser;
use holdfast_runtime::logs;

/// Watch MessageClusters and MessageTopics, and carry them out.
#[derive(Parser, Clone, Debug)]
#[command(name = "holdfast-operator", version = holdfast_model::VERSION)]
pub struct Options {
    /// Watch this namespace only; unset means all.
    #[arg(long, env = "WATCH_NAMESPACE")]
    pub namespace: Option<String>,
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "METRICS_BIND", default_value = "0.0.0.0:8080")]
    pub metrics_bind: SocketAddr,
    /// Act only with the lease, so that several operators may run.
    #[arg(
        long,
        env = "LEADER_ELECTION",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub leader_election: bool,
    /// The namespace of the lease; unset means that of the operator's own pod.
    #[arg(long, env = "POD_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// The name of the lease: operators that share it do not act at the same time.
    #[arg(long, env = "LEASE_NAME", default_value = "holdfast-operator")]
    pub lease_name: String,
    /// How this process is called in the lease and in events; unset means a name of its own.
    #[arg(long, env = "POD_NAME")]
    pub identity: Option<String>,
    /// How a log line looks: json or text.
    #[arg(long, env = "LOG_FORMAT", default_value = "json", value_parser = log_format)]
    pub log_format: logs::Format,
    /// Which log lines are written, as info,holdfast_operator=debug.
    #[arg(long, env = "LOG_FILTER", default_value = "info")]
    pub log_filter: String,
}

fn log_format(text: &str) -> Result<logs::Format, String> {
    text.parse().map_err(|error: logs::Error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let options = Options::try_parse_from(["holdfast-operator"]).unwrap();
        assert!(options.leader_election);
        assert_eq!(options.metrics_bind.port(), 8080);
        assert_eq!(options.log_format, logs::Format::Json);
        let options = Options::try_parse_from([
            "holdfast-operator",
            "--namespace=data",
            "--leader-election=false",
            "--log-format=text",
        ])
        .unwrap();
        assert_eq!(options.namespace.as_deref(), Some("data"));
        assert!(!options.leader_election);
    }
}
