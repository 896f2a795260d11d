//! Groups by example; the simulator runs them at random.

mod client;
mod cluster;
mod expiry;
mod joining;
mod migration;
mod modern;
mod offsets;
mod rewriting;
mod rig;
mod statics;
