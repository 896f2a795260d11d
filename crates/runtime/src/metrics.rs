//! The registry of metrics, passed by hand.
//!
//! Names are `holdfast_<area>_<thing>_<unit>[_total]`: an [`Area`] adds the front, the kind of the
//! metric adds the end, so that a caller can get neither wrong.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

pub mod process;

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Latency buckets in seconds: doubling from 50 us, below any honest sync, to 26 s, past every
/// time-out of a client that still matters.
const LATENCY_BUCKETS: u16 = 20;
const LATENCY_START: f64 = 50e-6;

/// Size buckets in bytes: times four from 64 B to 256 MiB.
const SIZE_BUCKETS: u16 = 12;
const SIZE_START: f64 = 64.0;

/// All metrics of a process. Cheap to clone; all clones are one registry.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// An empty registry, but for the process's own memory, CPU and descriptors.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("holdfast");
        registry.register_collector(Box::new(process::ProcessCollector));
        Self {
            registry: Arc::new(Mutex::new(registry)),
        }
    }

    /// The part of the registry whose names begin with `holdfast_<area>_`.
    pub fn area(&self, area: &'static str) -> Area {
        Area {
            metrics: self.clone(),
            area,
        }
    }

    /// Adds a source that is asked at each scrape. It names its metrics in full, without the
    /// prefix `holdfast_`.
    pub fn register_collector(&self, collector: Box<dyn Collector>) {
        self.registry.lock().register_collector(collector);
    }

    /// Every metric in the `OpenMetrics` text format.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        let registry = self.registry.lock();
        if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
            // Writing into a string cannot fail, but a collector may: say so in the output.
            let _infallible = writeln!(text, "# a collector failed\n# EOF");
        }
        text
    }

    /// Every metric that has a value, by the name under which it is scraped: its kind and its help. For the
    /// pages that tell of them.
    pub fn described(&self) -> BTreeMap<String, (String, String)> {
        let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
        let text = self.encode();
        for line in text.lines() {
            let mut words = line.splitn(4, ' ');
            let (Some("#"), Some(what), Some(name), Some(rest)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            let row = found.entry(name.to_owned()).or_default();
            match what {
                "TYPE" => rest.clone_into(&mut row.0),
                "HELP" => rest.trim_end_matches('.').clone_into(&mut row.1),
                _ => {}
            }
        }
        let suffix = |kind: &str| if kind == "counter" { "_total" } else { "" };
        let scraped = found.into_iter();
        scraped
            .map(|(name, row)| (format!("{name}{}", suffix(&row.0)), row))
            .collect()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// One area of the product in the registry, such as `request` or `replication`.
#[derive(Clone, Debug)]
pub struct Area {
    metrics: Metrics,
    area: &'static str,
}

impl Area {
    /// A counter, `holdfast_<area>_<name>_total`.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.register(name, help, Counter::default())
    }

    /// A counter of bytes, `holdfast_<area>_<name>_bytes_total`.
    pub fn bytes_counter(&self, name: &str, help: &str) -> Counter {
        self.register_with_unit(name, help, Unit::Bytes, Counter::default())
    }

    /// A gauge, `holdfast_<area>_<name>`.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(name, help, Gauge::default())
    }

    /// A gauge of bytes, `holdfast_<area>_<name>_bytes`.
    pub fn bytes_gauge(&self, name: &str, help: &str) -> Gauge {
        self.register_with_unit(name, help, Unit::Bytes, Gauge::default())
    }

    /// A histogram of durations in seconds, `holdfast_<area>_<name>_seconds`.
    pub fn latency(&self, name: &str, help: &str) -> Histogram {
        self.register_with_unit(name, help, Unit::Seconds, latency_histogram())
    }

    /// A histogram of sizes in bytes, `holdfast_<area>_<name>_bytes`.
    pub fn sizes(&self, name: &str, help: &str) -> Histogram {
        self.register_with_unit(name, help, Unit::Bytes, size_histogram())
    }

    /// Any metric without a unit, such as a family with labels; returns it.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        let name = format!("{}_{name}", self.area);
        self.metrics
            .registry
            .lock()
            .register(name, help, metric.clone());
        metric
    }

    /// Any metric with a unit, which becomes the end of its name; returns it.
    pub fn register_with_unit<M: Metric + Clone>(
        &self,
        name: &str,
        help: &str,
        unit: Unit,
        metric: M,
    ) -> M {
        let name = format!("{}_{name}", self.area);
        self.metrics
            .registry
            .lock()
            .register_with_unit(name, help, unit, metric.clone());
        metric
    }
}

/// A histogram with the buckets of a latency, in seconds; fits `Family::new_with_constructor`.
pub fn latency_histogram() -> Histogram {
    use prometheus_client::metrics::histogram::exponential_buckets;
    Histogram::new(exponential_buckets(LATENCY_START, 2.0, LATENCY_BUCKETS))
}

/// A histogram with the buckets of a size, in bytes; fits `Family::new_with_constructor`.
pub fn size_histogram() -> Histogram {
    use prometheus_client::metrics::histogram::exponential_buckets;
    Histogram::new(exponential_buckets(SIZE_START, 4.0, SIZE_BUCKETS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_area_and_unit() {
        let metrics = Metrics::new();
        let area = metrics.area("request");
        area.counter("handled", "Requests answered").inc();
        area.latency("duration", "Time to answer").observe(0.001);
        area.bytes_gauge("held", "Bytes held").set(7);
        area.bytes_counter("received", "Bytes received").inc_by(9);
        let text = metrics.encode();
        for line in [
            "holdfast_request_handled_total 1",
            "holdfast_request_duration_seconds_count 1",
            "holdfast_request_held_bytes 7",
            "holdfast_request_received_bytes_total 9",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn latency_buckets_span_a_sync_and_a_client_timeout() {
        let metrics = Metrics::new();
        metrics.area("x").latency("y", "z").observe(20.0);
        let text = metrics.encode();
        assert!(
            text.contains("holdfast_x_y_seconds_bucket{le=\"0.00005\"} 0"),
            "{text}"
        );
        assert!(
            text.contains("holdfast_x_y_seconds_bucket{le=\"26.2144\"} 1"),
            "{text}"
        );
    }
}
