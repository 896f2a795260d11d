//! The replication protocol of `docs/replication.md` as a small model, checked exhaustively.
//!
//! The kernel is what runs; this is what its rules say, written a second time and apart from it, small
//! enough that a checker can visit every state within bounds. Each rule can be left out, to see what
//! is lost then.

pub mod action;
mod controller;
mod follower;
mod leader;
pub mod log;
pub mod members;
pub mod model;
pub mod rule;
pub mod rules;
pub mod state;
mod symmetry;
