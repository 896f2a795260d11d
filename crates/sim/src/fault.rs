//! What goes wrong, and how it is set right.

use holdfast_model::TopicPartition;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A process dies; with it, sometimes, the power of its machine.
    Crash,
    /// The power fails everywhere.
    PowerCut,
    /// A process stands still.
    Pause,
    /// A broker is cut off from everybody.
    Isolate,
    /// A broker hears nobody, or is heard by nobody.
    OneWay,
    /// Two brokers do not reach each other.
    CutPair,
    /// A broker does not reach the controller, or is not reached by it.
    CutController,
    /// Many messages are lost.
    Storm,
    /// A disk takes long to sync.
    SlowDisk,
    /// The controller changes.
    ControllerChange,
    /// A broker is stopped in order.
    Shutdown,
    /// A leader gives a partition away.
    Resign,
    /// Records are deleted.
    DeleteRecords,
    /// `min.insync.replicas` changes.
    MinIsr,
    /// A topic is deleted and another one made.
    ReplaceTopic,
    /// A disk is lost; an empty one takes its place.
    Wipe,
    /// A disk is set back to an older state.
    RollBack,
    /// A machine's wall clock jumps, ahead or back.
    ClockJump,
    /// Stored bytes of a replica are damaged, until they are mended from another.
    Damage,
}

/// How a fault ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A process starts, if none runs.
    Start(usize),
    /// Two endpoints reach each other again in this direction.
    Link(usize, usize),
    /// Messages pass as usual.
    Storm,
    /// Somebody leads the quorum.
    Elect,
    /// An empty disk takes the place of one that is foreign to the cluster.
    Replace(usize),
    /// A machine's clock shows the true time again.
    Clock(usize),
    /// A replica's bytes are what they were.
    Mend(usize, TopicPartition),
}

/// Every kind, evenly mixed.
pub const FAULTS: &[(FaultKind, u32)] = &[
    (FaultKind::Crash, 10),
    (FaultKind::PowerCut, 1),
    (FaultKind::Pause, 5),
    (FaultKind::Isolate, 4),
    (FaultKind::OneWay, 4),
    (FaultKind::CutPair, 4),
    (FaultKind::CutController, 4),
    (FaultKind::Storm, 2),
    (FaultKind::SlowDisk, 4),
    (FaultKind::ControllerChange, 4),
    (FaultKind::Shutdown, 3),
    (FaultKind::Resign, 2),
    (FaultKind::DeleteRecords, 3),
    (FaultKind::MinIsr, 3),
    (FaultKind::ReplaceTopic, 1),
    (FaultKind::Wipe, 2),
    (FaultKind::RollBack, 2),
    (FaultKind::ClockJump, 3),
    (FaultKind::Damage, 4),
];
