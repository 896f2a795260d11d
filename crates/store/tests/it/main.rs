//! The store on a real disk: against a model, killed at random, with damaged files.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]

mod crash;
mod damage;
mod faults;
mod fixture;
mod model;
mod model_test;
mod open_time;
mod reserve;
mod rig;
mod space;
