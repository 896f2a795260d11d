//! `docs/metrics.md`, generated from what is registered.

use std::collections::BTreeMap;
use std::fmt::Write;

use holdfast_runtime::{MemoryBudget, Metrics, Tasks};

use super::{ApiLabel, BrokerMetrics, StoreMetrics};

const INTRODUCTION: &str = "# Metrics

`/metrics` of the admin listener, in the OpenMetrics text format. Generated from what a broker registers; a
test compares. To write the page again: `HOLDFAST_BLESS=1 cargo test --release -p holdfast-broker reference`.

What to watch first: `holdfast_partition_leaderless` (nobody serves), `holdfast_partition_under_min_isr`
(`acks=all` is refused), `holdfast_partition_under_replicated`, `holdfast_replica_offline` (damage, or a
refused truncation), `holdfast_disk_at_reserve`, `holdfast_quorum_has_leader`. Where an acknowledgement's
time goes: `holdfast_store_queue_wait_seconds`, then `holdfast_store_sync_seconds` on every replica, all of
it in `holdfast_request_commit_wait_seconds`; the whole request in `holdfast_request_duration_seconds`.

| Metric | Kind | Meaning |
|---|---|---|
";

/// Name, kind and help of every metric that a broker shows.
fn registered() -> BTreeMap<String, (String, String)> {
    let metrics = Metrics::new();
    let _kept = (
        StoreMetrics::new(&metrics),
        Tasks::new(&metrics),
        MemoryBudget::new(1 << 30, &metrics),
    );
    // What has labels is shown once it has a value.
    let broker = BrokerMetrics::new(&metrics);
    let label = ApiLabel { api: "Produce" };
    broker.requests.get_or_create(&label).inc();
    broker.request_seconds.get_or_create(&label).observe(0.0);
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
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let fresh = page();
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        kept == fresh,
        "docs/metrics.md is stale: run with HOLDFAST_BLESS=1"
    );
}

#[test]
fn every_metric_that_the_page_speaks_of_is_registered() {
    let names = registered();
    let spoken = INTRODUCTION
        .split('`')
        .filter(|word| word.starts_with("holdfast_"));
    for name in spoken {
        assert!(names.contains_key(name), "{name}");
    }
}
