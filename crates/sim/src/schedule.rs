//! Virtual time: what happens next.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::Time;
use crate::event::Event;

#[derive(Debug)]
struct Entry {
    at: Time,
    sequence: u64,
    event: Event,
}

// The heap gives the greatest first; the earliest must be the greatest, and of two at one moment
// the one that was scheduled first.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

/// Events by time.
#[derive(Debug, Default)]
pub struct Schedule {
    heap: BinaryHeap<Entry>,
    sequence: u64,
}

impl Schedule {
    /// Adds an event.
    pub fn add(&mut self, at: Time, event: Event) {
        self.sequence += 1;
        self.heap.push(Entry {
            at,
            sequence: self.sequence,
            event,
        });
    }

    /// Takes the next event.
    pub fn take(&mut self) -> Option<(Time, Event)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}
