//! What a step may use, and where it leaves what it causes.

use holdfast_model::{BrokerEpoch, Monotonic, ReplicaId};

use crate::Time;
use crate::disk::Op;
use crate::event::{Effect, Endpoint};
use crate::message::Message;
use crate::oracle::Oracle;
use crate::profile::Settings;
use crate::rng::Rng;
use crate::trace::Trace;

/// The surroundings of one step.
#[derive(Debug)]
pub struct Context<'a> {
    /// Virtual time.
    pub now: Time,
    /// What the run goes by.
    pub settings: &'a Settings,
    /// Chance.
    pub rng: &'a mut Rng,
    /// Who checks.
    pub oracle: &'a mut Oracle,
    /// Who writes it down.
    pub trace: &'a mut Trace,
    /// What the step causes.
    pub effects: &'a mut Vec<Effect>,
    /// What the step writes, in order.
    pub ops: Vec<Op>,
}

/// What a broker's process knows of itself.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its index among the brokers.
    pub node: usize,
    /// Its disk.
    pub replica: ReplicaId,
    /// Its registration, once it has one.
    pub registration: Option<BrokerEpoch>,
    /// The number that it drew for itself.
    pub process: u64,
    /// The next conversation or request.
    pub next_number: u64,
    /// Its own monotonic time, which runs a little faster or slower than others'.
    pub now: Monotonic,
}

impl Context<'_> {
    /// Sends a message.
    pub fn send(&mut self, from: Endpoint, to: Endpoint, message: Message) {
        self.effects.push(Effect::Send { from, to, message });
    }

    /// Where the controller is reached.
    pub fn controller(&self) -> Endpoint {
        self.settings.brokers
    }

    /// Where clients are reached.
    pub fn clients(&self) -> Endpoint {
        self.settings.brokers + 1
    }
}

impl Local {
    /// A number that this process never gave before.
    pub fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}
