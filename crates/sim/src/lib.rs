//! Simulates clusters: the production kernel of every broker and of the controller, under one
//! virtual clock, one seed and one thread, while messages are lost, processes die and disks lie.
//!
//! Knows nothing about sockets, real disks, real time, RocksDB or openraft: the quorum is modelled as
//! the durable, linearizable log that it promises to be, and a disk as an ordered log with a page
//! cache in front.
//!
//! Invariants: a run is a function of profile, seed and planted bug alone; the brokers see nothing
//! of the oracle. `docs/simulation.md` says what is modelled and how to read the output.

pub mod clock;
pub mod command;
pub mod context;
pub mod disk;
pub mod event;
pub mod fault;
pub mod groups;
pub mod message;
pub mod network;
pub mod node;
pub mod oracle;
pub mod producer;
pub mod profile;
pub mod quorum;
pub mod replica;
pub mod report;
pub mod rng;
pub mod roller;
pub mod schedule;
pub mod situation;
pub mod trace;
pub mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use holdfast_kernel::planted::Planted;

pub use oracle::Violation;
pub use profile::{PROFILES, Profile};
pub use report::Report;
pub use situation::{Coverage, SITUATIONS, Situation};
pub use trace::Mode;
pub use world::World;
pub use world::gate::Kind;
pub use world::script::{CLIENTS, CONTROLLER, Script};

/// Virtual time since the start of a run, microseconds.
pub type Time = u64;

/// Runs one seed. A panic in the kernel, which is how its own invariants fail, is a violation.
pub fn run(profile: &Profile, seed: u64, planted: Planted, mode: Mode) -> Report {
    let mut world = World::new(profile, seed, planted, mode);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let mut report = world.report();
    if let Err(payload) = outcome {
        report.violation = Some(Violation::of_panic(&*payload));
    }
    report
}

/// For tests: broken invariants are caught and reported with their seeds, and not printed as well.
pub fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if !text.starts_with("invariant broken: ") {
                default(info);
            }
        }));
    });
}
