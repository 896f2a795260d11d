//! Consumer groups under faults: the production kernel of one coordinator after another, its log,
//! and clients of either protocol, under one virtual clock and one seed.
//!
//! Messages are late, lost and repeated, members die or stand still, coordinators die with what was
//! not committed, records are committed late, the log is rewritten. The oracle sees every answer as
//! the coordinator gives it, and the log.

mod client;
mod consumer;
mod coordinator;
mod life;
mod mix;
mod oracle;
mod request;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use holdfast_kernel::group::Planted;

use crate::{Time, Violation};

pub use mix::{MIXES, Mix, Protocols};
use world::World;

/// Partitions of the topic that the group reads.
pub(crate) const PARTITIONS: i32 = 8;

/// The name of the group and of its topic.
pub(crate) const GROUP: &str = "group";
pub(crate) const TOPIC: &str = "topic";

/// A second, in virtual time.
pub(crate) const SECOND: Time = 1_000_000;

/// What came of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupReport {
    /// The first broken promise, if there was one.
    pub violation: Option<Violation>,
    /// Steps taken.
    pub events: u64,
    /// Generations whose assignment was given.
    pub generations: u64,
    /// Commits that were answered.
    pub commits: u64,
    /// Coordinators that took over.
    pub failovers: u64,
    /// Times that the group went from one protocol to the other.
    pub moved: u64,
    /// Times that the log was rewritten.
    pub rewritten: u64,
    /// What happened, where it was asked for.
    pub lines: Vec<String>,
}

impl fmt::Display for GroupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} steps, {} generations, {} commits, {} failovers, {} changes of protocol, {} rewritings",
            self.events, self.generations, self.commits, self.failovers, self.moved, self.rewritten
        )
    }
}

/// Runs one seed. A panic in the kernel, which is how its own invariants fail, is a violation.
pub fn run(mix: &Mix, seed: u64, planted: Planted, traced: bool) -> GroupReport {
    let mut world = World::new(mix, seed, planted, traced);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let mut report = world.report();
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(violation)) => report.violation = Some(violation),
        Err(payload) => report.violation = Some(Violation::of_panic(&*payload)),
    }
    report
}
