//! `docs/operator-metrics.md`, generated from what is registered.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use holdfast_api::MessageClusterStatus;
use holdfast_runtime::{Metrics, Tasks};

use super::{OperatorMetrics, Sight};
use crate::cache::ClusterKey;
use crate::certificates::Life;
use crate::error::Class;

const INTRODUCTION: &str = "# Metrics of the operator

`/metrics` on port 8080 of the operator's pod, in the OpenMetrics text format. Generated from what it
registers; a test compares. To write the page again:
`HOLDFAST_BLESS=1 cargo test --release -p holdfast-operator reference`. Those of brokers are in
[metrics.md](metrics.md).

What begins with `holdfast_operator_cluster_` is of one MessageCluster, named by the labels
`holdfast_namespace` and `holdfast_cluster`; it is shown by the operator that has the lease, and goes with the
resource. `holdfast_operator_cluster_condition` also has `condition` and `status`, and
`holdfast_operator_cluster_plan_state` has `state`: one series of each is 1.

What to watch first: whether one leads (`holdfast_operator_leading`), whether a person must act
(`holdfast_operator_cluster_condition{condition=\"Stalled\",status=\"True\"}`) or approve
(`holdfast_operator_cluster_plan_state{state=\"AwaitingApproval\"}`), and what fails
(`holdfast_operator_reconcile_failures_total` by class, `holdfast_operator_acts_total` by act and outcome: failed
renewals of certificates are the act `IssueCertificates`).
[The alerts](../deploy/prometheus/rules.yaml) are made of these.

| Metric | Kind | Meaning |
|---|---|---|
";

/// Name, kind and help of every metric that an operator shows.
fn registered() -> BTreeMap<String, (String, String)> {
    let metrics = Metrics::new();
    let _kept = Tasks::new(&metrics);
    let operator = OperatorMetrics::new(&metrics);
    // What has labels is shown once it has a value.
    operator.reconciled("MessageCluster", Duration::ZERO, 0);
    operator.failed("MessageCluster", Duration::ZERO, Class::Conflict);
    operator.acted("Apply", true);
    operator.wrote_status("MessageCluster");
    let (key, status) = (ClusterKey::default(), MessageClusterStatus::default());
    let sight = Sight {
        status: &status,
        certificates: Some(Life { due: 0, end: 0 }),
        wall_ms: 0,
    };
    operator.clusters.saw(&key, sight, || true);
    operator.clusters.succeeded(&key, 0, || true);
    metrics.described()
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (name, (kind, help)) in registered() {
        writeln!(page, "| `{name}` | {kind} | {help} |").unwrap();
    }
    page
}

#[test]
fn the_reference_of_metrics_is_fresh() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/operator-metrics.md"
    );
    let fresh = page();
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == fresh,
        "docs/operator-metrics.md is stale: run with HOLDFAST_BLESS=1"
    );
}

#[test]
fn every_metric_that_the_page_speaks_of_is_registered() {
    let names = registered();
    let spoken = INTRODUCTION
        .split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
        .filter(|word| word.starts_with("holdfast_operator_") && !word.ends_with('_'));
    for name in spoken {
        assert!(names.contains_key(name), "{name}");
    }
}
