//! Places where a test may make the store fail or wait.

use std::io;

/// A named place on the write path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultPoint {
    /// The group is built, nothing of it was handed to RocksDB.
    BeforeGroup,
    /// The group is written and synced, nobody was told.
    AfterGroup,
    /// The durable mark is about to be written.
    BeforeMark,
    /// The free space of the disk is about to be read.
    BeforeSpaceCheck,
}

/// What happens at a [`FaultPoint`]. Production uses [`NoFaults`]; a test may sleep, end the process
/// or return an error, which the store treats as if the system call at that place had failed.
pub trait Faults: Send + Sync + std::fmt::Debug {
    /// Called each time the store passes `point`.
    fn at(&self, point: FaultPoint) -> io::Result<()>;
}

/// Nothing ever fails on purpose.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn at(&self, _point: FaultPoint) -> io::Result<()> {
        Ok(())
    }
}
