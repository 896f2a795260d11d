//! Simulates the operator: its real code from the look to the status, for every seed against an API
//! server, the controllers of Kubernetes, kubelets, brokers and people, while caches are old, requests
//! and answers are lost, machines fail and the operator's process dies at every await.
//!
//! Knows nothing about sockets, real time or real brokers. What is modelled, and how to read the
//! output, says `docs/simulation.md`.
//!
//! Invariants: a run is a function of profile, seed and planted bug alone; the operators see nothing of
//! the oracle.

pub mod brokers;
pub mod converged;
pub mod faults;
pub mod machines;
pub mod operators;
pub mod oracle;
pub mod person;
pub mod processes;
pub mod profile;
pub mod run;
pub mod server;
pub mod sets;
pub mod store;
pub mod wire;
pub mod world;

use holdfast_planner::planted::Planted;
use sha2::{Digest, Sha256};

pub use holdfast_sim::Violation;
pub use holdfast_sim::rng;
pub use holdfast_sim::trace::{Mode, Trace};
pub use profile::{PROFILES, Profile};
pub use run::Report;

/// Virtual time since the start of a run, milliseconds.
pub type Time = u64;

/// Runs one seed.
pub fn run(profile: &'static Profile, seed: u64, planted: Planted, mode: Mode) -> Report {
    // Nothing of it is used but the queue of tasks, in which a client of the API server has one.
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run::Run::new(profile, seed, planted, mode).finish()),
        Err(error) => Report::failed(error.to_string()),
    }
}

/// The digest of bytes, as brokers tell that of their files.
fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
