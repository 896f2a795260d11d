//! What happens at a moment of virtual time.

use crate::fault::Repair;
use crate::message::Message;

/// Who sends and receives: brokers by their index, then the controller, then all clients.
pub type Endpoint = usize;

/// One step of a run.
#[derive(Debug)]
pub enum Event {
    /// A message arrives.
    Deliver {
        /// Who sent it.
        from: Endpoint,
        /// Who receives it.
        to: Endpoint,
        /// What it says.
        message: Message,
    },
    /// A broker's disk has synced a commit group.
    Synced {
        /// The broker.
        node: usize,
        /// The process that wrote it.
        process: u64,
    },
    /// A broker's timer.
    Tick {
        /// The broker.
        node: usize,
        /// The process whose timer it is.
        process: u64,
    },
    /// The controller's timer.
    Control,
    /// The quorum has agreed on what it was given in this term.
    Commit {
        /// The term.
        term: u64,
    },
    /// A producer's timer.
    Produce(usize),
    /// A reader looks somewhere.
    Read,
    /// The timer of whoever stops brokers on purpose.
    Roll,
    /// Something goes wrong.
    Fault,
    /// Something that went wrong is set right.
    Repair(Repair),
}

/// What a step causes: collected while it runs, carried out after it.
#[derive(Debug)]
pub enum Effect {
    /// A message is sent.
    Send {
        /// By whom.
        from: Endpoint,
        /// To whom.
        to: Endpoint,
        /// What it says.
        message: Message,
    },
}
