//! Links between brokers, the controller and clients.

use crate::Time;
use crate::event::Endpoint;
use crate::profile::Settings;
use crate::rng::Rng;

/// The links. A link keeps the order of its messages, as a stream does, but for the share that the
/// settings let overtake.
#[derive(Debug)]
pub struct Network {
    size: usize,
    blocked: Vec<bool>,
    last_arrival: Vec<Time>,
    /// Extra loss for a while, in thousandths.
    pub storm: u32,
}

impl Network {
    /// Links among so many endpoints.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            blocked: vec![false; size * size],
            last_arrival: vec![0; size * size],
            storm: 0,
        }
    }

    /// Blocks or opens one direction.
    pub fn set_blocked(&mut self, from: Endpoint, to: Endpoint, blocked: bool) {
        self.blocked[from * self.size + to] = blocked;
    }

    /// Opens every link and ends the storm.
    pub fn heal(&mut self) {
        self.blocked.fill(false);
        self.storm = 0;
    }

    /// Whether one direction is blocked.
    pub fn is_blocked(&self, from: Endpoint, to: Endpoint) -> bool {
        self.blocked[from * self.size + to]
    }

    /// When copies of a message arrive: none if it is lost, two if it is duplicated.
    pub fn arrivals(
        &mut self,
        (from, to): (Endpoint, Endpoint),
        now: Time,
        settings: &Settings,
        rng: &mut Rng,
    ) -> [Option<Time>; 2] {
        if self.is_blocked(from, to) || rng.chance(settings.loss + self.storm) {
            return [None, None];
        }
        let link = from * self.size + to;
        let mut arrival = now + rng.within(settings.delay_us);
        if rng.chance(settings.reorder) {
            arrival += rng.within(settings.late_us);
        } else {
            arrival = arrival.max(self.last_arrival[link] + 1);
            self.last_arrival[link] = arrival;
        }
        let copy = rng
            .chance(settings.duplicate)
            .then(|| arrival + rng.within(settings.late_us));
        [Some(arrival), copy]
    }
}
