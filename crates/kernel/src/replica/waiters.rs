//! Who waits for the high watermark.

use std::collections::BTreeMap;

use holdfast_model::{LeaderEpoch, Offset, invariant};

use crate::planted::Planted;

/// Waiters of one leader. A waiter belongs to (epoch, end offset): when leadership goes, even if it
/// comes back before anybody looked, the waiters of the older epoch fail.
#[derive(Debug)]
pub struct Waiters<T> {
    epoch: LeaderEpoch,
    planted: Planted,
    waiting: BTreeMap<Offset, Vec<T>>,
}

impl<T> Waiters<T> {
    /// No waiters, in an epoch.
    pub fn new(epoch: LeaderEpoch, planted: Planted) -> Self {
        Self {
            epoch,
            planted,
            waiting: BTreeMap::new(),
        }
    }

    /// The epoch to which all of them belong.
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits until the high watermark reaches `end`. The caller bounds how many wait, by the memory
    /// budget that their requests hold.
    pub fn add(&mut self, epoch: LeaderEpoch, end: Offset, waiter: T) {
        invariant!(
            "INV-ACK-BELOW-HW",
            epoch == self.epoch,
            "waiter of epoch {epoch} in epoch {}",
            self.epoch
        );
        self.waiting.entry(end).or_default().push(waiter);
    }

    /// Takes those whose end the high watermark of the current epoch has reached.
    pub fn reached(&mut self, epoch: LeaderEpoch, high_watermark: Offset) -> Vec<T> {
        if epoch != self.epoch && self.planted != Planted::WaiterByOffset {
            return Vec::new();
        }
        let mut done = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() > high_watermark {
                break;
            }
            done.extend(first.remove());
        }
        done
    }

    /// Takes everybody, within the epoch: nobody can say when the high watermark moves again.
    pub fn give_up(&mut self) -> Vec<T> {
        std::mem::take(&mut self.waiting)
            .into_values()
            .flatten()
            .collect()
    }

    /// Moves to another epoch and takes everybody who waited in the old one: they have failed.
    pub fn change_epoch(&mut self, epoch: LeaderEpoch) -> Vec<T> {
        if epoch == self.epoch {
            return Vec::new();
        }
        self.epoch = epoch;
        if self.planted == Planted::WaiterByOffset {
            return Vec::new();
        }
        self.give_up()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_does_not_outlive_its_epoch_even_when_leadership_comes_back() {
        let mut waiters = Waiters::new(LeaderEpoch(1), Planted::None);
        waiters.add(LeaderEpoch(1), Offset(101), "X");
        assert_eq!(waiters.change_epoch(LeaderEpoch(3)), vec!["X"]);
        assert!(waiters.reached(LeaderEpoch(3), Offset(200)).is_empty());
    }

    #[test]
    fn waiters_are_released_in_order_up_to_the_high_watermark() {
        let mut waiters = Waiters::new(LeaderEpoch(1), Planted::None);
        for end in [5, 3, 9] {
            waiters.add(LeaderEpoch(1), Offset(end), end);
        }
        assert_eq!(waiters.reached(LeaderEpoch(1), Offset(5)), vec![3, 5]);
        assert_eq!(waiters.len(), 1);
    }
}
