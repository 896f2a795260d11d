//! The store on a real disk: against a model and beside the simulator's disk, killed at random, without power, with
//! damaged files.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]

mod crash;
mod damage;
mod faults;
mod fixture;
mod histories;
mod model;
mod model_test;
mod open_time;
mod reserve;
mod rig;
mod rocks_disk;
mod simulated_disk;
mod space;
