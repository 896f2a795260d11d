//! The decisions of Holdfast as pure state machines: what a replica may append, acknowledge,
//! truncate and announce; who may be in an ISR, lead, be fenced; where replicas are placed.
//!
//! Knows nothing about threads, sockets, disks, clocks or randomness: time and ids come in as
//! arguments, effects go out as values, maps are ordered. The same code runs in the broker and under
//! the simulator. `docs/replication.md` states the protocol; its invariants are asserted here under
//! their names.

pub mod config;
pub mod controller;
pub mod group;
pub mod image;
pub mod log;
pub mod planted;
pub mod recovery;
pub mod repair;
pub mod replica;
pub mod sharded;
