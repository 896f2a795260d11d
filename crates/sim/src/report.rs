//! What came of one run.

use std::fmt;

use crate::Time;
use crate::oracle::Violation;
use crate::situation::Coverage;

/// The outcome of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The first broken promise, if there was one.
    pub violation: Option<Violation>,
    /// The hash of the trace; meaningful where the trace was kept.
    pub hash: u64,
    /// Steps taken.
    pub events: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Batches acknowledged by all in-sync replicas.
    pub acknowledged: u64,
    /// Batches that came below a high watermark.
    pub committed: u64,
    /// Batches that leaders let expire, each as often as a leader did.
    pub expired: u64,
    /// Partitions that lost every disk that could lead them.
    pub stranded: u64,
    /// Restart permits that were granted.
    pub granted: u64,
    /// Restart permits whose brokers restarted and caught up, or were parked.
    pub rolled: u64,
    /// What it came to.
    pub coverage: Coverage,
    /// Virtual time at the end, microseconds.
    pub ended: Time,
    /// The lines of the trace that were kept.
    pub lines: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} steps, {} faults, {} committed, {} acked, trace {:016x}",
            self.events, self.faults, self.committed, self.acknowledged, self.hash
        )
    }
}
