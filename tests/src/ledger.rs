//! The ledger: what a producer was told, and whether the log keeps it.

mod audit;
mod entry;
mod producer;

pub use audit::{Verdict, audit};
pub use entry::{Ack, Entries};
pub use producer::{Recipe, RunningProducer, python};
