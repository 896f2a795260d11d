//! The few calls that RocksDB's safe crate and the standard library lack: settings that decide
//! whether RocksDB may hide a failed write, and the size of a file system.
//!
//! Knows nothing about keys, records or recovery; `store` decides what to do with these calls.
//!
//! Invariants: this is the only crate of the workspace with unsafe code; every unsafe block is a
//! single call and says why it is sound; no pointer outlives the call that it was made for.

mod file_system;
mod process;
mod settings;

pub use file_system::{Space, preallocate, space};
pub use process::end as end_process;
pub use settings::{avoid_flush_during_recovery, never_resume_after_errors};
