//! What the process itself costs: memory, CPU, descriptors, threads, read from `/proc` at scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// The kernel counts CPU time in ticks of 1/100 s on every Linux that runs user space today.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` at each scrape; exports nothing where there is no `/proc`.
#[derive(Debug)]
pub struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(usage) = ProcessUsage::read() else {
            return Ok(());
        };
        let cpu = ConstCounter::new(usage.cpu_seconds);
        cpu.encode(encoder.encode_descriptor(
            "process_cpu",
            "CPU time used, user and system.",
            Some(&Unit::Seconds),
            prometheus_client::metrics::MetricType::Counter,
        )?)?;
        let memory = ConstGauge::new(usage.resident_bytes);
        memory.encode(encoder.encode_descriptor(
            "process_resident_memory",
            "Memory resident in RAM.",
            Some(&Unit::Bytes),
            prometheus_client::metrics::MetricType::Gauge,
        )?)?;
        for (name, help, value) in [
            ("process_threads", "Threads of the process.", usage.threads),
            (
                "process_open_descriptors",
                "Open file descriptors.",
                usage.descriptors,
            ),
        ] {
            ConstGauge::new(value).encode(encoder.encode_descriptor(
                name,
                help,
                None,
                prometheus_client::metrics::MetricType::Gauge,
            )?)?;
        }
        Ok(())
    }
}

/// What the process uses now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessUsage {
    /// CPU time since the start, user and system, in seconds.
    pub cpu_seconds: f64,
    /// Memory resident in RAM, in bytes.
    pub resident_bytes: i64,
    /// Threads.
    pub threads: i64,
    /// Open file descriptors.
    pub descriptors: i64,
}

impl ProcessUsage {
    /// Reads `/proc/self`; `None` where it cannot be read.
    pub fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let descriptors = std::fs::read_dir("/proc/self/fd").ok()?.count();
        let (cpu_seconds, threads) = parse_stat(&stat)?;
        let resident_bytes = parse_resident(&status)?;
        Some(Self {
            cpu_seconds,
            resident_bytes,
            threads,
            descriptors: descriptors as i64,
        })
    }
}

/// CPU seconds and threads. The name in parentheses may hold spaces: fields count from its end.
fn parse_stat(stat: &str) -> Option<(f64, i64)> {
    let (_name, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let user: u64 = fields.get(11)?.parse().ok()?;
    let system: u64 = fields.get(12)?.parse().ok()?;
    let threads: i64 = fields.get(17)?.parse().ok()?;
    Some(((user + system) as f64 / TICKS_PER_SECOND, threads))
}

fn parse_resident(status: &str) -> Option<i64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_does_not_shift_the_fields() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4 100 0 0 0 250 50 0 0 20 0 9 0 77 1000 20";
        assert_eq!(parse_stat(stat), Some((3.0, 9)));
    }

    #[test]
    fn this_process_uses_something() {
        let usage = ProcessUsage::read().unwrap();
        assert!(usage.resident_bytes > 100_000 && usage.threads >= 1 && usage.descriptors >= 3);
        let text = crate::Metrics::new().encode();
        assert!(
            text.contains("holdfast_process_resident_memory_bytes "),
            "{text}"
        );
        assert!(
            text.contains("holdfast_process_cpu_seconds_total "),
            "{text}"
        );
    }
}
