//! A set of disks.

use crate::state::{BROKERS, Broker};

/// Which disks are meant; each broker has had at most two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Members(u8);

impl Members {
    fn bit(broker: Broker, disk: u8) -> u8 {
        1 << (broker + BROKERS * usize::from(disk))
    }

    /// This set and a disk.
    #[must_use]
    pub fn with(self, broker: Broker, disk: u8) -> Self {
        Self(self.0 | Self::bit(broker, disk))
    }

    /// This set without a disk.
    #[must_use]
    pub fn without(self, broker: Broker, disk: u8) -> Self {
        Self(self.0 & !Self::bit(broker, disk))
    }

    /// Whether a disk is in it.
    pub fn has(self, broker: Broker, disk: u8) -> bool {
        self.0 & Self::bit(broker, disk) != 0
    }

    /// How many there are.
    pub fn len(self) -> u8 {
        self.0.count_ones() as u8
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in one or the other.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one alone.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The disks in it.
    pub fn iter(self) -> impl Iterator<Item = (Broker, u8)> {
        (0..BROKERS)
            .flat_map(|broker| [(broker, 0), (broker, 1)])
            .filter(move |(broker, disk)| self.has(*broker, *disk))
    }

    /// The same set where brokers have other numbers: broker `b` becomes `new[b]`.
    #[must_use]
    pub fn renamed(self, new: &[Broker; BROKERS]) -> Self {
        self.iter().fold(Self::default(), |set, (broker, disk)| {
            set.with(new[broker], disk)
        })
    }
}
