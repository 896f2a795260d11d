//! Real broker processes, real clients and real faults: what the tests of the whole are made of.
//!
//! Knows nothing about how a broker works: it starts the binary, writes its configuration, sends it
//! signals, cuts the power of its disk, and judges by what clients were told and what they read.
//!
//! Invariants:
//! - One cluster runs at a time in a test process, so that tests do not take each other's CPU.
//! - Nothing that was started or mounted outlives the cluster's value.
//! - What a run left is removed only when its test said that it passed.

pub mod chance;
pub mod cluster;
pub mod fetch;
pub mod ledger;
pub mod measure;
pub mod patience;
pub mod power;
pub mod writer;
