//! What the operator measures: `holdfast_operator_*`.

mod clusters;
#[cfg(test)]
mod reference;

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use holdfast_runtime::Metrics;
use holdfast_runtime::metrics::latency_histogram;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

pub(crate) use clusters::{ClusterMetrics, Sight};

use crate::error::Class;

/// The kind of resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FailureLabel {
    kind: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ActLabel {
    act: &'static str,
    outcome: &'static str,
}

/// All of them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct OperatorMetrics {
    duration: Family<KindLabel, Histogram, fn() -> Histogram>,
    failures: Family<FailureLabel, Counter>,
    acts: Family<ActLabel, Counter>,
    last_success: Family<KindLabel, Gauge<i64, AtomicI64>>,
    status_writes: Family<KindLabel, Counter>,
    pub(crate) leading: Gauge,
    /// What is known of each cluster.
    pub(crate) clusters: ClusterMetrics,
}

impl OperatorMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let area = metrics.area("operator");
        let histograms: Family<KindLabel, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(latency_histogram);
        Self {
            duration: area.register_with_unit(
                "reconcile",
                "How long reconciles take; their count is how many there were",
                Unit::Seconds,
                histograms,
            ),
            failures: area.register(
                "reconcile_failures",
                "Reconciles that did not do all they should, by the class of the failure",
                Family::default(),
            ),
            acts: area.register(
                "acts",
                "Acts that were decided, by what came of them",
                Family::default(),
            ),
            last_success: area.register_with_unit(
                "last_success_timestamp",
                "When a reconcile last did all it should, in seconds since 1970",
                Unit::Seconds,
                Family::default(),
            ),
            status_writes: area.register(
                "status_writes",
                "Statuses that changed and were written",
                Family::default(),
            ),
            leading: area.gauge("leading", "1 while this process has the lease"),
            clusters: ClusterMetrics::new(&area),
        }
    }

    pub(crate) fn reconciled(&self, kind: &'static str, took: Duration, wall_ms: i64) {
        let label = KindLabel { kind };
        self.duration
            .get_or_create(&label)
            .observe(took.as_secs_f64());
        self.last_success.get_or_create(&label).set(wall_ms / 1000);
    }

    pub(crate) fn failed(&self, kind: &'static str, took: Duration, class: Class) {
        let label = KindLabel { kind };
        self.duration
            .get_or_create(&label)
            .observe(took.as_secs_f64());
        let label = FailureLabel {
            kind,
            class: class.name(),
        };
        self.failures.get_or_create(&label).inc();
    }

    pub(crate) fn acted(&self, act: &'static str, is_done: bool) {
        let outcome = if is_done { "done" } else { "failed" };
        self.acts.get_or_create(&ActLabel { act, outcome }).inc();
    }

    pub(crate) fn wrote_status(&self, kind: &'static str) {
        self.status_writes.get_or_create(&KindLabel { kind }).inc();
    }
}
