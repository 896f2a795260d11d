//! Groups by example; the simulator runs them at random.

mod expiry;
mod joining;
mod modern;
mod offsets;
mod rewriting;
mod rig;
mod statics;
